"""What a learner is given, and what it must do.

A kind of learner is a folder with three modules: `params` (class `Params`), `training` (class
`Trainer`) and `model` (class `Model`). Training imports nothing of `model`, so that code which only
predicts re-trains nothing; what both need stands in further modules of the folder.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fame.features.blocks import Column
from fame.runtime import arrays

CHUNK_ROWS = 2048


@dataclass(frozen=True, kw_only=True)
class Table:
    """Chosen blocks side by side, rows keyed by post id.

    Attributes:
        post_ids: (n,) str.
        values: (n, d) float32 or float16, memory-mapped, NaN where missing; categorical columns
            hold ids >= 0, 0 where missing.
        columns: d columns, named ``block.column``.
        texts: title and tags -> (n,) str, "" where missing; empty unless the table's blocks name
            ``texts``.
        images: status, container and member (see IMAGES) -> (n,) str, None where there is none;
            empty unless the table's blocks name ``images``.
    """

    post_ids: np.ndarray
    values: np.ndarray
    columns: tuple[Column, ...]
    texts: dict[str, np.ndarray] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def all_rows(self) -> np.ndarray:
        """(n,) positions of all rows."""
        return np.arange(len(self.post_ids))

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical columns."""
        return [i for i, column in enumerate(self.columns) if column.categorical]

    @property
    def numeric(self) -> list[int]:
        """Positions of the columns that hold numbers."""
        return [i for i, column in enumerate(self.columns) if not column.categorical]

    def read(self, rows: np.ndarray, columns: list[int] | None = None) -> np.ndarray:
        """(m, d) float32: some rows, or some of their columns, in memory."""
        chosen = slice(None) if columns is None else columns
        return arrays.read_rows(self.values, rows, chosen, "float32")

    @staticmethod
    def chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
        """Positions (m,) in parts that are read at a time, so that a large table stays on disk."""
        for start in range(0, len(rows), CHUNK_ROWS):
            yield rows[start : start + CHUNK_ROWS]


@dataclass(frozen=True, kw_only=True)
class FitTable(Table):
    """The training posts.

    Attributes:
        fold: (n,) int8, from 0.
        popularity: (n,) float64, the labels.
    """

    fold: np.ndarray
    popularity: np.ndarray

    @property
    def folds(self) -> list[int]:
        """The fold numbers, ascending."""
        return sorted(set(self.fold.tolist()))

    def training_rows(self, fold: int) -> np.ndarray:
        """Positions of the rows outside ``fold``."""
        return np.flatnonzero(self.fold != fold)

    def validation_rows(self, fold: int) -> np.ndarray:
        """Positions of the rows in ``fold``."""
        return np.flatnonzero(self.fold == fold)


@dataclass(frozen=True, kw_only=True)
class ScoreTable(Table):
    """All other posts, without a label.

    Attributes:
        split: (n,) str, holdout or challenge.
    """

    split: np.ndarray


class Trainer(ABC):
    """Training posts in, models and out-of-fold predictions out."""

    draws: ClassVar[bool] = True  # False: nothing is drawn, so the seed changes nothing

    @abstractmethod
    def __init__(self, params: Any, runtime: Any) -> None:
        """From its block of params.yaml and the block runtime."""

    @abstractmethod
    def fit(self, table: FitTable, checkpoints: Path) -> None:
        """Fit models that each train on the rows outside a fold and stop on those in it.

        Args:
            table: the training posts.
            checkpoints: a folder for what is finished. What is there already was finished by a
                training of the same table, parameters, code and versions that was killed: it is
                used, not trained again.

        Raises:
            InputError: the kind cannot learn from the table, or lacks something on this machine.
        """

    @abstractmethod
    def out_of_fold(self) -> np.ndarray:
        """(n,) float64 predictions of the training posts, each by models that never saw it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the models into ``folder`` (exists, empty), in their library's own format."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Facts for the learner's JSON: ``folds`` with rows, best iteration, validation MAE."""

    @abstractmethod
    def curves(self) -> list[dict[str, Any]]:
        """Learning curves: rows of phase, fold, iteration, training_mae, validation_mae."""

    def fit_seconds(self) -> dict[str, float]:
        """Model -> seconds of the last ``fit``, for `runs/`: they change from run to run."""
        return {}


class Model(ABC):
    """What was trained, read from its files: predicts any posts."""

    explained: ClassVar[bool] = True  # False: it predicts too slowly for the report to try blocks
    explanation: ClassVar[str] = "shap"  # what `explain` gives: these, or changes on "paths"
    label_range: tuple[float, float]  # of the training posts, read by `load`

    @abstractmethod
    def __init__(self, params: Any, runtime: Any) -> None:
        """From its block of params.yaml and the block runtime."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what the trainer saved.

        Raises:
            InputError: a file is missing, not the one that was saved, or of another kind.
        """

    @abstractmethod
    def predict(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """(m,) float64 of ``rows`` (m,), by default all: the mean of the folds' models.

        As the models say, however far from the labels: see `clipping`.

        Raises:
            InputError: the table's columns are not those of the training.
        """

    def explain(
        self,
        table: Table,  # noqa: ARG002
        rows: np.ndarray | None = None,  # noqa: ARG002
    ) -> np.ndarray | None:
        """What each column adds to each prediction: (m, d) of ``rows`` (m,), by default all.

        The mean of the folds' models: exact SHAP values, or what the splits on a tree's path
        change (`explanation`). None where a kind has neither.
        """
        return None
