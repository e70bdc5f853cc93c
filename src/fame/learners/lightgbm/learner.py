"""LightGBM on the table as it is: missing numbers stay missing, categories stay categories.

The borders of the bins come from the values of all fit rows; no tree sees a label of its fold.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from fame.learners.contract import Table
from fame.learners.folds import Fitted, FoldLearner, Step, read_rows
from fame.learners.lightgbm.training import Bins, Machines
from fame.params import Count, LearnerParams, NonNegative, Positive
from fame.runtime import ids

if TYPE_CHECKING:
    from lightgbm import Booster

LOSSES = {"rmse": "regression", "mae": "regression_l1"}


class Params(LearnerParams):
    """The block of a learner of kind lightgbm; keys as LightGBM names them."""

    iterations: Count
    early_stopping_rounds: Count
    learning_rate: Positive
    max_depth: Annotated[int, Field(ge=1, le=62)]
    num_leaves: Annotated[int, Field(ge=2, le=131072)]
    loss: Literal["rmse", "mae"]
    min_data_in_leaf: Count
    lambda_l2: NonNegative
    feature_fraction: Annotated[float, Field(gt=0, le=1)]
    bagging_fraction: Annotated[float, Field(gt=0, le=1)]
    bagging_freq: Annotated[int, Field(ge=0)]
    max_bin: Annotated[int, Field(ge=2, le=65535)]
    bin_construct_sample_cnt: Count
    cat_smooth: NonNegative
    min_data_per_group: Count
    histogram_pool_size: Count
    device_type: Literal["cpu", "gpu", "cuda"]
    num_machines: Count
    threads: Count


class LightGBM(FoldLearner):
    """Gradient boosting with leaf-wise trees and splits of sets of categories."""

    Params = Params
    suffix = ".txt"

    def fit(self, table: Table) -> None:
        """Fit one model a fold.

        Raises:
            InputError: there is no such device, or no cluster with room for the machines.
        """
        self._bins: Bins | Machines | None = None
        try:
            super().fit(table)
        finally:
            if self._bins:
                self._bins.close()
            self._bins = None

    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``.

        The first fold that is fitted makes the bins, which the others use.
        """
        import lightgbm

        if self._bins is None:
            self._bins = self._make_bins(table)
        boosted = self._bins.boost(fold, self.params.iterations, self.params.early_stopping_rounds)
        maes = zip(boosted.training_mae, boosted.validation_mae, strict=True)
        return Fitted(
            model=lightgbm.Booster(model_str=boosted.model),
            best_iteration=boosted.best_iteration,
            validation_mae=boosted.validation_mae[boosted.best_iteration - 1],
            curve=[Step("boosting", number, *both) for number, both in enumerate(maes, 1)],
            notes={"borders_fitted_on": ids.digest(table.post_ids[table.fold >= 0])},
        )

    def predict_model(self, model: "Booster", table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        return model.predict(read_rows(table, rows), num_threads=self.params.threads)

    def explain_model(self, model: "Booster", table: Table, rows: np.ndarray) -> np.ndarray:
        """SHAP values (m, d)."""
        values = read_rows(table, rows)
        return model.predict(values, pred_contrib=True, num_threads=self.params.threads)[:, :-1]

    def write_model(self, model: "Booster", path: Path) -> None:
        """LightGBM's text, up to the best iteration."""
        # Not its save_model: that takes no notice of a disk that is full.
        path.write_text(model.model_to_string(), encoding="utf-8", newline="")

    def read_model(self, path: Path) -> "Booster":
        """A model that ``write_model`` wrote."""
        import lightgbm

        return lightgbm.Booster(model_file=path)

    def _make_bins(self, table: Table) -> Bins | Machines:
        settings, machines = self._library_settings(), self.params.num_machines
        if machines == 1:
            return Bins(table, settings)
        return Machines(table, settings, machines, self.runtime)

    def _library_settings(self) -> dict[str, object]:
        own = {"kind", "table", "threads", "num_machines", "loss"}
        own |= {"iterations", "early_stopping_rounds"}
        return self.params.model_dump(exclude=own) | {
            "objective": LOSSES[self.params.loss],
            "metric": "l1",
            "num_threads": self.params.threads,
            "data_random_seed": self.params.seed,
            "feature_pre_filter": False,  # it would be by LightGBM's own min_data_in_leaf
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
