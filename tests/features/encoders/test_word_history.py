import math
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.encoders.checks import (
    check_that_it_loads_as_it_was_saved,
    check_that_posts_of_a_file_mean_the_same,
)

from fame.features.encoders import word_history
from fame.features.encoders.word_history import WordHistory
from fame.features.encoding import encode
from fame.gates import label_checks
from fame.posts.contract import NO_TEXT, OK, POSTS
from fame.registry import BACKBONES, resolve

DAY = 86_400
LEAST, PRIOR = 2, 1.5
NAMES = ("post_id", "user_id", "posted_at", "popularity", "split", "title", "tags")


def make_encoder(**changes):
    own = {"kind": "word_history", "reads": "posts", "least_posts": LEAST, "prior_posts": PRIOR}
    return WordHistory(WordHistory.Params.model_validate(own | changes), None)


def make_posts(rows):
    """Of (id, author, seconds, label, split, title, tags)."""
    given_columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True)) if rows else {}
    columns = {
        field.name: pa.array(given_columns.get(field.name, [None] * len(rows)), field.type)
        for field in POSTS
    }
    return pa.table(columns)


def encode_rows(rows, **changes):
    return encode(make_encoder(**changes), make_posts(rows)).values


def list_words(row):
    text = f"{row[5] or ''} {' '.join(row[6] or ())}".lower()
    return set(re.findall(r"[#@]?\w{3,}", text))


def describe(row, rows, prior):
    """The head of the module, word by word."""
    levels, weights = [], []
    for word in list_words(row):
        labels = [
            other[3] - prior
            for other in rows
            if other[4] == "fit"
            and word in list_words(other)
            and None not in (row[2], other[2])
            and other[2] < row[2]
            and (other[1] is None or other[1] != row[1])
        ]
        if len(labels) >= LEAST:
            levels.append(sum(labels) / (len(labels) + PRIOR))
            weights.append(1 / math.sqrt(len(labels)))
    if not levels:
        return [np.nan, np.nan]
    return [np.mean(levels), np.average(levels, weights=weights)]


WORDS = st.sampled_from(["sun", "#sun", "@ann", "Sea", "sea", "to", "海辺で", "über"])
ROW = st.tuples(
    st.sampled_from(["ann", "bob", "eve", None]),
    st.none() | st.integers(0, 6).map(lambda i: i * DAY),
    st.floats(-5, 20),
    st.sampled_from(["fit", "fit", "fit", "holdout", "challenge"]),
    st.none() | st.lists(WORDS, max_size=4).map(" ".join),
    st.none() | st.lists(WORDS, max_size=3),
)
ROWS = st.lists(ROW, min_size=1, max_size=25).map(
    lambda rows: [(str(i), *row) for i, row in enumerate(rows)]
)


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_it_is_what_its_docstring_says(rows):
    labels = [row[3] for row in rows if row[4] == "fit"]
    prior = np.mean(labels) if labels else 0
    expected = [describe(row, rows, prior) for row in rows]
    np.testing.assert_allclose(encode_rows(rows), expected, rtol=1e-5, atol=1e-5)


def test_it_is_registered():
    assert resolve(BACKBONES, "word_history", "test") is WordHistory


@given(ROWS, st.data())
@settings(max_examples=100, deadline=None)
def test_no_label_of_the_same_or_a_later_time_enters(rows, data):
    """Two labels exchanged, so that the mean of all stays: no row up to the earlier one changes."""
    fit = [i for i, row in enumerate(rows) if row[4] == "fit" and row[2] is not None]
    if len(fit) < 2:
        return
    first, second = (data.draw(st.sampled_from(fit)) for _ in range(2))
    before, changed = encode_rows(rows), list(rows)
    for place, other in ((first, second), (second, first)):
        changed[place] = (*rows[place][:3], rows[other][3], *rows[place][4:])
    cut = min(rows[first][2], rows[second][2])
    kept = [i for i, row in enumerate(rows) if row[2] is None or row[2] <= cut]
    assert encode_rows(changed)[kept].tobytes() == before[kept].tobytes()


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_other_posts_and_their_order_change_nothing(rows, random):
    whole = encode_rows(rows)
    fit = [i for i, row in enumerate(rows) if row[4] == "fit"]
    assert encode_rows([rows[i] for i in fit]).tobytes() == whole[fit].tobytes()
    order = random.sample(range(len(rows)), len(rows))
    assert encode_rows([rows[i] for i in order]).tobytes() == whole[order].tobytes()
    relabelled = [(*r[:3], r[3] if r[4] == "fit" else -r[3], *r[4:]) for r in rows]
    assert encode_rows(relabelled).tobytes() == whole.tobytes()


def draw_rows(count, seed=0):
    draw = np.random.default_rng(seed)
    return [
        (
            str(i),
            f"u{draw.integers(40)}",
            int(draw.integers(1_000)) * DAY,
            float(draw.normal(6, 2)),
            "fit" if i % 4 else "holdout",
            " ".join(f"word{w}" for w in draw.integers(0, 60, 5)),
            [f"tag{draw.integers(20)}"],
        )
        for i in range(count)
    ]


def test_saved_and_loaded_it_gives_the_same_bytes(tmp_path):
    posts = make_posts(draw_rows(400))
    assert not np.isnan(encode(make_encoder(), posts).values).all()
    check_that_it_loads_as_it_was_saved(make_encoder, posts, tmp_path)


def test_posts_of_a_file_mean_the_same(tmp_path):
    check_that_posts_of_a_file_mean_the_same(make_encoder, make_posts(draw_rows(200)), tmp_path)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_the_size_of_chunks_changes_nothing(monkeypatch, size):
    posts = make_posts(draw_rows(300))
    before = encode(make_encoder(), posts).values.tobytes()
    monkeypatch.setattr(word_history, "CHUNK_POSTS", size)
    assert encode(make_encoder(), posts).values.tobytes() == before


def test_the_gates_know_it_as_a_reader_of_labels_and_find_no_leak():
    posts = make_posts(draw_rows(400))

    def read(table):
        return encode(make_encoder(), table)

    gate = label_checks.check_label_times(posts, {"word_history": read}, seed=3)
    assert gate.leaks == []
    assert gate.facts["cuts"] == 3


def test_a_past_that_knows_later_labels_is_caught(monkeypatch):
    monkeypatch.setattr(
        word_history,
        "find_earlier",
        lambda groups, _, group, __: (
            np.searchsorted(groups, group, side="right"),
            np.where(group >= 0, np.searchsorted(groups, group, side="right"), 0)
            - np.where(group >= 0, np.searchsorted(groups, group, side="left"), 0),
        ),
    )
    posts = make_posts(draw_rows(400))
    gate = label_checks.check_label_times(
        posts, {"word_history": lambda table: encode(make_encoder(), table)}, seed=3
    )
    assert gate.leaks[0].startswith("block word_history: column mean knows labels or posts of")


def test_nothing_to_read_is_missing():
    rows = [("1", "ann", 0, 5.0, "fit", None, None), ("2", None, None, None, "challenge", "a", [])]
    block = encode(make_encoder(), make_posts(rows))
    assert np.isnan(block.values).all()
    assert block.status["text"].tolist() == [NO_TEXT, OK]
    assert encode_rows([]).shape == (0, 2)


def test_large_labels_are_added_exactly_enough():
    rows = draw_rows(400)
    small = encode_rows(rows)
    large = encode_rows([(*row[:3], row[3] * 1e12, *row[4:]) for row in rows])
    np.testing.assert_allclose(large / 1e12, small, rtol=1e-4, atol=1e-6)
