"""Training of CatBoost: missing numbers stay missing, categories stay categories."""

import _thread
import json
import math
import mmap
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fame.learners.catboost.pools import SUFFIX, make_pool, make_varied_pool
from fame.learners.contract import FitTable
from fame.learners.fold_training import Fitted, FoldTrainer, Step
from fame.runtime import files, ids, progress
from fame.runtime.cores import choose_cores
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    from catboost import CatBoostRegressor, Pool

LOSSES = {"rmse": "RMSE", "mae": "MAE"}
LOG_PERIOD = 20  # trees between two updates of the bar
DROP_SECONDS = 0.1  # between two times that what was read of the numbers leaves memory
NO_COLUMN_VARIES = "All features are either constant or ignored"  # what CatBoost says then
SNAPSHOT = ".snapshot"
SNAPSHOT_SECONDS = 300  # between two snapshots of a fold's training, at least
SIGNAL = signal.SIGUSR1  # which interrupts CatBoost
FIRST_INTERRUPT_SECONDS, INTERRUPT_SECONDS = 0.05, 2.0  # after what went wrong in a log line
# Of the options in a model's file, those that say where the snapshots of its training lay.
PLACES = ("allow_writing_files", "train_dir", "save_snapshot", "snapshot_file", "snapshot_interval")
THREADS = "thread_count"


class Trainer(FoldTrainer):
    """Gradient boosting with symmetric trees and ordered statistics of the categories.

    The columns are cut into bins once, on all training posts; each fold trains on its rows of that.
    No label goes into the bins: statistics of the categories are of the training rows' labels.
    """

    suffix = SUFFIX

    def fit(self, table: FitTable, checkpoints: Path) -> None:
        """Fit one model a fold.

        Raises:
            InputError: a GPU is asked for and is not there, or see `fit_fold`.
        """
        if self.params.task_type == "GPU":
            check_gpu()
        self._binned: Pool | None = None
        try:
            super().fit(table, checkpoints)
        finally:
            self._binned = None

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """Trees until the fold's MAE has not improved for ``early_stopping_rounds``.

        Raises:
            InputError: CatBoost cannot learn from the rows (all labels are equal, say).
        """
        from catboost import CatBoostError

        rows = table.validation_rows(fold)
        try:
            if self._binned is None:
                self._binned = self._bin(table)
            training = self._binned.slice(table.training_rows(fold))
            model = self._boost(training, self._binned.slice(rows), fold)
        except CatBoostError as error:
            if NO_COLUMN_VARIES in str(error):
                return self._fit_constant(table, fold)
            reason = str(error).split(": ", 1)[-1].strip()
            told = InputError(f"table: catboost cannot learn on fold {fold}: {reason}")
            raise _find_disk_error(error) or told from None
        history = model.get_evals_result()
        return Fitted(
            model=model,
            best_iteration=model.tree_count_,
            prediction=self._predict(model, table, rows),
            curve=[
                Step("boosting", number, *maes)
                for number, maes in enumerate(
                    zip(history["learn"]["MAE"], history["validation"]["MAE"], strict=True), 1
                )
            ],
            notes={"borders_fitted_on": ids.digest(table.post_ids)},
        )

    def _fit_constant(self, table: FitTable, fold: int) -> Fitted:
        """The middle of the labels, where no column varies: nothing tells one post from another."""
        from catboost import CatBoostRegressor

        training, rows = table.training_rows(fold), table.validation_rows(fold)
        labels = table.popularity[training]
        middle = float(np.median(labels) if self.params.loss == "mae" else np.mean(labels))
        model = CatBoostRegressor(
            **{"iterations": 1, "depth": 1, "thread_count": 1, "verbose": False},
            **{"allow_writing_files": False, "allow_const_label": True, "bootstrap_type": "No"},
            boost_from_average=True,
        )
        model.fit(make_varied_pool(table, np.full(len(labels), middle)))
        maes = [float(np.abs(table.popularity[part] - middle).mean()) for part in (training, rows)]
        return Fitted(
            model=model,
            best_iteration=1,
            prediction=self._predict(model, table, rows),
            curve=[Step("boosting", 1, *maes)],
            notes={"borders_fitted_on": ids.digest(table.post_ids)},
        )

    def _predict(self, model: "CatBoostRegressor", table: FitTable, rows: np.ndarray) -> np.ndarray:
        threads = choose_cores(self.params.threads)
        parts = [
            model.predict(make_pool(table, part), thread_count=threads)
            for part in table.chunks(rows)
        ]
        return np.concatenate(parts)

    def _bin(self, table: FitTable) -> "Pool":
        """All rows as a pool of a byte a number."""
        rows = table.all_rows
        with _open_numbers((len(rows), len(table.numeric)), self._checkpoints) as numbers:
            pool = make_pool(table, rows, numbers, table.popularity)
            pool.quantize(
                border_count=self.params.border_count,
                task_type=self.params.task_type,
                random_seed=self.params.seed,
            )
            # A pool keeps the numbers that it was made from; its slices do not.
            return pool.slice(rows)

    def _boost(self, training: "Pool", validation: "Pool", fold: int) -> "CatBoostRegressor":
        from catboost import CatBoostRegressor

        own = {"kind", "table", "seed", "threads", "loss"}
        settings = self.settings.model_dump(exclude=own) | {
            "loss_function": LOSSES[self.params.loss],
            "eval_metric": "MAE",
            "random_seed": self.params.seed,
            "thread_count": choose_cores(self.params.threads),
        }
        snapshots = self._open_snapshots(fold)
        name, count = f"fold {fold}", self.params.iterations
        with progress.bar(count, name, "trees") as bar, _Log(bar, snapshots) as log:
            return CatBoostRegressor(**settings, **snapshots.options).fit(
                training,
                eval_set=validation,
                use_best_model=True,
                verbose=LOG_PERIOD,
                log_cout=log,
            )

    def _open_snapshots(self, fold: int) -> "_Snapshots":
        """Where the fold's training is kept; what is there of other folds has served."""
        folder = self._checkpoints / f"fold_{fold}"
        for other in self._checkpoints.glob("fold_*"):
            if other.is_dir() and other != folder:
                shutil.rmtree(other)
        return _Snapshots(folder)

    def write_model(self, model: "CatBoostRegressor", path: Path) -> None:
        """CatBoost's binary, but for time, random id, threads and places of the training.

        And for its MAEs, which the curves have: their last digits depend on the threads.
        """
        from catboost import CatBoostError

        metadata = model.get_metadata()
        options = json.loads(metadata["params"])
        for name in (*PLACES, THREADS):
            options["flat_params"].pop(name, None)
        options["system_options"].pop(THREADS, None)
        metadata["params"] = json.dumps(options, sort_keys=True)
        metadata["output_options"] = metadata["train_finish_time"] = metadata["model_guid"] = ""
        metadata["training"] = "{}"
        try:
            model.save_model(str(path))
        except CatBoostError as error:
            raise _find_disk_error(error) or error from None


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
                print(f"{folder}: the fold is resumed from its last snapshot", file=sys.stderr)
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

    CatBoost would print an error from here and go on, so it is interrupted instead, by a signal
    that no user sends: of Ctrl-C a stage would tell that, and a second one it ignores. A context
    manager, in the main thread.
    """

    def __init__(self, bar: Any, snapshots: _Snapshots) -> None:
        self._bar = bar
        self._snapshots = snapshots
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._interrupt)

    def __enter__(self) -> Self:
        self._handler = signal.signal(SIGNAL, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        """Raise what went wrong here."""
        self._ended.set()
        if self._thread.ident:
            self._thread.join()
        signal.signal(SIGNAL, self._handler)
        if self._error:
            raise self._error

    def write(self, text: str) -> None:
        """Take a line like `40:\\tlearn: 1.2\\ttest: 1.3...`; others say nothing about progress."""
        if self._error:
            return
        try:
            if not (tree := re.match(r"(\d+):\t", text)):
                return
            self._bar.update(int(tree[1]) + 1 - self._bar.n)
            self._snapshots.keep()
        except BaseException as error:
            self._error = error
            self._thread.start()

    def _interrupt(self) -> None:
        """Later, and again: CatBoost heeds an interrupt only outside of `write`."""
        seconds = FIRST_INTERRUPT_SECONDS
        while not self._ended.wait(seconds):
            _thread.interrupt_main(SIGNAL)
            seconds = INTERRUPT_SECONDS

    def _stop(self, *_: object) -> None:
        if not self._ended.is_set():
            raise KeyboardInterrupt

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
            "no GPU; allowed: CPU"
        )


@contextmanager
def _open_numbers(shape: tuple[int, int], folder: Path) -> Iterator[np.ndarray]:
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


def _find_disk_error(error: Exception) -> OSError | None:
    """CatBoost's error as Python has it, where it is one of the disk's."""
    found = re.match(r'\(Error (\d+): .*"(.+)"', str(error))
    return OSError(int(found[1]), os.strerror(int(found[1])), found[2]) if found else None
