"""What a feature block is."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Column:
    """A column of a feature block or table: ``block.name`` is unique in a table."""

    name: str
    categorical: bool = False


@dataclass(frozen=True)
class Block:
    """A feature block: one row a post.

    Attributes:
        post_ids: (n,) str.
        values: (n, d) float32, NaN where missing.
        columns: d names, readable and kept to the models; a categorical column holds ids > 0.
        status: modality -> (n,) str, OK or why the row is masked.
        fitted_on: digest of the ids that a fitted transform saw, None if nothing was fitted.
        notes: facts for the manifest (resolved weights, vocabulary sizes, ...), JSON-able.
    """

    post_ids: np.ndarray
    values: np.ndarray
    columns: tuple[Column, ...]
    status: dict[str, np.ndarray] = field(default_factory=dict)
    fitted_on: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)
