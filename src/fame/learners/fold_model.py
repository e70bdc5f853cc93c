"""Prediction of the learners with one model a fold: the mean of the folds' models."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fame.learners.contract import Model, Table
from fame.learners.model_files import check_columns, read_manifest


class FoldModel(Model):
    """One model a fold, each in a file of its own."""

    suffix: ClassVar[str]  # of a fold's model file

    def __init__(self, params: Any, runtime: Any) -> None:
        self.params = params
        self.runtime = runtime

    @abstractmethod
    def read_model(self, path: Path) -> Any:
        """A fold's model as the trainer wrote it."""

    @abstractmethod
    def predict_model(self, model: Any, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,) of ``rows`` (m,), a chunk of the table; at least one row."""

    def explain_model(
        self,
        model: Any,  # noqa: ARG002
        table: Table,  # noqa: ARG002
        rows: np.ndarray,  # noqa: ARG002
    ) -> np.ndarray | None:
        """What columns add (m, d) to ``rows`` (m,); None where the kind cannot tell."""
        return None

    def load(self, folder: Path) -> None:
        """Read every fold's model, after the digests of all files were checked."""
        manifest = read_manifest(folder, self.params.kind)
        self._columns: list[str] = manifest["columns"]
        self.label_range = tuple(manifest["label_range"])
        self._models = {
            entry["fold"]: self.read_model(folder / f"fold_{entry['fold']}{self.suffix}")
            for entry in manifest["folds"]
        }

    def predict(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """(m,) float64 mean of the folds' models."""
        return np.mean([self.predict_fold(fold, table, rows) for fold in self._models], axis=0)

    def predict_fold(self, fold: int, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """(m,) float64 predictions of one fold's model.

        Raises:
            InputError: the table's columns are not those of the training.
        """
        check_columns(table, self._columns)
        parts = [
            self.predict_model(self._models[fold], table, part)
            for part in table.chunks(table.all_rows if rows is None else rows)
        ]
        return np.concatenate([np.empty(0), *parts])

    def explain(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray | None:
        """(m, d) mean of the folds' models.

        Raises:
            InputError: the table's columns are not those of the training.
        """
        check_columns(table, self._columns)
        rows = table.all_rows if rows is None else rows
        parts = [self.explain_model(model, table, rows) for model in self._models.values()]
        explained = [part for part in parts if part is not None]
        return np.mean(explained, axis=0) if explained else None
