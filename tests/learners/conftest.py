"""A small table with a planted signal; learners as in params.yaml, but quick."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from fame.features.blocks import Column
from fame.learners import table_files
from fame.learners.contract import FitTable, Model, Table, Trainer
from fame.params import RuntimeParams
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT
from fame.registry import LEARNERS, resolve_learner
from fame.runtime import files
from fame.runtime.devices import import_torchvision
from fame.runtime.dvc_lock import digest_folder

AUTOGLUON_IS_SLOW = ("test_contract.py", "test_predict.py", "test_train.py")
FIT_ROWS, HOLDOUT_ROWS, CHALLENGE_ROWS, FOLDS, NUMBERS = 160, 300, 20, 5, 30

WORDS = ("dog", "beach", "rain", "music")  # a category's title
TEMPORARY = tempfile.TemporaryDirectory(prefix="fame_tests_")  # removed when Python ends


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """AutoGluon in processes of its own, or trained again and again, is slow."""
    for item in items:
        kind = getattr(item, "callspec", None) and item.callspec.params.get("kind")
        if kind == "autogluon" and item.path.name in AUTOGLUON_IS_SLOW:
            item.add_marker(pytest.mark.slow)


def make_folder() -> Path:
    """An empty folder."""
    return Path(tempfile.mkdtemp(dir=TEMPORARY.name))


def merge(block: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The block with some of its keys changed, nested blocks key by key."""
    return block | {
        key: merge(block.get(key, {}), value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }


@dataclass(frozen=True, kw_only=True)
class Mixed(Table):
    """Training posts and others in one table, so that a test can take either.

    Attributes:
        split: (n,) str.
        fold: (n,) int8, -1 outside the training posts.
        popularity: (n,) float64, NaN outside the training posts.
    """

    split: np.ndarray
    fold: np.ndarray
    popularity: np.ndarray

    def take(self, rows: np.ndarray) -> "Mixed":
        """Some rows."""
        names = ("post_ids", "values", "split", "fold", "popularity")
        taken = {name: getattr(self, name)[rows] for name in names}
        beside = {
            name: {key: column[rows] for key, column in getattr(self, name).items()}
            for name in ("texts", "images")
        }
        return replace(self, **taken, **beside)

    @property
    def fit_rows(self) -> np.ndarray:
        """Positions of the training posts."""
        return np.flatnonzero(self.fold >= 0)

    @property
    def training(self) -> FitTable:
        """The training posts, as a trainer gets them."""
        own = self.take(self.fit_rows)
        fields = ("post_ids", "values", "columns", "texts", "images", "fold", "popularity")
        return FitTable(**{name: getattr(own, name) for name in fields})


def make_table(dtype: type = np.float32, seed: int = 3) -> tuple[Mixed, np.ndarray]:
    """A table and the labels of all its rows, those that it hides included.

    Two numbers and a category carry the label; 28 numbers, some of them missing, do not. Holdout
    and challenge posts have categories that no training post has.
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
    table = Mixed(
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


class Trained:
    """A trainer and the model of what it saved."""

    def __init__(self, kind: str, params: Any) -> None:
        runtime = RuntimeParams(
            device="cpu", workers=1, cache="unused", engine="local", ray_address=None
        )
        self.kind = kind
        self.trainer: Trainer = resolve_learner(kind, "Trainer", "kind")(params, runtime)
        self.model: Model = resolve_learner(kind, "Model", "kind")(params, runtime)

    def fit(self, table: Mixed, checkpoints: Path | None = None) -> "Trained":
        """Train, save, load what was saved."""
        place = checkpoints or make_folder()
        place.mkdir(parents=True, exist_ok=True)
        self.trainer.fit(table.training, place)
        self.folder = make_folder() / "models"
        self.folder.mkdir()
        self.trainer.save(self.folder)
        write_lock(self.folder)
        self.model.load(self.folder)
        return self

    def predict(self, table: Mixed) -> np.ndarray:
        """(n,): out of fold for training posts, by the model for all others."""
        prediction = np.empty(len(table.post_ids))
        fit = table.fit_rows
        prediction[fit] = self.trainer.out_of_fold()
        others = np.flatnonzero(table.fold < 0)
        prediction[others] = self.model.predict(table, others)
        return prediction

    def read(self) -> dict[str, bytes]:
        """The saved files."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}


def read_tests_params(kind: str) -> dict[str, Any]:
    """What a kind's own test folder says: QUICK and ONE_STEP, changes of its params block."""
    path = Path(__file__).parent / kind / "settings.py"
    spec = spec_from_file_location(f"settings_of_{kind}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def build_learner(kind: str, one_step: bool = False, **changes: Any) -> Trained:
    """A learner of the kind: its first block in params.yaml, made quick, with ``changes``."""
    block = make_block(kind, one_step, **changes)
    return Trained(kind, resolve_learner(kind, "Params", "kind").model_validate(block))


def make_block(kind: str, one_step: bool = False, **changes: Any) -> dict[str, Any]:
    """The block of `build_learner`."""
    content = YAML(typ="safe", pure=True).load(Path(__file__).parents[2] / "params.yaml")
    settings = read_tests_params(kind)
    if kind == "autogluon":
        changes = merge({"multimodal": {"checkpoint": make_checkpoint()}}, changes)
    blocks = [*content["learners"].values(), settings.get("BLOCK", {"kind": kind})]
    block = next(block for block in blocks if block["kind"] == kind)
    for part in (settings["QUICK"], settings["ONE_STEP"] if one_step else {}, changes):
        block = merge(block, part)
    return block


@cache
def make_checkpoint() -> str:
    """A folder with a small BERT of random weights that knows WORDS."""
    import_torchvision()
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = make_folder()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate(vocabulary)})
    tokenizer.save_pretrained(folder)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(
        BertConfig(vocab_size=len(vocabulary), intermediate_size=16, **small)
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def tables() -> Callable[..., tuple[Mixed, np.ndarray]]:
    return make_table


@pytest.fixture(scope="session")
def learners() -> Callable[..., Trained]:
    return build_learner


@pytest.fixture(scope="session")
def lock() -> Callable[[Path], None]:
    return write_lock


@pytest.fixture
def write_learners(write_params: Callable[..., None]) -> Callable[..., None]:
    """Write params.yaml with a quick learner of every kind, named as its kind, on table `small`.

    ``changes`` are of the learners' blocks, by name.
    """

    def write(**changes: dict[str, Any]) -> None:
        learners = {
            kind: make_block(kind, **{"table": "small"} | changes.get(kind, {}))
            for kind in LEARNERS
        }
        small = {"blocks": ["meta", "texts"], "reduce": None, "dtype": "float32"}
        write_params(backbones={}, tables={"small": small}, learners=learners)

    return write


@pytest.fixture
def folder(tmp_path: Path, write_learners: Callable[..., None]) -> Path:
    """A folder with params.yaml and the two tables of `make_table()`, of three folds."""
    write_learners()
    table, _ = make_table()
    fit = table.fold >= 0
    rows = pa.table(
        {
            "post_id": table.post_ids.tolist(),
            "fold": np.where(fit, np.arange(len(fit)) % 3, -1).astype(np.int8),
            "popularity": table.popularity,
            "split": table.split.tolist(),
            "title": table.texts["title"].tolist(),
            "tags": [["flickr"]] * len(fit),
        }
    )
    for name, chosen, names in (
        ("fit", fit, ["post_id", "fold", "popularity"]),
        ("score", ~fit, ["post_id", "split"]),
    ):
        part = rows.filter(pa.array(chosen))
        with files.replacing_folder(tmp_path / name) as place:
            columns = [*table.columns]
            values = [table.values[chosen]]
            table_files.write_table(place, part.select(names), columns, values, "float32")
            table_files.write_texts(place, part)
    return tmp_path


def write_lock(folder: Path) -> None:
    """A dvc.lock beside ``folder`` that records it as a stage's output."""
    out = {"path": folder.name, "md5": digest_folder(folder)}
    stages = {"train": {"cmd": "train", "outs": [out]}}
    YAML().dump({"schema": "2.0", "stages": stages}, folder.parent / "dvc.lock")


@pytest.fixture(scope="session")
def fitted() -> Callable[[str], Trained]:
    """Kind -> a learner fitted on `make_table()`; fitted once."""
    return cache(lambda kind: build_learner(kind).fit(make_table()[0]))
