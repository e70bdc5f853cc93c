"""CatBoost on the table as it is: missing numbers stay missing, categories stay categories."""

import _thread
import json
import math
import mmap
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from fame.learners.contract import Table
from fame.learners.folds import CHUNK_ROWS, Fitted, FoldLearner, Step, number_columns, read_rows
from fame.params import Count, LearnerParams, NonNegative, Positive
from fame.runtime import files, ids, progress
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    from catboost import CatBoostRegressor, Pool

LOSSES = {"rmse": "RMSE", "mae": "MAE"}
LOG_PERIOD = 20  # trees between two updates of the bar
DROP_SECONDS = 0.1  # between two times that what was read of the numbers leaves memory
SNAPSHOT = ".snapshot"
SNAPSHOT_SECONDS = 300  # between two snapshots of a fold's training, at least
# Of the options in a model's file, those that say where the snapshots of its training lay.
PLACES = ("allow_writing_files", "train_dir", "save_snapshot", "snapshot_file", "snapshot_interval")


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
    task_type: Literal["CPU", "GPU"]
    threads: Count

    @field_validator("task_type")
    @classmethod
    def _check_gpu(cls, task_type: str, others: ValidationInfo) -> str:
        if task_type == "GPU" and others.data.get("rsm", 1) < 1:
            raise PydanticCustomError(
                "gpu", "must be 'CPU' where rsm is below 1, as CatBoost draws no columns on a GPU"
            )
        return task_type


class CatBoost(FoldLearner):
    """Gradient boosting with symmetric trees and ordered statistics of the categories.

    The columns are cut into bins once, on the fit rows; each fold trains on its rows of that. No
    label goes into the bins: statistics of the categories are of the training rows' labels.
    """

    Params = Params
    suffix = ".cbm"

    def fit(self, table: Table) -> None:
        """Fit one model a fold.

        Raises:
            InputError: a GPU is asked for and is not there, or see `fit_fold`.
        """
        if self.params.task_type == "GPU":
            check_gpu()
        self._binned: Pool | None = None
        try:
            super().fit(table)
        finally:
            self._binned = None

    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``.

        Raises:
            InputError: CatBoost cannot learn from the rows (all labels equal, no column varies).
        """
        from catboost import CatBoostError

        fit_rows = np.flatnonzero(table.fold >= 0)
        try:
            if self._binned is None:
                self._binned = self._bin(table, fit_rows)
            places = table.fold[fit_rows]
            model = self._boost(
                self._binned.slice(np.flatnonzero(places != fold)),
                self._binned.slice(np.flatnonzero(places == fold)),
                fold,
            )
        except CatBoostError as error:
            reason = str(error).split(": ", 1)[-1].strip()
            told = InputError(f"table: catboost cannot learn on fold {fold}: {reason}")
            raise _find_disk_error(error) or told from None
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
            notes={"borders_fitted_on": ids.digest(table.post_ids[fit_rows])},
        )

    def _bin(self, table: Table, rows: np.ndarray) -> "Pool":
        """The labelled rows (m,) as a pool of a byte a number."""
        with _open_numbers((len(rows), len(number_columns(table))), self._kept) as numbers:
            pool = _pool(table, rows, numbers, table.popularity[rows])
            pool.quantize(
                border_count=self.params.border_count,
                task_type=self.params.task_type,
                random_seed=self.params.seed,
            )
            # A pool keeps the numbers that it was made from; its slices do not.
            return pool.slice(np.arange(len(rows)))

    def _boost(self, training: "Pool", validation: "Pool", fold: int) -> "CatBoostRegressor":
        from catboost import CatBoostRegressor

        own = {"kind", "table", "seed", "threads", "loss"}
        settings = self.params.model_dump(exclude=own) | {
            "loss_function": LOSSES[self.params.loss],
            "eval_metric": "MAE",
            "random_seed": self.params.seed,
            "thread_count": self.params.threads,
        }
        snapshots = self._open_snapshots(fold)
        with progress.bar(self.params.iterations, f"catboost fold {fold}", "trees") as bar:
            options = snapshots.options if snapshots else {"allow_writing_files": False}
            log = _Log(bar, snapshots)
            try:
                return CatBoostRegressor(**settings, **options).fit(
                    training,
                    eval_set=validation,
                    use_best_model=True,
                    verbose=LOG_PERIOD,
                    log_cout=log,
                )
            finally:
                log.end()

    def _open_snapshots(self, fold: int) -> "_Snapshots | None":
        """Where the fold's training is kept; what is there of other folds has served."""
        if self._kept is None:
            return None
        folder = self._kept / f"fold_{fold}"
        for other in self._kept.glob("fold_*"):
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
        return _Snapshots(folder)

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
        """CatBoost's binary, but for time, random id and places of the training."""
        from catboost import CatBoostError

        metadata = model.get_metadata()
        options = json.loads(metadata["params"])
        for name in PLACES:
            options["flat_params"].pop(name, None)
        metadata["params"] = json.dumps(options, sort_keys=True)
        metadata["output_options"] = metadata["train_finish_time"] = metadata["model_guid"] = ""
        try:
            model.save_model(str(path))
        except CatBoostError as error:
            raise _find_disk_error(error) or error from None

    def read_model(self, path: Path) -> "CatBoostRegressor":
        """A model that ``write_model`` wrote."""
        from catboost import CatBoostRegressor

        return CatBoostRegressor().load_model(str(path))


class _Snapshots:
    """CatBoost's snapshots of a training, each copied to a name that holds its digest.

    CatBoost would take a damaged one for good.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._own = folder / "snapshot"  # which CatBoost reads at the start and writes
        self._own.unlink(missing_ok=True)
        for path in self._list():
            if files.digest_file(path) == path.stem:
                shutil.copyfile(path, self._own)
                print(f"{folder}: the fold goes on from its last snapshot", file=sys.stderr)
            else:
                print(f"{path}: damaged; the fold is trained from its start", file=sys.stderr)
                path.unlink()
        self._seen = self._look()

    @property
    def options(self) -> dict[str, Any]:
        """CatBoost's."""
        return {
            "train_dir": str(self._folder / "log"),
            "save_snapshot": True,
            "snapshot_file": str(self._own.absolute()),
            "snapshot_interval": SNAPSHOT_SECONDS,
        }

    def keep(self) -> None:
        """Copy the snapshot if it is another one than at the last look."""
        if self._look() == self._seen:
            return
        self._seen, before = self._look(), self._list()
        path = self._folder / f"{files.digest_file(self._own)}{SNAPSHOT}"
        with files.replacing(path) as temporary:
            shutil.copyfile(self._own, temporary)
        for old in before:
            if old != path:
                old.unlink()

    def _list(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SNAPSHOT}"))

    def _look(self) -> int | None:
        return self._own.stat().st_mtime_ns if self._own.exists() else None


class _Log:
    """Moves the bar by CatBoost's log, and keeps its snapshots.

    Its callbacks would be the obvious way, but each call gets a copy of the whole history: the
    time grows with the square of the iterations.

    CatBoost would print an error from here and go on, so it is interrupted instead.
    """

    def __init__(self, bar: Any, snapshots: _Snapshots | None) -> None:
        self._bar = bar
        self._snapshots = snapshots
        self._error: BaseException | None = None
        # Later: CatBoost heeds an interrupt only outside of `write`.
        self._interrupt = threading.Timer(0.05, _thread.interrupt_main)

    def write(self, text: str) -> None:
        """Take a line like `40:\\tlearn: 1.2\\ttest: 1.3...`; others say nothing about progress."""
        tree = re.match(r"(\d+):\t", text)
        if not tree or self._error:
            return
        try:
            self._bar.update(int(tree[1]) + 1 - self._bar.n)
            if self._snapshots:
                self._snapshots.keep()
        except BaseException as error:
            self._error = error
            self._interrupt.start()

    def end(self) -> None:
        """Raise what went wrong here."""
        if self._error:
            self._interrupt.cancel()
            raise self._error

    def flush(self) -> None:
        """Nothing is held back."""


def check_gpu() -> None:
    """Refuse to train without a GPU.

    Raises:
        InputError: CatBoost sees none.
    """
    from catboost.utils import get_gpu_device_count

    if not get_gpu_device_count():
        raise InputError(
            "params.yaml: task_type of a learner of kind catboost: found 'GPU', but CatBoost sees "
            "no GPU; allowed here: CPU"
        )


@contextmanager
def _open_numbers(shape: tuple[int, int], folder: Path | None) -> Iterator[np.ndarray]:
    """An array (n, d) float32 by columns, in a temporary file and, but for moments, not in memory.

    CatBoost reads it column by column through the map; what it has read is dropped meanwhile.
    """
    size = max(1, 4 * math.prod(shape))
    ended = threading.Event()
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size)  # so that a full disk is an error, no crash
        pages = mmap.mmap(file.fileno(), size)

        def drop() -> None:
            while not ended.wait(DROP_SECONDS):
                pages.madvise(mmap.MADV_DONTNEED)

        thread = threading.Thread(target=drop)
        thread.start()
        try:
            yield np.ndarray(shape, np.float32, pages, order="F")
        finally:
            ended.set()
            thread.join()


def _pool(
    table: Table,
    rows: np.ndarray,
    numbers: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> "Pool":
    """The rows (m,), and their labels (m,) if they have any; ``numbers`` (m, d) is filled."""
    from catboost import FeaturesData, Pool

    numeric = number_columns(table)
    if numbers is None:
        # By columns, as CatBoost holds them: it refers to such an array and copies any other.
        numbers = np.empty((len(rows), len(numeric)), np.float32, order="F")
    categories = np.empty((len(rows), len(table.categorical)), np.int64)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        values = read_rows(table, rows[part])
        numbers[part], categories[part] = values[:, numeric], values[:, table.categorical]
    words, places = np.unique(categories, return_inverse=True)
    data = FeaturesData(
        num_feature_data=numbers,
        cat_feature_data=np.char.encode(words.astype(str)).astype(object)[places],
        num_feature_names=[table.columns[i].name for i in numeric],
        cat_feature_names=[table.columns[i].name for i in table.categorical],
    )
    return Pool(data, labels)


def _find_disk_error(error: Exception) -> OSError | None:
    """CatBoost's error as Python has it, where it is one of the disk's."""
    found = re.match(r'\(Error (\d+): .*"(.+)"', str(error))
    return OSError(int(found[1]), os.strerror(int(found[1])), found[2]) if found else None
