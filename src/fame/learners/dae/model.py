"""Prediction of the denoising autoencoder."""

from pathlib import Path

import numpy as np

from fame.learners.contract import Table
from fame.learners.dae.networks import SUFFIX, Trained
from fame.learners.fold_model import FoldModel
from fame.runtime.devices import choose_device, deterministic


class Model(FoldModel):
    """An encoder and a head a fold."""

    suffix = SUFFIX

    def read_model(self, path: Path) -> Trained:
        """A fold's networks."""
        return Trained.read(path, self.params)

    def predict_model(self, model: Trained, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        with deterministic(self.params.threads):
            return model.predict(table, rows, choose_device(self.runtime.device))
