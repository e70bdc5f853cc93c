"""Prediction of AutoGluon's stack."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fame.learners.autogluon.archive import unpack
from fame.learners.autogluon.frames import PREDICTOR, check_inputs, open_folder, open_frame
from fame.learners.autogluon.kinds import OUTPUT
from fame.learners.autogluon.networks import import_autogluon
from fame.learners.contract import Model as BaseModel
from fame.learners.contract import Table
from fame.learners.model_files import check_columns, read_manifest
from fame.runtime.devices import deterministic
from fame.runtime.dvc_lock import check_locked


class Model(BaseModel):
    """AutoGluon's predictor: its own folder, which holds pickles, as one archive.

    Nothing of it is unpickled but where dvc.lock, or the manifest of the bundle that it lies in,
    records the saved folder with all its bytes.
    """

    explained: ClassVar[bool] = False
    pickled: ClassVar[bool] = True  # so that a bundle can leave it out

    def __init__(self, params: Any, runtime: Any) -> None:
        self.params = params
        self.runtime = runtime

    def load(self, folder: Path) -> None:
        """Read what the trainer saved.

        Raises:
            InputError: a file is missing or not the one that was saved, neither dvc.lock nor a
                bundle's manifest records the folder as it is, or a checkpoint is not available.
        """
        manifest = read_manifest(folder, self.params.kind)
        check_locked(folder)
        self._columns: list[str] = manifest["columns"]
        self.label_range = tuple(manifest["label_range"])
        self._folder = open_folder(self.params)
        own = Path(self._folder.name)
        unpack(folder / PREDICTOR, own)
        with chdir(own):
            self._predictor = import_autogluon(networks=self.params.reads_texts).load(str(own))
            # In memory: else each prediction reads every model from the disk again.
            self._predictor.persist([OUTPUT], with_ancestors=True, max_memory=None)

    def predict(self, table: Table, rows: np.ndarray | None = None) -> np.ndarray:
        """(m,) float64: the mean of each bag, stacked and averaged.

        Raises:
            InputError: the table has no texts or not the images asked for, or other columns.
        """
        check_inputs(table, self.params)
        check_columns(table, self._columns)
        rows = table.all_rows if rows is None else rows
        if not len(rows):
            return np.empty(0)
        # Of one post the multimodal model gives a bare number, which AutoGluon cannot stack.
        asked = np.repeat(rows, 2) if len(rows) == 1 else rows
        with open_frame(table, asked, self.params) as (frame, _):
            return self.predict_frame(frame)[: len(rows)]

    def predict_frame(self, frame: Any, model: str = OUTPUT) -> np.ndarray:
        """(n,) float64 of the average on top, or of one of the models that it has a part of."""
        with chdir(self._folder.name), deterministic(self.params.threads):
            return self._predictor.predict(frame, model=model).to_numpy(np.float64)
