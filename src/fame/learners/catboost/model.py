"""Prediction of CatBoost."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.catboost.pools import SUFFIX, make_pool
from fame.learners.contract import Table
from fame.learners.fold_model import FoldModel
from fame.runtime.cores import choose_cores

if TYPE_CHECKING:
    from catboost import CatBoostRegressor


class Model(FoldModel):
    """A CatBoost model a fold."""

    suffix = SUFFIX

    def read_model(self, path: Path) -> "CatBoostRegressor":
        """A fold's model."""
        from catboost import CatBoostRegressor

        return CatBoostRegressor().load_model(str(path))

    def predict_model(
        self, model: "CatBoostRegressor", table: Table, rows: np.ndarray
    ) -> np.ndarray:
        """Predictions (m,)."""
        return model.predict(make_pool(table, rows), thread_count=choose_cores(self.params.threads))

    def explain_model(
        self, model: "CatBoostRegressor", table: Table, rows: np.ndarray
    ) -> np.ndarray:
        """SHAP values (m, d)."""
        threads = choose_cores(self.params.threads)
        found = model.get_feature_importance(
            make_pool(table, rows), type="ShapValues", thread_count=threads
        )
        place = {column.name: number for number, column in enumerate(table.columns)}
        values = np.empty((len(rows), len(table.columns)))
        values[:, [place[name] for name in model.feature_names_]] = found[:, :-1]
        return values
