"""Prediction of extremely randomised trees."""

from pathlib import Path

import numpy as np

from fame.learners.contract import Table
from fame.learners.extratrees.forest import SUFFIX, Forest
from fame.learners.fold_model import FoldModel


class Model(FoldModel):
    """A forest a fold."""

    suffix = SUFFIX
    explanation = "paths"

    def read_model(self, path: Path) -> Forest:
        """A fold's forest."""
        return Forest.read(path)

    def predict_model(self, model: Forest, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        return model.predict_trees(table.read(rows)).mean(axis=1)

    def explain_model(self, model: Forest, table: Table, rows: np.ndarray) -> np.ndarray:
        """What the splits on the trees' paths change (m, d) (Saabas, 2014)."""
        values = [model.explain(table.read(part)) for part in table.chunks(rows)]
        return np.concatenate([np.empty((0, len(table.columns))), *values])
