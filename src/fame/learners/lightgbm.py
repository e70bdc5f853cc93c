"""LightGBM on the table as it is: missing numbers stay missing, categories stay categories."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

import numpy as np
from pydantic import Field

from fame import progress
from fame.common.contracts import Table
from fame.learners.folds import Fitted, FoldLearner, Step, read_rows
from fame.params import Count, LearnerParams, NonNegative, Positive

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
    cat_smooth: NonNegative
    min_data_per_group: Count
    threads: Count


class LightGBM(FoldLearner):
    """Gradient boosting with leaf-wise trees and splits of sets of categories."""

    Params = Params
    suffix = ".txt"

    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``."""
        import lightgbm

        settings = self._library_settings()
        rows = table.training_rows(fold)
        training = lightgbm.Dataset(
            read_rows(table, rows),
            table.popularity[rows],
            # LightGBM refuses the signs of JSON in a name and breaks one at a space.
            feature_name=[quote(column.name, safe="") for column in table.columns],
            categorical_feature=table.categorical,
            params=settings,
        )
        rows = table.validation_rows(fold)
        validation = training.create_valid(read_rows(table, rows), table.popularity[rows])
        history: dict[str, dict[str, list[float]]] = {}
        with progress.bar(self.params.iterations, f"lightgbm fold {fold}", "trees") as bar:
            model = lightgbm.train(
                settings,
                training,
                self.params.iterations,
                valid_sets=[training, validation],
                valid_names=["training", "validation"],
                callbacks=[
                    lightgbm.early_stopping(self.params.early_stopping_rounds, verbose=False),
                    lightgbm.record_evaluation(history),
                    lambda _: bar.update(),
                ],
            )
        maes = zip(history["training"]["l1"], history["validation"]["l1"], strict=True)
        return Fitted(
            model=model,
            best_iteration=model.best_iteration,
            validation_mae=model.best_score["validation"]["l1"],
            curve=[Step("boosting", number, *both) for number, both in enumerate(maes, 1)],
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

    def _library_settings(self) -> dict[str, object]:
        own = {"kind", "table", "threads", "loss", "iterations", "early_stopping_rounds"}
        return self.params.model_dump(exclude=own) | {
            "objective": LOSSES[self.params.loss],
            "metric": "l1",
            "num_threads": self.params.threads,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
