"""Disk, memory and time of a run from nothing, roughly, by its posts and its parameters.

The rates were measured on two cores of one machine: docs/scale.md says how, and how far off they
are.
"""

from dataclasses import dataclass
from typing import Any

from fame import params
from fame.learners import growth
from fame.runtime.cores import count_cores

# Block -> columns of a modality, modalities, and posts that two cores make a second.
BLOCKS = {
    "meta": (30, 1, 20_000.0),
    "glove": (20, 2, 7_000.0),
    "image_stats": (4, 1, 2_300.0),
    "pixel_stats": (12, 1, 500.0),
    "minilm": (384, 2, 250.0),
    "efficientnet": (1_280, 1, 55.0),
    "char_ngrams": (50, 1, 1_400.0),
    "history": (9, 1, 10_000.0),
    "word_history": (2, 1, 5_000.0),
    "vilt": (768, 3, 1.1),
    "blip": (768, 3, 1.0),
    "clip": (768, 3, 1.0),
}
ANOTHER = (500, 1, 100.0)  # kind of block
DESCRIPTION_COLUMNS = 800  # of meta, where they are on
FROZEN = {"glove", "image_stats", "pixel_stats", "minilm", "efficientnet", "vilt", "blip", "clip"}
# Learner -> the parameters that count its iterations, and the seconds that two cores take for one
# iteration of all folds over a training post's column.
TRAININGS = {
    "catboost": (("iterations",), 1.0e-8),
    "lightgbm": (("iterations", "num_boost_round"), 1.2e-8),
    "dae": (("phase_1.epochs", "phase_2.epochs"), 5.5e-7),
    "tabm": (("training.epochs",), 2.0e-6),
    "extratrees": (("trees",), 1.0e-7),
    "ridge": ((), 5.0e-6),
}
MOST_ITERATIONS = 3_000  # a boosting stops itself before
# Of AutoGluon's multimodal network, a training post an epoch, by the arithmetic: the packaged
# MiniLM, a base transformer, and one beside an image network.
MINILM_SECONDS, TEXT_SECONDS, IMAGE_SECONDS = 0.15, 2.0, 5.0
STAGE_SECONDS = 1.5  # to start, read and write, whatever the posts
SIMULATED_POST_SECONDS, POST_SECONDS = 0.01, 5e-4  # of all stages but those above
CORES = 2  # of the rates
VALUE = 4  # bytes
COPIES = 2  # an output, and DVC's of it
MATRIX_SHARE = 0.6  # of the training posts' table, that a training holds
STACK_SHARE = 3.0  # that AutoGluon holds
HISTOGRAM_BYTES = 16  # of a bin of CatBoost's, a leaf and column
BASE_DISK, BASE_MEMORY = 1e8, 1e9  # models and encoders; Python, its libraries and a network


@dataclass(frozen=True)
class Estimate:
    """What a run takes: bytes on the disk, bytes of memory at its peak, seconds on these cores."""

    disk: float
    memory: float
    seconds: float


def estimate(settings: params.Params, posts: int, labelled: int) -> Estimate:
    """A run from nothing over so many posts, of which so many have a label."""
    training = (1 - settings.split.holdout_fraction) * labelled
    widths = {name: _find_width(name, settings) for name in ("meta", *settings.backbones)}
    tables = {name: _find_columns(table, settings) for name, table in settings.tables.items()}
    vectors = sum(widths[n] for n, entry in settings.backbones.items() if entry.kind in FROZEN)
    columns = COPIES * (sum(widths.values()) + sum(tables.values())) + vectors
    cores = count_cores()
    work = sum(posts / _find_block(settings, name)[2] for name in settings.backbones)
    learners = [growth.settle(entry, int(training)) for entry in settings.learners.values()]
    work += sum(_time_training(entry, training * tables[entry.table]) for entry in learners)
    work += sum(_time_network(entry, training) for entry in learners)
    each = SIMULATED_POST_SECONDS if settings.data.source == "sample" else POST_SECONDS
    stages = 10 + len(settings.backbones) + len(tables) + 2 * len(settings.learners)
    held = (_hold(entry, training, tables[entry.table]) for entry in learners)
    return Estimate(
        disk=BASE_DISK + VALUE * columns * posts,
        memory=BASE_MEMORY + max(held, default=0.0),
        seconds=work * CORES / cores + posts * each + STAGE_SECONDS * stages,
    )


def describe_seconds(seconds: float) -> str:
    """In the unit that a person would take."""
    days, hours, minutes = (round(seconds / size) for size in (86_400, 3_600, 60))
    if days >= 2:
        return f"{days:,} days"
    if hours >= 2:
        return f"{hours} hours"
    return f"{minutes} minutes" if minutes > 1 else "a minute"


def _find_block(settings: params.Params, name: str) -> tuple[int, int, float]:
    kind = settings.backbones[name].kind if name in settings.backbones else name
    return BLOCKS.get(kind, ANOTHER)


def _find_width(name: str, settings: params.Params) -> int:
    """Columns of a block."""
    width, modalities, _ = _find_block(settings, name)
    more = DESCRIPTION_COLUMNS if name == "meta" and settings.meta.description else 0
    return width * modalities + more


def _find_columns(table: params.FeatureTableParams, settings: params.Params) -> int:
    """Of a table: those of its blocks, or the components that they are reduced to."""
    columns = 0
    for name in table.blocks:
        if name in ("texts", "images"):
            continue
        width = _find_width(name, settings)
        reduced = (table.reduce or {}).get(name)
        modalities = _find_block(settings, name)[1]
        columns += width if reduced is None else min(width, reduced * modalities)
    return columns


def _time_training(entry: Any, cells: float) -> float:
    """Seconds on CORES cores over a table of so many cells, training posts times columns."""
    if entry.kind == "autogluon":  # two layers of each of its models
        own = [(name, getattr(entry, name)) for name in entry.models if hasattr(entry, name)]
        return 2 * sum(_time_iterations(name, block, cells) for name, block in own)
    return _time_iterations(entry.kind, entry, cells)


def _time_iterations(kind: str, block: Any, cells: float) -> float:
    if kind not in TRAININGS:
        return 0.0
    keys, rate = TRAININGS[kind]
    found = [value for key in keys if (value := _look_up(block, key)) is not None]
    iterations = min(sum(found), MOST_ITERATIONS) if keys else 1
    return rate * cells * iterations


def _look_up(block: Any, key: str) -> Any:
    for part in key.split("."):
        block = getattr(block, part, None)
    return block


def _time_network(entry: Any, training: float) -> float:
    """Seconds of AutoGluon's multimodal network, which learns in every fold."""
    if not getattr(entry, "reads_texts", False):
        return 0.0
    epoch = MINILM_SECONDS if entry.multimodal.checkpoint == "minilm" else TEXT_SECONDS
    epoch = IMAGE_SECONDS if entry.image_checkpoint else epoch
    return float(epoch * entry.multimodal.epochs * training)


def _hold(entry: Any, training: float, columns: int) -> float:
    """Bytes of memory of a training."""
    matrix = VALUE * training * columns
    if entry.kind == "autogluon":
        return STACK_SHARE * matrix + _sum_histograms(entry.catboost, columns)
    pool = getattr(entry, "histogram_pool_size", 0) * 1e6
    return MATRIX_SHARE * matrix + pool + _sum_histograms(entry, columns)


def _sum_histograms(block: Any, columns: int) -> float:
    """Of CatBoost: a bin for each border, leaf and column, whatever the posts."""
    if not hasattr(block, "border_count"):
        return 0.0
    return float(HISTOGRAM_BYTES * 2**block.depth * block.border_count * columns)
