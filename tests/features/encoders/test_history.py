import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.encoders.checks import (
    check_that_it_loads_as_it_was_saved,
    check_that_posts_of_a_file_mean_the_same,
)

from fame.features.encoders.history import COLUMNS, History
from fame.features.encoding import encode
from fame.posts.authors import hide
from fame.posts.contract import POSTS
from fame.registry import BACKBONES, resolve

DAY = 86_400
OWN = {"recent_posts": 3, "prior_posts": 2.0, "half_life_posts": 1.5, "trend_posts": 4}


def make_encoder(**changes):
    own = {"kind": "history", "reads": "posts", "trend_ridge": 10.0}
    return History(History.Params.model_validate(own | OWN | changes), None)


def make_posts(rows, hidden_share=0.0, seed=5):
    """Of (id, author, seconds, label, split)."""
    names = ("post_id", "user_id", "posted_at", "popularity", "split")
    given_columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    columns = {
        field.name: pa.array(given_columns.get(field.name, [None] * len(rows)), field.type)
        for field in POSTS
    }
    hidden = hide([row[0] for row in rows], hidden_share, seed)
    own = [bool(drawn) and row[4] == "fit" for drawn, row in zip(hidden, rows, strict=True)]
    return pa.table(columns | {"author_hidden": pa.array(own)})


def encode_rows(rows, hidden_share=0.0, seed=5, **changes):
    return encode(make_encoder(**changes), make_posts(rows, hidden_share, seed)).values


def describe(past, now, prior):
    """The head of the module, word by word; ``past`` is (seconds, label) in order."""
    if not past:
        return [0, *[np.nan] * 5, prior, np.nan, np.nan]
    y = np.array([label for _, label in past])
    n = len(y)
    weight = 2.0 ** (-(n - np.arange(1, n + 1)) / OWN["half_life_posts"])
    tail = y[-OWN["trend_posts"] :]
    x = np.arange(1, len(tail) + 1) - (len(tail) + 1) / 2
    return [
        *(n, y.mean(), y[-1], y[-OWN["recent_posts"] :].mean(), y.std() if n > 1 else np.nan),
        (now - past[-1][0]) / DAY,
        (y.sum() + OWN["prior_posts"] * prior) / (n + OWN["prior_posts"]),
        weight @ y / weight.sum(),
        x @ tail / (x @ x + 10),
    ]


AUTHORS = st.sampled_from(["ann", "bob", "eve", None])
ROW = st.tuples(
    AUTHORS,
    st.none() | st.integers(0, 6).map(lambda i: i * DAY),
    st.floats(-5, 20),
    st.sampled_from(["fit", "fit", "fit", "holdout", "challenge"]),
)
ROWS = st.lists(ROW, min_size=1, max_size=25).map(
    lambda rows: [(str(i), *row) for i, row in enumerate(rows)]
)


def find_known(rows):
    """Of what is in the past of whom: (position, author, seconds, label), in order."""
    known = [
        (seconds, i, author, label)
        for i, (_, author, seconds, label, split) in enumerate(rows)
        if split == "fit" and author is not None and seconds is not None
    ]
    return sorted(known)


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_it_is_what_its_docstring_says(rows):
    labels = [label for *_, label, split in rows if split == "fit"]
    prior = np.mean(labels) if labels else 0
    known = find_known(rows)
    expected = [
        describe(
            [
                (then, label)
                for then, _, other, label in known
                if now is not None and other == author and then < now
            ],
            now,
            prior,
        )
        for _, author, now, _, _ in rows
    ]
    np.testing.assert_allclose(encode_rows(rows), expected, rtol=1e-5, atol=1e-5)


def test_it_is_registered():
    assert resolve(BACKBONES, "history", "test") is History


@given(ROWS, st.data())
@settings(max_examples=100, deadline=None)
def test_no_label_of_the_same_or_a_later_time_enters(rows, data):
    """Changed, or the post removed: all that is not the common mean stays to the last bit."""
    place = data.draw(st.integers(0, len(rows) - 1))
    post_id, author, moment, label, split = rows[place]
    before = encode_rows(rows, prior_posts=0.0)
    kept = [
        i
        for i, row in enumerate(rows)
        if i != place and (moment is None or row[2] is None or row[2] <= moment)
    ]
    changed = [*rows[:place], (post_id, author, moment, label + 100, split), *rows[place + 1 :]]
    removed = rows[:place] + rows[place + 1 :]
    after = encode_rows(changed, prior_posts=0.0)[kept]
    without = encode_rows(removed, prior_posts=0.0) if removed else before[:0]
    without = without[[i - (i > place) for i in kept]]
    own = [i for i, name in enumerate(COLUMNS) if name != "shrunk"]
    for found in (after, without):
        assert found[:, own].tobytes() == before[kept][:, own].tobytes()
        # Without a past, shrunk is the mean of all.
        some = found[:, 0] > 0
        np.testing.assert_array_equal(found[some, 6], before[kept][some, 6])


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_other_posts_and_their_order_change_nothing(rows, random):
    whole = encode_rows(rows, hidden_share=0.4)
    fit = [i for i, row in enumerate(rows) if row[4] == "fit"]
    alone = encode_rows([rows[i] for i in fit], hidden_share=0.4)
    assert alone.tobytes() == whole[fit].tobytes()
    order = random.sample(range(len(rows)), len(rows))
    shuffled = encode_rows([rows[i] for i in order], hidden_share=0.4)
    assert shuffled.tobytes() == whole[order].tobytes()
    relabelled = [(*row[:3], row[3] if row[4] == "fit" else -row[3], row[4]) for row in rows]
    assert encode_rows(relabelled, hidden_share=0.4).tobytes() == whole.tobytes()


def draw_rows(count, authors=40, seed=0):
    draw = np.random.default_rng(seed)
    users = [f"u{i}" for i in draw.integers(0, authors, count)]
    times = draw.integers(0, 1_000 * DAY, count).tolist()
    labels = draw.normal(6, 2, count).tolist()
    split = ["fit" if i % 4 else "holdout" for i in range(count)]
    ids = [str(i) for i in range(count)]
    return list(zip(ids, users, times, labels, split, strict=True))


def test_a_hidden_row_looks_like_a_new_authors():
    rows = draw_rows(2_000)
    shown, hidden = encode_rows(rows), encode_rows(rows, hidden_share=0.3)
    stranger = encode_rows([*rows, ("new", "new", 0, 0.0, "challenge")])[-1]
    training = np.array([row[4] == "fit" for row in rows])
    changed = (shown != hidden).any(axis=1) & ~(np.isnan(shown) & np.isnan(hidden)).any(axis=1)
    looks_new = [row.tobytes() == stranger.tobytes() for row in hidden]
    np.testing.assert_array_equal(hidden[~np.array(looks_new)], shown[~np.array(looks_new)])
    assert not changed[~training].any()
    share = (np.array(looks_new) & (shown[:, 0] > 0))[training].mean()
    assert 0.25 < share < 0.35
    other = encode_rows(rows, hidden_share=0.3, seed=6)
    assert (other[:, 0] != hidden[:, 0]).any()


def test_all_hidden_leaves_new_posts_their_past():
    rows = draw_rows(300)
    values = encode_rows(rows, hidden_share=1.0)
    training = np.array([row[4] == "fit" for row in rows])
    assert (values[training, 0] == 0).all()
    assert (values[~training, 0] > 0).mean() > 0.8


def test_saved_and_loaded_it_gives_the_same_bytes(tmp_path):
    posts = make_posts(draw_rows(400), 0.2)
    assert not np.isnan(encode(make_encoder(), posts).values).all()
    check_that_it_loads_as_it_was_saved(make_encoder, posts, tmp_path)


def test_posts_of_a_file_mean_the_same(tmp_path):
    check_that_posts_of_a_file_mean_the_same(make_encoder, make_posts(draw_rows(50)), tmp_path)


def test_newer_labelled_posts_become_part_of_the_past():
    rows = draw_rows(400)
    first, more = rows[:300], [(*row[:4], "challenge") for row in rows[300:]]
    encoder = make_encoder()
    encode(encoder, make_posts(first))
    encoder.extend(make_posts(more))
    probe = make_posts([("x", "u3", 1_001 * DAY, None, "challenge")])
    found = dict(zip(COLUMNS, encoder.transform(probe).values[0], strict=True))
    own = [r for r in rows if r[1] == "u3" and (r[4] == "fit" or int(r[0]) >= 300)]
    assert found["count"] == len(own)
    assert found["mean"] == pytest.approx(np.mean([row[3] for row in own]), rel=1e-5)
    before = encoder.transform(probe).values.tobytes()
    encoder.extend(make_posts(more))  # known already
    assert encoder.transform(probe).values.tobytes() == before


def test_posts_without_author_time_or_label_are_no_ones_past():
    encoder = make_encoder()
    encode(encoder, make_posts([("1", "ann", 0, 5.0, "fit")]))
    odd = [("2", None, 1, 9.0, "fit"), ("3", "ann", None, 9.0, "fit"), ("4", "ann", 1, None, "fit")]
    encoder.extend(make_posts(odd))
    probe = [("5", "ann", DAY, None, "holdout"), ("6", None, DAY, None, "holdout")]
    values = encoder.transform(make_posts([*probe, ("7", "ann", None, None, "holdout")])).values
    assert values[:, 0].tolist() == [1, 0, 0]
    assert values[0, 5] == 1


def test_times_far_from_the_known_ones():
    rows = [("1", "ann", 0, 5.0, "fit"), ("2", "bob", DAY, 6.0, "fit")]
    far = 250_000_000_000
    probe = [("3", "ann", far, None, "holdout"), ("4", "bob", -far // 10, None, "holdout")]
    values = encode_rows([*rows, *probe])
    assert values[2:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("authors", [1, 30_000])
def test_many_posts_take_little_time(authors):
    posts = make_posts(draw_rows(60_000, authors), 0.2)
    start = time.process_time()
    encode(make_encoder(), posts)
    assert time.process_time() - start < 8
