"""Prediction of TabM."""

from pathlib import Path

import numpy as np

from fame.learners.contract import Table
from fame.learners.fold_model import FoldModel
from fame.learners.tabm.networks import SUFFIX, Trained
from fame.runtime.devices import choose_device, deterministic


class Model(FoldModel):
    """An ensemble a fold."""

    suffix = SUFFIX

    def read_model(self, path: Path) -> Trained:
        """A fold's ensemble."""
        return Trained.read(path)

    def predict_model(self, model: Trained, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        with deterministic(self.params.threads):
            return model.predict(table, rows, choose_device(self.runtime.device))
