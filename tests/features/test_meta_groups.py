"""The groups of meta that are fitted or off by default: text, ratios, trend, author."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame import params
from fame.features import meta, ratios
from fame.features.encoding import encode
from fame.features.meta import Meta
from fame.gates.checks import POSTING_TIME_GROUPS, check_posting_time
from fame.params import HeavyTailedParams, MetaParams
from fame.posts.contract import POSTS
from fame.runtime import files

DAY = 86_400
NEW = {"text": True, "ratios": True, "trend": True, "author": True}
LIMITS = {"distinct": 5, "not_negative": 0.9, "high": 100, "log_deviation": 0.5, "columns": 3}


def make_settings(**changes):
    off = {
        name: False for name, field in MetaParams.model_fields.items() if field.annotation is bool
    }
    own = {"heavy_tailed": HeavyTailedParams(**LIMITS), "author_min_posts": 2}
    own["trend_min_days"] = 1
    return MetaParams(**(off | own | changes))


@pytest.fixture
def encode_meta(make_posts):
    def call(own=None, encoder=None, encoded=None, **columns):
        count = len(next(iter(columns.values())))
        columns.setdefault("post_id", [str(i) for i in range(count)])
        columns.setdefault("split", ["fit"] * count)
        columns.setdefault("fold", [0] * count)
        posts = make_posts(**columns)
        for name, values in (own or {}).items():
            posts = posts.append_column(name, pa.array(values, pa.float64()))
        block = encode(encoder or Meta(make_settings(**(encoded or NEW))), posts)
        names = [column.name for column in block.columns]
        return block, dict(zip(names, block.values.T, strict=True))

    return call


def test_off_they_leave_no_column_and_no_file(encode_meta, tmp_path):
    encoder = Meta(make_settings())
    block, columns = encode_meta(encoder=encoder, title=["a"], user_id=["u"])
    assert list(columns) == list(meta.CATEGORIES)
    assert list(block.notes) == ["vocabularies"]
    encoder.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vocabularies.json"]


def test_params_as_they_come_have_none_of_them():
    chosen = params.load().meta
    assert not any(getattr(chosen, name) for name in NEW)


def test_flags_of_a_text(encode_meta):
    titles = ["Go GO go! 😀 see http://a.b #x @y 12?", "夜景 да", "", None, "well..."]
    _, columns = encode_meta(title=titles, encoded={"text": True})
    nan = np.nan
    expected = {
        "emoji": [1, 0, 0, nan, 0],
        "questions": [1, 0, 0, nan, 0],
        "exclamations": [1, 0, 0, nan, 0],
        "hashtags": [1, 0, 0, nan, 0],
        "mentions": [1, 0, 0, nan, 0],
        "digit_share": [2 / 36, 0, nan, nan, 0],
        "upper_share": [3 / 36, 0, nan, nan, 0],
        "non_latin_share": [0, 4 / 5, nan, nan, 0],
        "has_url": [1, 0, 0, nan, 0],
        "has_ellipsis": [0, 0, 0, nan, 1],
        "unique_words_share": [8 / 9, 1, nan, nan, 1],
    }
    assert len(titles[0]) == 36
    found = {name: column for name, column in columns.items() if name.startswith("text_")}
    assert list(found) == [f"text_{name}" for name in expected]
    for name, values in expected.items():
        np.testing.assert_allclose(columns[f"text_{name}"], values, rtol=1e-6, err_msg=name)


COUNTS = {
    "own_likes": [0, 1, 10, 100, 1_000, 10_000],
    "own_age": [30, 31, 32, 33, 34, 35],  # spans no orders of magnitude
    "own_change": [-900, -90, -9, 9, 90, 900],  # not a count
    "own_wide": [1, 1e2, 1e3, 1e4, 1e5, 1e6],
    "own_flag": [0, 500, 0, 500, 0, 500],
}


def test_ratios_are_of_counts_that_span_orders_of_magnitude(encode_meta):
    columns = {"photo_count": [5.0, 50, 500, 5_000, None, 6], "title": ["a"] * 6}
    chosen = {"ratios": True, "own": True, "user": True}
    block, found = encode_meta(own=COUNTS, encoded=chosen, **columns)
    assert block.notes["compared"] == ["own_likes", "own_wide", "user_photo_count"]
    assert [name for name in found if name.startswith("ratio_")] == [
        "ratio_own_likes_to_own_wide",
        "ratio_own_likes_to_user_photo_count",
        "ratio_own_wide_to_user_photo_count",
    ]
    expected = np.log1p(COUNTS["own_likes"]) - np.log1p(COUNTS["own_wide"])
    np.testing.assert_allclose(found["ratio_own_likes_to_own_wide"], expected, rtol=1e-6)
    assert np.isnan(found["ratio_own_likes_to_user_photo_count"]).tolist() == [False] * 4 + [
        True,
        False,
    ]


def test_ratios_compare_only_groups_that_are_on(encode_meta):
    totals = {"profile_total_views": [1.0, 10, 100, 1e3, 1e4, 1e5]}
    chosen = {"ratios": True, "own": True}
    block, _ = encode_meta(own=COUNTS, encoded=chosen, **totals)
    assert block.notes["compared"] == ["own_likes", "own_wide"]
    block, _ = encode_meta(own=COUNTS, encoded=chosen | {"profile": True}, **totals)
    assert block.notes["compared"] == ["own_likes", "own_wide", "profile_total_views"]


def test_of_many_counts_the_widest_are_compared():
    counts = {name: np.array(COUNTS[name], float) for name in ("own_likes", "own_wide")}
    limits = HeavyTailedParams(**(LIMITS | {"columns": 1}))
    assert ratios.find_heavy_tailed(counts, limits) == ["own_wide"]


def test_other_posts_decide_nothing(encode_meta):
    split = ["fit"] * 3 + ["holdout"] * 3
    block, _ = encode_meta(
        own=COUNTS,
        title=["a"] * 6,
        split=split,
        user_id=["u"] * 6,
        posted_at=[DAY * i for i in range(6)],
        encoded=NEW | {"own": True},
    )
    assert block.notes["compared"] == []  # three different values


def test_the_trend_starts_with_an_authors_first_training_post(encode_meta):
    _, columns = encode_meta(
        user_id=["a", "a", "b", "a", None, "a", "c"],
        posted_at=[4 * DAY, 6 * DAY, 5 * DAY, 10 * DAY, 7 * DAY, None, 9 * DAY],
        split=["fit", "fit", "fit", "holdout", "fit", "fit", "challenge"],
        encoded={"trend": True},
    )
    nan = np.nan
    assert columns["trend_days"][:5].tolist() == [4, 6, 5, 10, 7]
    since = columns["trend_days_since_first_post"]
    np.testing.assert_array_equal(since, [nan, 2, nan, 6, nan, nan, nan])


@pytest.mark.parametrize(("days", "has_trend"), [(1, True), (0.5, False)])
def test_there_is_a_trend_where_posts_span_enough(encode_meta, days, has_trend):
    _, columns = encode_meta(
        user_id=["a", "a", "b"],
        posted_at=[0, days * DAY, 9 * DAY],
        split=["fit", "fit", "holdout"],
        encoded={"trend": True},
    )
    assert ("trend_days" in columns) == has_trend


def test_an_author_is_a_category_where_training_has_enough_of_them(encode_meta):
    block, columns = encode_meta(
        user_id=["b", "a", "b", None, "a", "rare", "new", "b"],
        split=["fit"] * 6 + ["holdout"] * 2,
        encoded={"author": True},
    )
    assert block.notes["authors"] == 2
    assert columns["author"].tolist() == [3, 2, 3, meta.MISSING_ID, 2, *[meta.UNSEEN_ID] * 2, 3]
    assert [column.name for column in block.columns if column.categorical] == [
        *meta.CATEGORIES,
        "author",
    ]


def test_a_hidden_posts_author_is_as_good_as_new(encode_meta):
    _, columns = encode_meta(
        user_id=["a", "a", "a", None],
        posted_at=[DAY, 2 * DAY, 3 * DAY, 4 * DAY],
        split=["fit"] * 4,
        author_hidden=[False, False, True, True],
        encoded={"author": True, "trend": True},
    )
    assert columns["author"].tolist() == [2, 2, meta.UNSEEN_ID, meta.MISSING_ID]
    since = columns["trend_days_since_first_post"]
    np.testing.assert_array_equal(since, [np.nan, 1, np.nan, np.nan])


def draw_columns(count, seed=0):
    draw = np.random.default_rng(seed)
    return {
        "title": [f"Post {i} 😀" if i % 5 else None for i in range(count)],
        "user_id": [f"u{i}" for i in draw.integers(0, 6, count)],
        "posted_at": draw.integers(0, 100 * DAY, count).tolist(),
        "photo_count": np.exp(draw.normal(6, 3, count)).round().tolist(),
        "split": ["holdout" if i % 4 == 3 else "fit" for i in range(count)],
        "post_id": [str(i) for i in range(count)],
    }


ALL = NEW | {"own": True, "user": True, "profile": True, "post": True, "time": True}


def draw_own(count):
    draw = np.random.default_rng(9)
    return {name: np.exp(draw.normal(5, 3, count)).round().tolist() for name in ("own_x", "own_y")}


def test_loaded_categories_keep_their_places(make_posts, tmp_path):
    posts = make_posts(post_id=["1", "2"], split=["fit"] * 2, category=["b", "a"])
    for name in ("category_z", "category_b"):
        posts = posts.append_column(name, pa.array(["x", "y"]))
    encoder = Meta(make_settings())
    block = encode(encoder, posts)
    encoder.save(tmp_path)
    loaded = Meta(make_settings())
    loaded.load(tmp_path)
    assert loaded.transform(posts).columns == block.columns
    names = [column.name for column in block.columns if column.categorical]
    assert names == [*meta.CATEGORIES, "category_b", "category_z"]


def test_saved_and_loaded_they_give_the_same_bytes(encode_meta, tmp_path):
    encoder = Meta(make_settings(**ALL))
    columns, own = draw_columns(60), draw_own(60)
    block, _ = encode_meta(own=own, encoder=encoder, **columns)
    encoder.save(tmp_path)
    loaded = Meta(make_settings(**ALL))
    loaded.load(tmp_path)
    loaded.fit = lambda _: None
    again, _ = encode_meta(own=own, encoder=loaded, **columns)
    assert again.values.tobytes() == block.values.tobytes()
    assert again.notes == block.notes
    assert again.columns == block.columns


@given(st.randoms(use_true_random=False), st.integers(1, 29))
@settings(max_examples=25, deadline=None)
def test_a_row_depends_on_its_post_and_the_training_posts_alone(random, kept):
    columns = draw_columns(30, seed=1)
    whole = pa.table(
        {
            field.name: pa.array(columns.get(field.name, [None] * 30), field.type)
            for field in POSTS
            if field.name in columns or field.nullable
        }
    ).append_column("author_hidden", pa.repeat(False, 30))
    training = [i for i, part in enumerate(columns["split"]) if part == "fit"]
    rows = sorted({*training, *random.sample(range(30), kept)}, key=lambda _: random.random())
    before = encode(Meta(make_settings(**ALL)), whole)
    after = encode(Meta(make_settings(**ALL)), whole.take(pa.array(rows)))
    assert after.columns == before.columns
    assert after.values.tobytes() == before.values[rows].tobytes()


def test_columns_known_at_posting_time_do_not_know_later_posts(make_posts):
    columns = draw_columns(80) | {"fold": [0] * 80}
    settings = make_settings(**ALL)
    gate = check_posting_time(
        make_posts(**columns), lambda posts: encode(Meta(settings), posts), POSTING_TIME_GROUPS
    )
    assert gate.leaks == []
    assert gate.facts["posts_removed"] > 30


def test_posts_of_a_file_mean_the_same(make_posts, tmp_path):
    """Parquet gives timestamps back in milliseconds."""
    posts = make_posts(**draw_columns(20), fold=[0] * 20)
    files.write_table(tmp_path / "posts.parquet", posts)
    read = files.read_table(tmp_path / "posts.parquet")
    blocks = [encode(Meta(make_settings(**ALL)), table) for table in (posts, read)]
    assert blocks[0].values.tobytes() == blocks[1].values.tobytes()
