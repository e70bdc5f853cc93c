"""What every encoder does, and how it is given the posts; glove beside them, by its engine."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fame.features.backbones.glove import Glove, PackagedWords
from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.encoding import encode
from fame.features.meta import Meta
from fame.gates.leakage import extract
from fame.params import RuntimeParams
from fame.posts.contract import POSTS
from fame.registry import BACKBONES, resolve
from fame.runtime import ids

ROOT = Path(__file__).parents[2]
RUNTIME = RuntimeParams(device="cpu", workers=1, cache="unused", engine="local", ray_address=None)
KINDS = {kind: resolve(BACKBONES, kind, "kind") for kind in sorted(BACKBONES)}
ENCODERS = {"meta": Meta} | {k: cls for k, cls in KINDS.items() if issubclass(cls, Encoder)}
each_encoder = pytest.mark.parametrize("name", sorted(ENCODERS))

WORDS = ["dog", "cat", "rain", "red", "house", "qqqqxxxxzzz"]
TRAINING = 30


@cache
def read_entries():
    """Block of params.yaml (or of a profile) by kind of block."""
    files = [ROOT / "params.yaml", *sorted((ROOT / "profiles").glob("*.yaml"))]
    contents = [YAML(typ="safe", pure=True).load(file.read_text()) for file in files]
    entries = [entry for one in contents for entry in one.get("backbones", {}).values() if entry]
    return {entry["kind"]: entry for entry in reversed(entries)} | {"meta": contents[0]["meta"]}


def make_encoder(name):
    cls = ENCODERS[name]
    return cls(cls.Params.model_validate(read_entries()[name]), RUNTIME)


def make_row(post_id, seed, split):
    """A post of which every column depends on the seed alone."""
    draw = np.random.default_rng(seed)
    word = draw.choice(WORDS, 3)
    return {
        "post_id": post_id,
        "user_id": str(word[0]),
        "posted_at": int(draw.integers(1e9, 2e9)),
        "utc_offset_minutes": int(draw.integers(-9, 9) * 60),
        "category": None if seed % 5 == 0 else str(word[1]),
        "concept": f"{word[2]}{seed % 7}",
        "title": None if seed % 4 == 0 else " ".join(word),
        "tags": word[: seed % 4].tolist(),
        "longitude": float(draw.normal()),
        "photo_count": float(seed % 3) or None,
        "split": split,
        "fold": seed % 5 if split == "fit" else -1,
        "popularity": None if split == "challenge" else float(draw.normal()),
    }


def make_table(rows):
    kinds = {field.name: field.type for field in POSTS}
    columns = {name: pa.array([row.get(name) for row in rows], kinds[name]) for name in kinds}
    return pa.table(columns)


def make_training():
    return [make_row(f"{i:03d}", i, "fit") for i in range(TRAINING)]


OTHERS = st.lists(
    st.tuples(st.integers(0, 500), st.sampled_from(["holdout", "challenge"]), st.booleans()),
    max_size=12,
)


def mix(others):
    """The training posts in their order, with the others before and behind them."""
    rows = [
        (make_row(f"x{i:03d}", 1000 + seed, split), first)
        for i, (seed, split, first) in enumerate(others)
    ]
    before, behind = ([row for row, first in rows if first is place] for place in (True, False))
    return make_table([*before, *make_training(), *behind])


def find_training(block):
    """Rows of the training posts."""
    return block.values[[not post_id.startswith("x") for post_id in block.post_ids]].tobytes()


@cache
def encode_training(name):
    block = encode(make_encoder(name), make_table(make_training()))
    assert len(np.unique(block.values, axis=0)) > TRAINING / 2
    return block


@each_encoder
def test_loaded_it_gives_the_training_posts_the_same_bytes(name, tmp_path):
    block = encode_training(name)
    encoder = make_encoder(name)
    encode(encoder, make_table(make_training()))
    (tmp_path / "first").mkdir()
    encoder.save(tmp_path / "first")
    loaded = make_encoder(name)
    loaded.load(tmp_path / "first")
    again = loaded.transform(make_table(make_training()))
    assert again.values.tobytes() == block.values.tobytes()
    assert (again.columns, again.notes) == (block.columns, block.notes)
    assert again.post_ids.tolist() == block.post_ids.tolist()
    # What is loaded is saved as the same bytes, none of them a pickle.
    (tmp_path / "second").mkdir()
    loaded.save(tmp_path / "second")
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("first", "second")
    )
    assert first == second
    suffixes = (".json", ".npy", ".npz", ".safetensors", ".parquet")
    assert all(name.endswith(suffixes) for name in first)


@each_encoder
def test_one_post_alone_has_the_row_that_it_has_among_others(name):
    encoder, rows = make_encoder(name), make_training()
    encode(encoder, make_table(rows))
    together = encoder.transform(make_table(rows))
    for place in (0, 7, TRAINING - 1):
        alone = encoder.transform(make_table(rows[place : place + 1]))
        assert alone.values[0].tobytes() == together.values[place].tobytes()


@each_encoder
@settings(max_examples=30, deadline=None)
@given(others=OTHERS)
def test_other_posts_change_no_row_of_a_training_post(name, others):
    """Added, removed, in another order: neither the rows nor what is fitted."""
    expected = encode_training(name)
    block = encode(make_encoder(name), mix(others))
    assert len(block.post_ids) == TRAINING + len(others)
    assert find_training(block) == expected.values.tobytes()
    assert (block.columns, block.notes) == (expected.columns, expected.notes)
    assert block.fitted_on == expected.fitted_on


@cache
def load_words():
    return PackagedWords()


def extract_glove(table):
    backbone = Glove(Glove.Params.model_validate(read_entries()["glove"]), RUNTIME)
    backbone._words = load_words()  # half a second each time otherwise
    return extract(backbone, table)


@cache
def extract_training():
    return extract_glove(make_table(make_training()))


@settings(max_examples=10, deadline=None)
@given(others=OTHERS)
def test_other_posts_change_no_row_of_a_training_post_in_glove(others):
    expected = extract_training()
    assert np.isfinite(expected.values).any()
    block = extract_glove(mix(others))
    assert find_training(block) == expected.values.tobytes()
    assert (block.fitted_on, block.notes) == (expected.fitted_on, expected.notes)
    training = [not post_id.startswith("x") for post_id in block.post_ids]
    for modality, status in expected.status.items():
        assert block.status[modality][training].tolist() == status.tolist()


class Spy(Encoder):
    """An encoder that remembers what it was given, and encodes the labels."""

    def __init__(self, params=None, runtime=None):  # noqa: ARG002
        self.fitted = self.transformed = None

    def fit(self, posts):
        self.fitted = posts

    def transform(self, posts):
        self.transformed = posts
        labels = posts["popularity"].to_numpy()[:, None]
        return Block(posts["post_id"].to_numpy(), labels.astype(np.float32), (Column("label"),))

    def save(self, folder):
        raise NotImplementedError

    def load(self, folder):
        raise NotImplementedError


def read_labels(posts):
    return dict(zip(posts["post_id"].to_pylist(), posts["popularity"].to_pylist(), strict=True))


@settings(deadline=None)
@given(others=OTHERS)
def test_no_label_outside_the_training_posts_reaches_an_encoder(others):
    spy, posts = Spy(), mix(others)
    block = encode(spy, posts)
    training = make_table(make_training())
    assert spy.fitted.equals(training)
    labels, own = read_labels(spy.transformed), read_labels(training)
    assert labels == own | {i: None for i in posts["post_id"].to_pylist() if i.startswith("x")}
    assert spy.transformed.drop_columns("popularity").equals(posts.drop_columns("popularity"))
    assert spy.transformed.schema == posts.schema
    assert block.fitted_on == ids.digest(training["post_id"].to_pylist())
    assert Counter(np.isnan(block.values[:, 0]).tolist())[True] == len(others)
