"""Prediction of LightGBM."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import Table
from fame.learners.fold_model import FoldModel
from fame.runtime.cores import choose_cores

if TYPE_CHECKING:
    from lightgbm import Booster


class Model(FoldModel):
    """A booster a fold, as LightGBM's text."""

    suffix = ".txt"

    def read_model(self, path: Path) -> "Booster":
        """A fold's booster."""
        import lightgbm

        return lightgbm.Booster(model_file=path)

    def predict_model(self, model: "Booster", table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        threads = choose_cores(self.params.threads)
        return model.predict(table.read(rows), num_threads=threads)

    def explain_model(self, model: "Booster", table: Table, rows: np.ndarray) -> np.ndarray:
        """SHAP values (m, d)."""
        values, threads = table.read(rows), choose_cores(self.params.threads)
        return model.predict(values, pred_contrib=True, num_threads=threads)[:, :-1]
