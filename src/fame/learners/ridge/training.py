"""Training of a ridge regression: the penalty that is best on the fold."""

from pathlib import Path

import numpy as np

from fame.learners.contract import FitTable
from fame.learners.fold_training import Fitted, FoldTrainer, Step
from fame.learners.ridge.params import Params
from fame.learners.ridge.regression import SUFFIX, Regression, fit_columns, solve


class Trainer(FoldTrainer):
    """A linear model a fold, for what adds up: one column's effect beside another's."""

    suffix = SUFFIX
    draws = False

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """One model a penalty; the fold's MAE chooses."""
        from threadpoolctl import threadpool_limits

        settings: Params = self.settings
        rows, validation = table.training_rows(fold), table.validation_rows(fold)
        with threadpool_limits(settings.threads):
            columns = fit_columns(table, rows, settings)
            models = solve(table, rows, columns, settings.penalties)
        maes = [[_find_mae(model, table, part) for part in (rows, validation)] for model in models]
        best = int(np.argmin([mae for _, mae in maes]))
        return Fitted(
            model=models[best],
            best_iteration=None,
            prediction=_predict(models[best], table, validation),
            curve=[Step("penalties", number, *both) for number, both in enumerate(maes, 1)],
            notes={"penalty": settings.penalties[best]},
        )

    def write_model(self, model: Regression, path: Path) -> None:
        """The coefficients, and what the columns were fitted to, as safetensors."""
        model.write(path)


def _predict(model: Regression, table: FitTable, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([model.predict(table.read(part)) for part in table.chunks(rows)])


def _find_mae(model: Regression, table: FitTable, rows: np.ndarray) -> float:
    return float(np.abs(_predict(model, table, rows) - table.popularity[rows]).mean())
