"""CatBoost on the table as it is: missing numbers stay missing, categories stay categories."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fame import progress
from fame.common.contracts import Table
from fame.errors import InputError
from fame.learners.folds import Fitted, FoldLearner, Step, number_columns, read_rows
from fame.params import Count, LearnerParams, NonNegative, Positive

if TYPE_CHECKING:
    from catboost import CatBoostRegressor, Pool

LOSSES = {"rmse": "RMSE", "mae": "MAE"}
LOG_PERIOD = 20  # trees between two updates of the bar


class Params(LearnerParams):
    """The block of a learner of kind catboost; keys as CatBoost names them."""

    iterations: Count
    early_stopping_rounds: Count
    learning_rate: Positive
    depth: Annotated[int, Field(ge=1, le=16)]
    loss: Literal["rmse", "mae"]
    l2_leaf_reg: NonNegative
    random_strength: NonNegative
    bootstrap_type: Literal["MVS", "Bernoulli"]
    subsample: Annotated[float, Field(gt=0, le=1)]
    rsm: Annotated[float, Field(gt=0, le=1)]
    border_count: Annotated[int, Field(ge=1, le=254)]
    one_hot_max_size: Annotated[int, Field(ge=2, le=255)]
    max_ctr_complexity: Annotated[int, Field(ge=1, le=8)]
    threads: Count


class CatBoost(FoldLearner):
    """Gradient boosting with symmetric trees and ordered statistics of the categories."""

    Params = Params
    suffix = ".cbm"

    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``.

        Raises:
            InputError: CatBoost cannot learn from the rows (all labels equal, no column varies).
        """
        from catboost import CatBoostError, CatBoostRegressor

        settings = self.params.model_dump(exclude={"kind", "table", "seed", "threads", "loss"})
        model = CatBoostRegressor(
            **settings,
            loss_function=LOSSES[self.params.loss],
            eval_metric="MAE",
            random_seed=self.params.seed,
            thread_count=self.params.threads,
            allow_writing_files=False,
        )
        training = _pool(table, table.training_rows(fold), labelled=True)
        validation = _pool(table, table.validation_rows(fold), labelled=True)
        with progress.bar(self.params.iterations, f"catboost fold {fold}", "trees") as bar:
            log = _LogToBar(bar)
            try:
                model.fit(
                    training,
                    eval_set=validation,
                    use_best_model=True,
                    verbose=LOG_PERIOD,
                    log_cout=log,
                )
            except CatBoostError as error:
                reason = str(error).split(": ", 1)[-1].strip()
                raise InputError(f"table: catboost cannot learn on fold {fold}: {reason}") from None
        history = model.get_evals_result()
        return Fitted(
            model=model,
            best_iteration=model.tree_count_,
            validation_mae=model.get_best_score()["validation"]["MAE"],
            curve=[
                Step("boosting", number, *maes)
                for number, maes in enumerate(
                    zip(history["learn"]["MAE"], history["validation"]["MAE"], strict=True), 1
                )
            ],
        )

    def predict_model(
        self, model: "CatBoostRegressor", table: Table, rows: np.ndarray
    ) -> np.ndarray:
        """Predictions (m,)."""
        return model.predict(_pool(table, rows), thread_count=self.params.threads)

    def explain_model(
        self, model: "CatBoostRegressor", table: Table, rows: np.ndarray
    ) -> np.ndarray:
        """SHAP values (m, d)."""
        found = model.get_feature_importance(
            _pool(table, rows), type="ShapValues", thread_count=self.params.threads
        )
        place = {column.name: number for number, column in enumerate(table.columns)}
        values = np.empty((len(rows), len(table.columns)))
        values[:, [place[name] for name in model.feature_names_]] = found[:, :-1]
        return values

    def write_model(self, model: "CatBoostRegressor", path: Path) -> None:
        """CatBoost's binary, but for the time and the random id of the training."""
        from catboost import CatBoostError

        metadata = model.get_metadata()
        metadata["train_finish_time"] = ""
        metadata["model_guid"] = ""
        try:
            model.save_model(str(path))
        except CatBoostError as error:
            number = re.match(r"\(Error (\d+): ", str(error))
            raise OSError(int(number[1]), str(error), str(path)) if number else error from None

    def read_model(self, path: Path) -> "CatBoostRegressor":
        """A model that ``write_model`` wrote."""
        from catboost import CatBoostRegressor

        return CatBoostRegressor().load_model(str(path))


class _LogToBar:
    """Moves the bar by CatBoost's log.

    Its callbacks would be the obvious way, but each call gets a copy of the whole history: the
    time grows with the square of the iterations.
    """

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def write(self, text: str) -> None:
        """Take a line like `40:\\tlearn: 1.2\\ttest: 1.3...`; others say nothing about progress."""
        tree = re.match(r"(\d+):\t", text)
        if tree:
            self._bar.update(int(tree[1]) + 1 - self._bar.n)

    def flush(self) -> None:
        """Nothing is held back."""


def _pool(table: Table, rows: np.ndarray, labelled: bool = False) -> "Pool":
    from catboost import FeaturesData, Pool

    numeric = number_columns(table)
    ids = read_rows(table, rows, table.categorical).astype(np.int64)
    data = FeaturesData(
        num_feature_data=read_rows(table, rows, numeric),
        cat_feature_data=np.char.encode(ids.astype(str)).astype(object),
        num_feature_names=[table.columns[i].name for i in numeric],
        cat_feature_names=[table.columns[i].name for i in table.categorical],
    )
    return Pool(data, table.popularity[rows] if labelled else None)
