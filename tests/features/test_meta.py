from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from fame.features import encoding, meta
from fame.params import HeavyTailedParams, MetaParams
from fame.posts.contract import DESCRIPTIONS, POSTS
from fame.runtime import files, ids
from fame.runtime.errors import InputError

GROUPS = [name for name, field in MetaParams.model_fields.items() if field.annotation is bool]
LIMITS = {
    "heavy_tailed": HeavyTailedParams(
        distinct=20, not_negative=0.9, high=500, log_deviation=0.8, columns=12
    ),
    "author_min_posts": 5,
    "trend_min_days": 0,
}
ALL_ON = dict.fromkeys(GROUPS, True) | LIMITS
ALL_OFF = dict.fromkeys(GROUPS, False) | LIMITS


def make_posts(**columns):
    count = len(next(iter(columns.values())))
    columns.setdefault("post_id", [str(i) for i in range(count)])
    columns.setdefault("split", ["fit"] * count)
    own = {name: columns.pop(name) for name in list(columns) if name.startswith("own_")}
    table = {
        field.name: pa.chunked_array(
            [pa.array(columns.pop(field.name, [None] * count), field.type)]
        )
        for field in POSTS
    }
    assert not columns
    return pa.table(table | {name: pa.array(value, pa.float64()) for name, value in own.items()})


def encode(posts, descriptions=None, **groups):
    settings = MetaParams(**(ALL_OFF | groups))
    descriptions = descriptions or DESCRIPTIONS.empty_table()
    block = encoding.encode(meta.Meta(settings, descriptions=descriptions), posts)
    names = [column.name for column in block.columns]
    return block, dict(zip(names, block.values.T, strict=True))


def test_vocabularies_come_from_the_training_posts_only():
    posts = make_posts(
        category=["b", "a", "c", None, "a"],
        split=["fit", "fit", "holdout", "fit", "challenge"],
    )
    block, columns = encode(posts)
    assert block.notes["vocabularies"]["category"] == ["a", "b"]
    assert columns["category"].tolist() == [3, 2, meta.UNSEEN_ID, meta.MISSING_ID, 2]
    assert block.fitted_on == ids.digest(["0", "1", "3"])
    assert [column.categorical for column in block.columns] == [True, True, True]


def test_holdout_values_change_no_other_row():
    split = ["fit", "fit", "holdout"]
    first, _ = encode(make_posts(category=["a", "b", "a"], split=split), **ALL_ON)
    second, _ = encode(make_posts(category=["a", "b", "zzz"], split=split), **ALL_ON)
    np.testing.assert_array_equal(first.values[:2], second.values[:2])
    assert first.notes == second.notes


def test_a_post_that_comes_later_is_encoded_by_the_saved_vocabularies(tmp_path):
    encoder = meta.Meta(MetaParams(**ALL_ON))
    encoder.fit(make_posts(category=["b", "a", None]))
    encoder.save(tmp_path)
    loaded = meta.Meta(MetaParams(**ALL_ON))
    loaded.load(tmp_path)
    block = loaded.transform(make_posts(category=["new", "b", None, "a"], post_id=list("wxyz")))
    assert block.values[:, 0].tolist() == [meta.UNSEEN_ID, 3, meta.MISSING_ID, 2]
    assert block.post_ids.tolist() == list("wxyz")


def test_lost_vocabularies_are_named(tmp_path):
    with pytest.raises(InputError, match=r"vocabularies\.json: no such file"):
        meta.Meta(MetaParams(**ALL_ON)).load(tmp_path)


def test_time_is_in_the_posters_zone():
    moment = datetime(2015, 12, 31, 22, 30, tzinfo=UTC)
    posts = make_posts(posted_at=[moment, moment, None], utc_offset_minutes=[120, None, 60])
    _, columns = encode(posts, time=True)
    # 2016-01-01 was a Friday of ISO week 53; the row without a zone stays on UTC's Thursday.
    np.testing.assert_array_equal(columns["time_hour"], [0, 22, np.nan])
    np.testing.assert_array_equal(columns["time_weekday"], [4, 3, np.nan])
    np.testing.assert_array_equal(columns["time_week"], [53, 53, np.nan])


def test_missing_is_missing_and_not_zero():
    posts = make_posts(
        title=[None, "two words"], tags=[None, ["a", "bcd"]], media_type=[None, "video"]
    )
    _, columns = encode(posts, **ALL_ON)
    categories = (*meta.CATEGORIES, meta.AUTHOR)  # whose 0 stands for missing
    numeric = [name for name in columns if name not in categories]
    assert all(np.isnan(columns[name][0]) for name in numeric)
    assert columns["post_title_characters"][1] == 9
    assert columns["post_title_words"][1] == 2
    assert columns["post_tag_count"][1] == 2
    assert columns["post_tag_mean_characters"][1] == 2
    assert columns["post_is_video"][1] == 1


def test_a_post_without_tags_has_none_to_average():
    _, columns = encode(make_posts(tags=[[], ["ab"]]), post=True)
    assert columns["post_tag_count"].tolist() == [0, 1]
    np.testing.assert_array_equal(columns["post_tag_mean_characters"], [np.nan, 2])


def test_profile_means_are_per_photo():
    posts = make_posts(profile_total_views=[10.0, 10.0], profile_photo_count=[4.0, 0.0])
    _, columns = encode(posts, profile=True)
    np.testing.assert_array_equal(columns["profile_views_per_photo"], [2.5, np.nan])


def test_account_age_is_at_posting_time():
    posts = make_posts(
        posted_at=[datetime(2016, 1, 11, tzinfo=UTC)],
        first_upload_at=[datetime(2016, 1, 1, tzinfo=UTC)],
    )
    _, columns = encode(posts, user=True)
    assert columns["user_days_since_first_upload"].tolist() == [10]


def test_descriptions_are_joined_by_id():
    descriptions = pa.table(
        {
            "post_id": ["2", "0"],
            "user_description": [[2.0] * 399, [1.0] * 399],
            "location_description": [None, [5.0] * 400],
        },
        schema=DESCRIPTIONS,
    )
    _, columns = encode(make_posts(title=["a", "b", "c"]), descriptions, description=True)
    np.testing.assert_array_equal(columns["user_description_398"], [1, np.nan, 2])
    np.testing.assert_array_equal(columns["location_description_000"], [5, np.nan, np.nan])


@pytest.mark.parametrize("group", ["post", "time", "geo", "user", "profile"])
def test_a_group_that_is_off_leaves_no_column(group):
    posts = make_posts(title=["a"])
    _, on = encode(posts, **{group: True})
    _, off = encode(posts)
    assert list(off) == list(meta.CATEGORIES)
    prefixes = {name.split("_")[0] for name in on if name not in meta.CATEGORIES}
    assert prefixes == {group}


def test_own_numbers_keep_their_names():
    _, columns = encode(make_posts(title=["a", "b"], own_price=[1.5, None]), own=True)
    np.testing.assert_array_equal(columns["own_price"], [1.5, np.nan])


def test_times_mean_the_same_after_a_file(tmp_path):
    """Parquet gives timestamps back in milliseconds."""
    posts = make_posts(
        posted_at=[1_460_656_322, 1_460_700_000], first_upload_at=[1_460_656_322 - 86_400, 0]
    )
    files.write_table(tmp_path / "posts.parquet", posts)
    read = files.read_table(tmp_path / "posts.parquet")
    block = encoding.encode(meta.Meta(MetaParams(**ALL_ON)), read)
    values = dict(zip((column.name for column in block.columns), block.values.T, strict=True))
    assert values["time_hour"].tolist() == [17, 6]
    assert values["user_days_since_first_upload"][0] == 1


def test_own_categories_are_categories_beside_the_three():
    colours = pa.array(["red", None, "blue"], pa.string())
    posts = make_posts(own_price=[1.0, 2.0, 3.0]).append_column("category_colour", colours)
    block, columns = encode(posts, own=True)
    assert [c.name for c in block.columns if c.categorical][3:] == ["category_colour"]
    assert columns["category_colour"].tolist() == [3, meta.MISSING_ID, 2]
    assert block.notes["vocabularies"]["category_colour"] == ["blue", "red"]
