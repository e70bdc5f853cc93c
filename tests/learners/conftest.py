"""A small table with a planted signal; learners as in params.yaml, but quick."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from fame.features.contract import Column
from fame.learners.contract import Learner, Table
from fame.params import RuntimeParams
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT
from fame.registry import LEARNERS, resolve
from fame.runtime.devices import import_torchvision
from fame.runtime.dvc_lock import digest_folder

FIT_ROWS, HOLDOUT_ROWS, CHALLENGE_ROWS, FOLDS, NUMBERS = 160, 300, 20, 5, 30

WORDS = ("dog", "beach", "rain", "music")  # a category's title

# What makes a learner quick enough for 160 posts to fit on; all else is as in params.yaml.
QUICK: dict[str, dict[str, Any]] = {
    "catboost": {"iterations": 60, "learning_rate": 0.2, "depth": 3, "rsm": 1.0, "threads": 1},
    "lightgbm": {"iterations": 60, "learning_rate": 0.2, "feature_fraction": 1.0, "threads": 1},
    "autogluon": {
        "catboost": {"iterations": 60, "learning_rate": 0.2, "depth": 3, "rsm": 1.0},
        "lightgbm": {"num_boost_round": 60, "learning_rate": 0.2, "feature_fraction": 1.0},
        "multimodal": {
            "max_tokens": 8,
            "epochs": 3,
            "learning_rate": 0.003,
            "head_rate_factor": 3.0,
        },
        "threads": 1,
    },
    "dae": {
        "encoded_width": 16,
        "phase_1": {"epochs": 6, "batch_size": 32, "learning_rate": 0.005},
        "phase_2": {"epochs": 60, "learning_rate": 0.01},
        "threads": 1,
    },
}
# Training that cannot stop early: what is kept does not depend on the posts that it stops on.
ONE_STEP: dict[str, dict[str, Any]] = {
    "catboost": {"iterations": 1},
    "lightgbm": {"iterations": 1},
    "dae": {"phase_1": {"epochs": 1}, "phase_2": {"epochs": 1}},
}


def merge(block: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The block with some of its keys changed, nested blocks key by key."""
    return block | {
        key: merge(block.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }


def make_table(dtype: type = np.float32, seed: int = 3) -> tuple[Table, np.ndarray]:
    """A table and the labels of all its rows, those that it hides included.

    Two numbers and a category carry the label; 28 numbers, some of them missing, do not. Holdout
    and challenge posts have categories that no fit row has.
    """
    generator = np.random.default_rng(seed)
    rows = FIT_ROWS + HOLDOUT_ROWS + CHALLENGE_ROWS
    number = np.arange(rows)
    values = generator.normal(size=(rows, NUMBERS))
    category = generator.integers(0, 4, rows)
    concept = generator.integers(0, np.where(number < FIT_ROWS, 60, 90))
    label = 6 + 1.5 * values[:, 0] - values[:, 1] + np.array([-1, 0, 0.5, 2])[category]
    label += generator.normal(scale=0.3, size=rows)
    values[generator.random(rows) < 0.2, 2] = np.nan
    columns = (
        Column("meta.category", categorical=True),
        Column("meta.concept", categorical=True),
        *(Column(f"minilm.title_{i:02d}") for i in range(NUMBERS)),
    )
    parts = [FIT] * FIT_ROWS + [HOLDOUT] * HOLDOUT_ROWS + [CHALLENGE] * CHALLENGE_ROWS
    table = Table(
        post_ids=np.array([str(1000 + i) for i in range(rows)], dtype=object),
        values=np.column_stack([category, concept, values]).astype(dtype),
        columns=columns,
        split=np.array(parts, dtype=object),
        fold=np.where(number < FIT_ROWS, number % FOLDS, -1).astype(np.int8),
        popularity=np.where(number < FIT_ROWS, label, np.nan),
        texts={
            "title": np.array([WORDS[i] for i in category], dtype=object),
            "tags": np.array([""] * rows, dtype=object),
        },
    )
    return table, label


def build_learner(kind: str, one_step: bool = False, **changes: Any) -> Learner:
    """A learner of the kind: its first block in params.yaml, made quick, with ``changes``."""
    content = YAML(typ="safe", pure=True).load(Path(__file__).parents[2] / "params.yaml")
    if kind == "autogluon":
        changes = merge({"multimodal": {"checkpoint": make_checkpoint()}}, changes)
    block = next(block for block in content["learners"].values() if block["kind"] == kind)
    for part in (QUICK[kind], ONE_STEP[kind] if one_step else {}, changes):
        block = merge(block, part)
    cls = resolve(LEARNERS, kind, "kind")
    return cls(
        cls.Params.model_validate(block),
        RuntimeParams(device="cpu", workers=1, cache="unused", engine="local", ray_address=None),
    )


@cache
def make_checkpoint() -> str:
    """A folder with a small BERT of random weights that knows WORDS."""
    import_torchvision()
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = Path(tempfile.mkdtemp(prefix="fame_bert_"))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)})
    tokenizer.save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(
        BertConfig(vocab_size=len(vocabulary), intermediate_size=16, **small)
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tables() -> Callable[..., tuple[Table, np.ndarray]]:
    return make_table


@pytest.fixture(scope="session")
def learners() -> Callable[..., Learner]:
    return build_learner


@pytest.fixture(scope="session")
def lock() -> Callable[[Path], None]:
    return write_lock


def write_lock(folder: Path) -> None:
    """A dvc.lock beside ``folder`` that records it as a stage's output."""
    out = {"path": folder.name, "md5": digest_folder(folder)}
    stages = {"train": {"cmd": "train", "outs": [out]}}
    YAML().dump({"schema": "2.0", "stages": stages}, folder.parent / "dvc.lock")


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Learner, Path]]:
    """Kind -> a learner fitted on `make_table()` and the folder it was saved into; fitted once."""
    done: dict[str, tuple[Learner, Path]] = {}

    def fit_once(kind: str) -> tuple[Learner, Path]:
        if kind not in done:
            learner, folder = build_learner(kind), tmp_path_factory.mktemp(kind) / "models"
            learner.fit(make_table()[0])
            folder.mkdir()
            learner.save(folder)
            write_lock(folder)
            done[kind] = learner, folder
        return done[kind]

    return fit_once
