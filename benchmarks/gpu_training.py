"""An epoch of the torch learners, on a GPU or a CPU: against its arithmetic and its reading alone.

Phase 1 of the autoencoder with the paper's sizes and TabM with those for SMPD, on tables of random
numbers: how well they predict is of no meaning here. Measured are, in seconds of an epoch with its
look at the validation rows, median of several:

- epoch: as the learner trains. Rows that fit on the device are held there, prepared once (held);
  else threads prepare the batches ahead (read). What is held is measured the other way too
- arithmetic: the same steps on batches that are on the device already
- reading: every batch read and prepared by as many threads, and nothing computed; where rows are
  held, that is done once and not in an epoch

The ratio is epoch / max(arithmetic, reading): 1 where one wholly hides behind the other. Where both
need the same cores, on a CPU, arithmetic + reading is what could be reached.

Needs torch, numpy, pyarrow, pydantic, ruamel.yaml and tqdm, joblib where --threads is not said; for
TabM also scipy, scikit-learn, tabm and rtdl_num_embeddings, without which it is left out.

    python benchmarks/gpu_training.py --device cpu --rows 2000 --columns 64 --tabm-columns 64
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ruamel.yaml import YAML

from fame.features.blocks import Column
from fame.learners.contract import FitTable
from fame.learners.torch_inputs import Inputs
from fame.learners.torch_training import seed, split_batches
from fame.params import RuntimeParams
from fame.runtime.arrays import read_values, write_values
from fame.runtime.cores import count_cores
from fame.runtime.devices import choose_device, deterministic

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).parents[1]
FOLDS, SEED = 5, 7
ROWS, COLUMNS = 100_000, 2304  # training posts; columns of ViLT's or BLIP's block
TABM_COLUMNS, RANKED = 300, 60  # of its table; of them numbers that go through embeddings
ROWS_AT_ONCE = 2048
FITTED_ROWS = 5000  # that the preparation is fitted on
LEARNERS = ("dae", "tabm")
TABM_PACKAGES = ("scipy", "sklearn", "tabm", "rtdl_num_embeddings")

Train = Callable[[list[Inputs], "Clock"], Any]  # trains epochs on training and validation rows


@dataclass(frozen=True)
class Epoch:
    """What an epoch takes, in seconds.

    Attributes:
        learner, way: what is trained, and whether its rows are held or read.
        steps: of the optimiser.
        epoch, arithmetic, reading: see above; ``once`` is what holding the rows took before.
    """

    learner: str
    way: str
    steps: int
    epoch: float
    arithmetic: float
    reading: float
    once: float

    @property
    def ratio(self) -> float:
        """To what could not be saved."""
        return self.epoch / max(self.arithmetic, self.reading)


class Clock:
    """Stands for the bar of a training: when its epochs ended."""

    def __init__(self) -> None:
        self._ends = [time.perf_counter()]

    def update(self) -> None:
        self._ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Median of the epochs but for the first, which warms up."""
        return statistics.median(np.diff(self._ends)[1:])


class Ready(Inputs):
    """The same rows again and again, on the device: nothing is read."""

    def read(self, batches: tuple["Tensor", ...]) -> Iterator[tuple["Tensor", "Tensor"]]:
        assert self.held is not None
        for batch in batches:
            yield self.held[: len(batch)], self.labels[: len(batch)]


DEVICE = "auto: a GPU; cpu tries the script itself, with few --rows and columns"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help=DEVICE)
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=LEARNERS)
    parser.add_argument("--rows", type=int, default=ROWS, help="training posts, a fifth validates")
    parser.add_argument("--columns", type=int, default=COLUMNS, help="of the autoencoder's table")
    parser.add_argument("--tabm-columns", type=int, default=TABM_COLUMNS)
    parser.add_argument("--epochs", type=int, default=5, help="the first one warms up")
    parser.add_argument("--threads", type=int, help="default: all cores")
    chosen = parser.parse_args()
    threads = chosen.threads or count_cores()
    device = choose_device(chosen.device)
    if chosen.device == "auto" and device == "cpu":
        print("gpu_training: torch sees no CUDA device here; nothing is measured")
        return
    sizes = (chosen.rows, chosen.columns, chosen.tabm_columns, chosen.epochs)
    print(f"{name_device(device)}, {threads} threads, {chosen.rows:,} training posts")
    print(describe(measure(device, threads, *sizes, learners=chosen.learners)))


def name_device(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "CPU"


def describe(epochs: list[Epoch]) -> str:
    """A table for a person."""
    head = (
        "learner",
        "rows are",
        "steps",
        "epoch s",
        "arithmetic s",
        "reading s",
        "once s",
        "ratio",
    )
    lines = ["  ".join(f"{name:>12}" for name in head)]
    for found in epochs:
        seconds = (found.epoch, found.arithmetic, found.reading, found.once)
        cells = [found.learner, found.way, str(found.steps), *(f"{value:.3f}" for value in seconds)]
        lines.append("  ".join(f"{cell:>12}" for cell in (*cells, f"{found.ratio:.2f}")))
    return "\n".join(lines)


def measure(
    device: str,
    threads: int,
    rows: int = ROWS,
    columns: int = COLUMNS,
    tabm_columns: int = TABM_COLUMNS,
    epochs: int = 5,
    learners: Sequence[str] = LEARNERS,
) -> list[Epoch]:
    """The learners; TabM only where its packages are."""
    runtime = RuntimeParams(
        device=device, workers=threads, cache=".cache", engine="local", ray_address=None
    )
    found = []
    with tempfile.TemporaryDirectory() as folder, deterministic(threads):
        if "dae" in learners:
            table = make_table(Path(folder) / "dae.npy", rows, columns, ranked=0)
            found += measure_dae(table, runtime, epochs)
        missing = [name for name in TABM_PACKAGES if find_spec(name) is None]
        if "tabm" in learners and missing:
            print(f"TabM is left out: no {', '.join(missing)} here", file=sys.stderr)
        elif "tabm" in learners:
            ranked = min(RANKED, tabm_columns)
            table = make_table(Path(folder) / "tabm.npy", rows, tabm_columns, ranked)
            found += measure_tabm(table, runtime, epochs)
    return found


def make_table(path: Path, rows: int, columns: int, ranked: int) -> FitTable:
    """Normal numbers on disk, the first ``ranked`` of them of the block meta; labels of two."""
    generator = np.random.default_rng(SEED)
    parts = [min(ROWS_AT_ONCE, rows - start) for start in range(0, rows, ROWS_AT_ONCE)]
    chunks = (generator.standard_normal((part, columns), np.float32) for part in parts)
    write_values(path, chunks, (rows, columns), "float32")
    values = read_values(path, rows, columns)
    blocks = ["meta" if place < ranked else "vilt" for place in range(columns)]
    return FitTable(
        post_ids=np.arange(rows).astype(str).astype(object),
        values=values,
        columns=tuple(Column(f"{block}.c{place}") for place, block in enumerate(blocks)),
        fold=(np.arange(rows) % FOLDS).astype(np.int8),
        popularity=6 + values[:, :2].sum(axis=1, dtype=np.float64),
    )


def measure_dae(table: FitTable, runtime: RuntimeParams, epochs: int) -> list[Epoch]:
    """Phase 1."""
    from fame.learners.dae.params import Params
    from fame.learners.dae.training import Trainer, _fit_autoencoder
    from fame.learners.standardising import fit_preparation

    params = Params.model_validate(read_block("dae", "paper"))
    length = {"epochs": epochs, "patience": epochs}
    params = params.model_copy(update={"phase_1": params.phase_1.model_copy(update=length)})
    preparation = fit_preparation(table, table.all_rows[:FITTED_ROWS], table.numeric, params)
    started = time.perf_counter()
    data = Trainer(params, runtime)._split(table, 0, preparation)
    once = time.perf_counter() - started

    def train(data: list[Inputs], clock: Clock) -> None:
        _fit_autoencoder(params, preparation.width, data, 0, clock)

    return measure_ways("dae phase 1", train, data, params.phase_1.batch_size, once)


def measure_tabm(table: FitTable, runtime: RuntimeParams, epochs: int) -> list[Epoch]:
    """The whole training, with SMPD's size of an ensemble."""
    from fame.learners.growth import settled
    from fame.learners.tabm.inputs import fit_inputs
    from fame.learners.tabm.networks import Size, build_networks
    from fame.learners.tabm.params import Params
    from fame.learners.tabm.training import _read, _train

    params = Params.model_validate(read_block("tabm", "smpd"))
    length = {"epochs": epochs, "patience": epochs}
    params = params.model_copy(update={"training": params.training.model_copy(update=length)})
    inputs = fit_inputs(table, table.all_rows[:FITTED_ROWS], params)
    started = time.perf_counter()
    parts = (table.training_rows(0), table.validation_rows(0))
    device = choose_device(runtime.device)
    data = [_read(table, part, inputs, device, runtime.workers) for part in parts]
    once = time.perf_counter() - started
    sizes = (params.members, params.width, params.blocks)
    size = Size(*map(settled, sizes), params.embedding_width)
    labels = np.array([table.popularity.mean(), table.popularity.std()])

    def train(data: list[Inputs], clock: Clock) -> None:
        seed(SEED)
        networks = build_networks(inputs, size, params.dropout).to(device)
        _train(networks, data, labels, params, clock)

    return measure_ways("tabm", train, data, params.training.batch_size, once)


def measure_ways(
    learner: str, train: Train, data: list[Inputs], batch_size: int, once: float
) -> list[Epoch]:
    """As the learner has its data, and read batch by batch where it holds them."""
    streamed = [replace(part, held=None) for part in data]
    reading = time_reading(streamed, batch_size)
    arithmetic = time_epochs(train, [make_ready(part, batch_size) for part in data])
    steps = len(split_batches(order_rows(data[0]), batch_size))
    found = []
    if data[0].held is not None:
        seconds = time_epochs(train, data)
        found.append(Epoch(learner, "held", steps, seconds, arithmetic, 0.0, once))
    seconds = time_epochs(train, streamed)
    return [*found, Epoch(learner, "read", steps, seconds, arithmetic, reading, 0.0)]


def time_epochs(train: Train, data: list[Inputs]) -> float:
    clock = Clock()
    train(data, clock)
    return clock.seconds


def time_reading(data: list[Inputs], batch_size: int) -> float:
    """Of an epoch's batches in random order, and of the validation rows."""
    training, validation = data
    started = time.perf_counter()
    for _ in training._prepare_ahead(split_batches(order_rows(training), batch_size)):
        pass
    for _ in validation.read_in_order():
        pass
    return time.perf_counter() - started


def order_rows(data: Inputs) -> "Tensor":
    import torch

    return torch.randperm(len(data.rows))


def make_ready(data: Inputs, batch_size: int) -> Ready:
    """Its first rows, as many as the largest batch has."""
    import torch

    count = min(len(data.rows), max(batch_size + 1, ROWS_AT_ONCE))
    x = torch.from_numpy(data.prepare(data.table, data.rows[:count])).to(data.labels.device)
    return Ready(**vars(data) | {"held": x})


def read_block(learner: str, profile: str) -> dict[str, Any]:
    """A learner's block in params.yaml with what a profile changes of it."""
    yaml = YAML(typ="safe", pure=True)
    files = (ROOT / "params.yaml", ROOT / f"profiles/{profile}.yaml")
    own, changes = (yaml.load(path)["learners"][learner] for path in files)
    return merge(own, changes)


def merge(block: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    nested = {
        key: merge(block[key], value) for key, value in changes.items() if isinstance(value, dict)
    }
    return block | changes | nested


if __name__ == "__main__":
    main()
