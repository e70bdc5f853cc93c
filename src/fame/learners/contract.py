"""What a learner is given, and what it must do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fame.features.contract import Column


@dataclass(frozen=True)
class Table:
    """A learner's input: chosen blocks side by side, rows keyed.

    Attributes:
        post_ids: (n,) str.
        values: (n, d) float32 or float16, memory-mapped, NaN where missing; categorical columns
            hold ids >= 0, 0 where missing.
        columns: d columns, named ``block.column``.
        split: (n,) str.
        fold: (n,) int8, -1 outside fit rows.
        popularity: (n,) float64, NaN outside fit rows: no learner ever sees a holdout label.
        texts: title and tags -> (n,) str, "" where missing; empty unless the table's blocks name
            ``texts``.
        images: status, container and member (see IMAGES) -> (n,) str, None where there is none;
            empty unless the table's blocks name ``images``.
    """

    post_ids: np.ndarray
    values: np.ndarray
    columns: tuple[Column, ...]
    split: np.ndarray
    fold: np.ndarray
    popularity: np.ndarray
    texts: dict[str, np.ndarray] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def categorical(self) -> list[int]:
        """Positions of the categorical columns."""
        return [i for i, column in enumerate(self.columns) if column.categorical]

    @property
    def folds(self) -> list[int]:
        """The fold numbers, ascending."""
        return sorted(set(self.fold[self.fold >= 0].tolist()))

    def training_rows(self, fold: int) -> np.ndarray:
        """Positions of the fit rows outside ``fold``."""
        return np.flatnonzero((self.fold >= 0) & (self.fold != fold))

    def validation_rows(self, fold: int) -> np.ndarray:
        """Positions of the fit rows in ``fold``."""
        return np.flatnonzero(self.fold == fold)


class Learner(ABC):
    """A table in, a prediction a post out. Its files are its library's own formats."""

    Params: ClassVar[type]  # its block of params.yaml, a subclass of fame.params.LearnerParams
    explained: ClassVar[bool] = True  # False: it predicts too slowly for the report to try blocks

    _kept: Path | None = None

    def keep_in(self, folder: Path) -> None:
        """Have `fit` keep in ``folder`` what it finishes, and take over what is there.

        That is what a killed `fit` left of the same table, parameters, code and versions. A kind
        that does not look there starts again.
        """
        self._kept = folder.absolute()

    @abstractmethod
    def fit(self, table: Table) -> None:
        """Fit models that each train on the fit rows outside a fold and stop on those in it."""

    @abstractmethod
    def predict(self, table: Table) -> np.ndarray:
        """(n,) float64: out of fold for fit rows, the mean of the folds' models for all others."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted models into ``folder`` (exists, empty)."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote; predictions are the same numbers."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """Facts for the learner's JSON: ``folds`` with rows, best iteration, validation MAE."""

    @abstractmethod
    def curves(self) -> list[dict[str, Any]]:
        """Learning curves: rows of phase, fold, iteration, training_mae, validation_mae."""

    def fit_seconds(self) -> dict[str, float]:
        """Model -> seconds of the last ``fit``, for `runs/`: they change from run to run."""
        return {}

    def explain(self, table: Table, rows: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """(m, d) float64: what each column adds to each prediction, the mean of the folds' models.

        SHAP values, for kinds whose library has them exactly; None for the others.
        """
        return None
