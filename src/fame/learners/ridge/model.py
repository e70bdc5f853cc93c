"""Prediction of a ridge regression."""

from pathlib import Path

import numpy as np

from fame.learners.contract import Table
from fame.learners.fold_model import FoldModel
from fame.learners.ridge.regression import SUFFIX, Regression


class Model(FoldModel):
    """A regression a fold."""

    suffix = SUFFIX

    def read_model(self, path: Path) -> Regression:
        """A fold's regression."""
        return Regression.read(path)

    def predict_model(self, model: Regression, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        return model.predict(table.read(rows))

    def explain_model(self, model: Regression, table: Table, rows: np.ndarray) -> np.ndarray:
        """SHAP values (m, d)."""
        return model.explain(table.read(rows))
