"""Training of LightGBM: missing numbers stay missing, categories stay categories.

The borders of the bins come from the values of all training posts; no tree sees a label of its
fold.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import FitTable
from fame.learners.fold_training import Fitted, FoldTrainer, Step
from fame.learners.lightgbm.boosting import Bins, Machines
from fame.runtime import ids
from fame.runtime.cores import choose_cores

if TYPE_CHECKING:
    from lightgbm import Booster

LOSSES = {"rmse": "regression", "mae": "regression_l1"}


class Trainer(FoldTrainer):
    """Gradient boosting with leaf-wise trees and splits of sets of categories."""

    suffix = ".txt"

    def fit(self, table: FitTable, checkpoints: Path) -> None:
        """Fit one model a fold.

        Raises:
            InputError: there is no such device, or no cluster with room for the machines.
        """
        self._bins: Bins | Machines | None = None
        try:
            super().fit(table, checkpoints)
        finally:
            if self._bins:
                self._bins.close()
            self._bins = None

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``.

        The first fold that is fitted makes the bins, which the others use.
        """
        import lightgbm

        if self._bins is None:
            self._bins = self._make_bins(table)
        boosted = self._bins.boost(fold, self.params.iterations, self.params.early_stopping_rounds)
        model = lightgbm.Booster(model_str=boosted.model)
        threads = choose_cores(self.params.threads)
        predicted = [
            model.predict(table.read(rows), num_threads=threads)
            for rows in table.chunks(table.validation_rows(fold))
        ]
        maes = zip(boosted.training_mae, boosted.validation_mae, strict=True)
        return Fitted(
            model=model,
            best_iteration=boosted.best_iteration,
            prediction=np.concatenate(predicted),
            curve=[Step("boosting", number, *both) for number, both in enumerate(maes, 1)],
            notes={"borders_fitted_on": ids.digest(table.post_ids)},
        )

    def write_model(self, model: "Booster", path: Path) -> None:
        """LightGBM's text, up to the best iteration, but for the number of its threads."""
        # Not its save_model: that takes no notice of a disk that is full.
        text = re.sub(r"(?m)^\[num_threads: \d+\]$", "[num_threads: 0]", model.model_to_string())
        path.write_text(text, encoding="utf-8", newline="")

    def _make_bins(self, table: FitTable) -> Bins | Machines:
        settings, machines = self._library_settings(), self.params.num_machines
        if machines == 1:
            return Bins(table, settings)
        return Machines(table, settings, machines, self.runtime)

    def _library_settings(self) -> dict[str, object]:
        own = {"kind", "table", "threads", "num_machines", "loss"}
        own |= {"iterations", "early_stopping_rounds"}
        return self.settings.model_dump(exclude=own) | {
            "objective": LOSSES[self.params.loss],
            "metric": "l1",
            "num_threads": choose_cores(self.params.threads),
            "data_random_seed": self.params.seed,
            "feature_pre_filter": False,  # it would be by LightGBM's own min_data_in_leaf
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
        }
