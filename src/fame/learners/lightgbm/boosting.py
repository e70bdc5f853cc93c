"""How LightGBM is trained: all posts are binned once, every fold trains on a subset of the bins.

The table is read batch by batch; what stays in memory is a byte for each value (up to 256 bins).
Here, or on the machines of a Ray cluster by LightGBM's own data-parallel training over sockets:
each machine bins its share of the posts, the machines sum their histograms and all grow the same
trees. Every machine evaluates all of a fold's rows, so that all stop at the same tree.
"""

import ctypes
import logging
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from fame.learners import table_files
from fame.learners.contract import FitTable
from fame.params import RuntimeParams
from fame.runtime import progress
from fame.runtime.errors import InputError
from fame.runtime.ray import connect, count_places

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset, Sequence

    Tick = Callable[[int], Any]  # told how much more is done

BATCH_ROWS = 2048  # read and binned at a time
SECONDS_BETWEEN_LOOKS = 1  # at the machines of a cluster
M_MMAP_THRESHOLD = -3  # glibc's number of that option


@dataclass(frozen=True)
class Boosted:
    """A fold's trees.

    Attributes:
        model: LightGBM's text, up to the best iteration.
        best_iteration: counted from 1.
        training_mae, validation_mae: after each iteration.
    """

    model: str
    best_iteration: int
    training_mae: list[float]
    validation_mae: list[float]


class Bins:
    """The bins of all training posts, in this process."""

    def __init__(self, table: FitTable, settings: dict[str, Any]) -> None:
        check_device(settings)
        rows = table.all_rows
        with progress.bar(len(rows), "binning", "posts") as bar:
            self._bins = bin_rows(table, rows, settings, bar.update).construct()
        self._fold = table.fold
        self._settings = settings

    def boost(self, fold: int, iterations: int, patience: int) -> Boosted:
        """Trees of the rows outside a fold, until the fold's MAE has not improved for long.

        Raises:
            InputError: LightGBM cannot learn from the rows.
        """
        from lightgbm.basic import LightGBMError

        training = self._bins.subset(np.flatnonzero(self._fold != fold))
        validation = self._bins.subset(np.flatnonzero(self._fold == fold))
        try:
            with progress.bar(iterations, f"fold {fold}", "trees") as bar:
                return boost(self._settings, training, validation, iterations, patience, bar.update)
        except LightGBMError as error:
            raise InputError(f"table: lightgbm cannot learn on fold {fold}: {error}") from None

    def close(self) -> None:
        """Nothing but memory is held."""


class Machines:
    """The bins of all training posts, shared out to processes of a Ray cluster.

    The table is read where it is binned: its path must mean the same on every node.
    """

    def __init__(
        self, table: FitTable, settings: dict[str, Any], count: int, runtime: RuntimeParams
    ) -> None:
        """Start ``count`` processes of ``num_threads`` cores each.

        Raises:
            InputError: there is no cluster, or no room in it.
        """
        cores = settings["num_threads"]
        with ExitStack() as stack:
            self._ray = stack.enter_context(connect(runtime.ray_address, "num_machines 1"))
            room = count_places(self._ray, cores)
            if room < count:
                raise InputError(
                    f"params.yaml: num_machines of lightgbm: found {count}, but the Ray cluster "
                    f"has room for {room} of {cores} cores each (threads)"
                )
            machine = self._ray.remote(Machine).options(
                num_cpus=cores, max_concurrency=2, scheduling_strategy="SPREAD"
            )
            assert isinstance(table.values, np.memmap)
            assert table.values.filename is not None
            folder = Path(table.values.filename).resolve().parent
            self._machines = [
                machine.remote(folder, settings, number, count) for number in range(count)
            ]
            self._stack = stack.pop_all()

    def boost(self, fold: int, iterations: int, patience: int) -> Boosted:
        """As `Bins.boost`; the training MAE is the mean over the machines' rows.

        Raises:
            InputError: a machine is lost, or cannot learn.
        """
        places = self._get([machine.find_place.remote() for machine in self._machines], fold)
        tasks = [
            machine.boost.remote(fold, iterations, patience, places) for machine in self._machines
        ]
        waiting = tasks
        with progress.bar(iterations, f"fold {fold}", "trees") as bar:
            while waiting:
                done, waiting = self._ray.wait(waiting, timeout=SECONDS_BETWEEN_LOOKS)
                self._get(done, fold)
                bar.update(self._get(self._machines[0].count_trees.remote(), fold) - bar.n)
        parts, rows = zip(*self._get(tasks, fold), strict=True)
        maes = np.average([part.training_mae for part in parts], axis=0, weights=rows)
        return Boosted(
            parts[0].model, parts[0].best_iteration, maes.tolist(), parts[0].validation_mae
        )

    def close(self) -> None:
        """Stop the processes."""
        self._stack.close()

    def _get(self, answer: Any, fold: int) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)  # what the machine raised, if it is there
            if isinstance(cause, InputError):
                raise cause from None
            reason = str(cause or error).strip().splitlines()[-1]
            raise InputError(
                f"ray: fold {fold} of lightgbm ended as it does where a machine is lost: {reason}; "
                "rerun"
            ) from None


class Machine:
    """A share of the training posts, in a process of the cluster."""

    def __init__(self, folder: Path, settings: dict[str, Any], number: int, count: int) -> None:
        check_device(settings)
        self._table = table_files.read_fit_table(folder)
        self._rows = self._table.all_rows[number::count]
        # Made when LightGBM has connected the machines, which agree on the bins' borders.
        self._bins = bin_rows(self._table, self._rows, settings)
        self._settings = settings
        self._number = number
        self._trees = 0

    def find_place(self) -> str:
        """Address and free port for LightGBM's sockets."""
        import ray

        with socket.socket() as free:
            free.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"

    def count_trees(self) -> int:
        """Trees of the fold that is being trained; called from a second thread."""
        return self._trees

    def boost(
        self, fold: int, iterations: int, patience: int, places: list[str]
    ) -> tuple[Boosted, int]:
        """The trees, and on how many rows of this machine; ``places`` are those of all machines."""
        own = np.flatnonzero(self._table.fold[self._rows] != fold)
        training = self._bins.subset(own)
        rows = self._table.validation_rows(fold)
        validation = self._bins.create_valid(_open(self._table, rows), self._table.popularity[rows])
        settings = self._settings | {
            "tree_learner": "data",
            "machines": ",".join(places),
            "num_machines": len(places),
            "local_listen_port": int(places[self._number].rpartition(":")[2]),
        }
        self._trees = 0
        boosted = boost(settings, training, validation, iterations, patience, self._count)
        return boosted, len(own)

    def _count(self, more: int) -> None:
        self._trees += more


def check_device(settings: dict[str, Any]) -> None:
    """Refuse a device that this build or machine does not have, before anything is read.

    Raises:
        InputError: says what LightGBM says.
    """
    import lightgbm
    from lightgbm.basic import LightGBMError

    device = settings["device_type"]
    if device == "cpu":
        return
    values = np.arange(50.0)
    try:
        data = lightgbm.Dataset(values[:, None], values, params={"verbosity": -1})
        lightgbm.train({"device_type": device, "verbosity": -1}, data, 1)
    except LightGBMError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"params.yaml: device_type of lightgbm: {device!r} is not available on this "
            f"machine: {reason}; use cpu, or install a build of LightGBM for the device"
        ) from None


def bin_rows(
    table: FitTable, rows: np.ndarray, settings: dict[str, Any], tick: "Tick | None" = None
) -> "Dataset":
    """The rows as LightGBM's bins, made when they are first used."""
    import lightgbm

    _give_back_freed_memory()
    # Bins that are read in sequence are made without the parameter verbosity.
    quiet = logging.getLogger("lightgbm")
    quiet.setLevel(logging.ERROR)
    lightgbm.register_logger(quiet)
    return lightgbm.Dataset(
        _open(table, rows, tick),
        table.popularity[rows],
        # LightGBM refuses the signs of JSON in a name and breaks one at a space.
        feature_name=[quote(column.name, safe="") for column in table.columns],
        categorical_feature=table.categorical,
        params=settings,
    )


def _give_back_freed_memory() -> None:
    """Have freed blocks of 128 kB and more go back to the system at once.

    glibc raises that limit to the largest block freed, and then keeps what batches leave.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 128 << 10)


def boost(
    settings: dict[str, Any],
    training: "Dataset",
    validation: "Dataset",
    iterations: int,
    patience: int,
    tick: "Tick",
) -> Boosted:
    """Trees until the validation MAE has not improved for ``patience`` of them."""
    import lightgbm

    history: dict[str, dict[str, list[float]]] = {}
    model = lightgbm.train(
        settings,
        training,
        iterations,
        valid_sets=[training, validation],
        valid_names=["training", "validation"],
        callbacks=[
            lightgbm.early_stopping(patience, verbose=False),
            lightgbm.record_evaluation(history),
            lambda _: tick(1),
        ],
    )
    model.free_network()  # of a cluster; there may be none
    maes = [history[name]["l1"] for name in ("training", "validation")]
    return Boosted(_write(model), model.best_iteration, *maes)


def _write(model: "Booster") -> str:
    """LightGBM's text; the ports of a cluster's sockets change from run to run."""
    return re.sub(r"\[(machines|local_listen_port): .*\]\n", "", model.model_to_string())


def _open(table: FitTable, rows: np.ndarray, tick: "Tick | None" = None) -> "Sequence":
    """Rows of a table for LightGBM, which draws some for the borders and then reads all."""
    import lightgbm

    class Rows(lightgbm.Sequence):
        """Rows by number (float64) or slice (float32)."""

        batch_size = BATCH_ROWS

        def __getitem__(self, index: int | slice) -> np.ndarray:
            if isinstance(index, slice):
                values = table.read(rows[index])
                if tick:
                    tick(len(values))
                return values
            return table.read(rows[[index]])[0].astype(np.float64)

        def __len__(self) -> int:
            return len(rows)

    return Rows()
