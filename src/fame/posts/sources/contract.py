"""What a source loads."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from fame.posts.findings import Findings


@dataclass(frozen=True)
class Posts:
    """What a source loads.

    Attributes:
        table: columns of POSTS except split, fold and author_hidden, then own columns of
            numbers and categories.
            ``split`` is present only where the source brings its own.
        images: IMAGES, one row a post, in any order.
        descriptions: batches of DESCRIPTIONS (form A of SMPD), read lazily; empty elsewhere.
        findings: what reading decided, changed, masked and left out.
    """

    table: pa.Table
    images: pa.Table
    findings: Findings
    descriptions: Iterable[pa.RecordBatch] = ()


class Source(ABC):
    """Raw data -> posts."""

    @abstractmethod
    def load(self, root: Path) -> Posts:
        """Read the posts under ``root``.

        Raises:
            InputError: with file, row or key, what was found and what is allowed.
        """
