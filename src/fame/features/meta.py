"""Metadata -> numbers: categories as ids, numeric groups, one readable name a column."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.contract import Block, Column
from fame.params import MetaParams
from fame.posts.contract import CATEGORY_PREFIX, FIT, OWN_NUMBER_PREFIX
from fame.runtime import ids

CATEGORIES = ("category", "subcategory", "concept")
# Ids of a categorical column: what the fit rows never show must not look like one of their values.
MISSING_ID, UNSEEN_ID, FIRST_ID = 0, 1, 2

SECONDS_PER_DAY = 86_400


def encode(posts: pa.Table, descriptions: pa.Table, params: MetaParams) -> Block:
    """The block ``meta`` (FAME, section 1: X_cate and X_num).

    Args:
        posts: POSTS, n rows.
        descriptions: DESCRIPTIONS, any rows of the posts; read only if the group is on.
        params: which numeric groups are on.

    Returns:
        (n, 3 + d) float32, own categories behind the three; vocabularies from the fit rows only,
        kept in the notes. A numeric value that is not known is NaN.
    """
    fit = posts["split"].to_numpy() == FIT
    columns: dict[str, np.ndarray] = {}
    vocabularies: dict[str, list[str]] = {}
    own = [name for name in posts.column_names if name.startswith(CATEGORY_PREFIX)]
    categories = (*CATEGORIES, *own)
    for name in categories:
        columns[name], vocabularies[name] = _encode_category(posts[name], fit)
    for group, compute in GROUPS.items():
        if getattr(params, group):
            columns |= compute(posts)
    if params.description:
        columns |= _describe(posts["post_id"], descriptions)
    post_ids = np.asarray(posts["post_id"].to_pylist(), dtype=object)
    return Block(
        post_ids=post_ids,
        values=np.column_stack(list(columns.values())).astype(np.float32),
        columns=tuple(Column(name, name in categories) for name in columns),
        fitted_on=ids.digest(post_ids[fit]),
        notes={"vocabularies": vocabularies},
    )


def _encode_category(values: pa.ChunkedArray, fit: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Ids (n,) and the vocabulary, sorted: its value at position i has id FIRST_ID + i."""
    known = pc.unique(values.filter(pa.array(fit)).drop_null())
    vocabulary = sorted(known.to_pylist())
    position = pc.index_in(values, value_set=pa.array(vocabulary, pa.string()))
    encoded = pc.fill_null(pc.add(position, FIRST_ID), UNSEEN_ID)
    return pc.if_else(pc.is_null(values), MISSING_ID, encoded).to_numpy(), vocabulary


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, null as NaN."""
    return pc.cast(values, pa.float64()).to_numpy()


def _whole_seconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Epoch seconds, null where unknown. Parquet keeps no seconds: it gives back milliseconds."""
    return pc.cast(pc.cast(times, pa.timestamp("s", tz="UTC")), pa.int64())


def _seconds(times: pa.ChunkedArray) -> np.ndarray:
    return _numbers(_whole_seconds(times))


def _post_group(posts: pa.Table) -> dict[str, np.ndarray]:
    title, tags = posts["title"], posts["tags"]
    tag_count = _numbers(pc.list_value_length(tags))
    tag_characters = _numbers(pc.utf8_length(pc.binary_join(tags, "")))
    return {
        "post_title_characters": _numbers(pc.utf8_length(title)),
        "post_title_words": _numbers(pc.list_value_length(pc.utf8_split_whitespace(title))),
        "post_tag_count": tag_count,
        "post_tag_characters": tag_characters,
        "post_tag_mean_characters": _ratio(tag_characters, tag_count),
        "post_is_video": _numbers(pc.equal(posts["media_type"], "video")),
    }


def _time_group(posts: pa.Table) -> dict[str, np.ndarray]:
    """Clock and calendar at the poster's place; UTC where the time zone is not known."""
    offset = pc.fill_null(pc.cast(posts["utc_offset_minutes"], pa.float64()), 0)
    seconds = pc.add(
        _whole_seconds(posts["posted_at"]), pc.cast(pc.round(pc.multiply(offset, 60)), pa.int64())
    )
    local = pc.cast(seconds, pa.timestamp("s"))
    return {
        "time_hour": _numbers(pc.hour(local)),
        "time_weekday": _numbers(pc.day_of_week(local)),
        "time_week": _numbers(pc.iso_week(local)),
    }


def _geo_group(posts: pa.Table) -> dict[str, np.ndarray]:
    return {
        "geo_longitude": _numbers(posts["longitude"]),
        "geo_latitude": _numbers(posts["latitude"]),
        "geo_accuracy": _numbers(posts["geo_accuracy"]),
    }


def _user_group(posts: pa.Table) -> dict[str, np.ndarray]:
    posted = _seconds(posts["posted_at"])
    return {
        "user_photo_count": _numbers(posts["photo_count"]),
        "user_is_pro": _numbers(posts["is_pro"]),
        "user_can_buy_pro": _numbers(posts["can_buy_pro"]),
        "user_days_since_first_upload": (posted - _seconds(posts["first_upload_at"]))
        / SECONDS_PER_DAY,
        "user_days_since_first_taken": (posted - _seconds(posts["first_taken_at"]))
        / SECONDS_PER_DAY,
    }


def _profile_group(posts: pa.Table) -> dict[str, np.ndarray]:
    """Totals of the user's profile, crawled after the labels: they hold the post's own views."""
    photos = _numbers(posts["profile_photo_count"])
    totals = ("total_views", "total_tags", "total_geotagged", "total_faves", "total_in_group")
    columns = {f"profile_{name}": _numbers(posts[f"profile_{name}"]) for name in totals}
    columns |= {
        f"profile_{name.removeprefix('total_')}_per_photo": _ratio(
            columns[f"profile_{name}"], photos
        )
        for name in totals
    }
    return columns | {
        "profile_photo_count": photos,
        "profile_followers": _numbers(posts["profile_followers"]),
        "profile_following": _numbers(posts["profile_following"]),
    }


def _own_group(posts: pa.Table) -> dict[str, np.ndarray]:
    own = [name for name in posts.column_names if name.startswith(OWN_NUMBER_PREFIX)]
    return {name: _numbers(posts[name]) for name in own}


def _describe(post_ids: pa.ChunkedArray, descriptions: pa.Table) -> dict[str, np.ndarray]:
    row = pc.index_in(post_ids, value_set=descriptions["post_id"]).to_numpy()
    known = ~np.isnan(row)
    columns: dict[str, np.ndarray] = {}
    for name in ("user_description", "location_description"):
        width = descriptions.schema.field(name).type.list_size
        matrix = np.full((len(post_ids), width), np.nan, dtype=np.float32)
        matrix[known] = _matrix(descriptions[name], width)[row[known].astype(np.int64)]
        columns |= {f"{name}_{i:03d}": matrix[:, i] for i in range(width)}
    return columns


def _matrix(values: pa.ChunkedArray, width: int) -> np.ndarray:
    """(m, width) float32 of a column of fixed-size lists; a null list is a row of NaN."""
    matrix = np.full((len(values), width), np.nan, dtype=np.float32)
    valid = pc.is_valid(values).to_numpy()
    flat = pc.list_flatten(values).to_numpy()
    matrix[valid] = flat.reshape(-1, width)
    return matrix


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Their quotient; NaN where the denominator is 0."""
    return numerator / np.where(denominator == 0, np.nan, denominator)


GROUPS: dict[str, Callable[[pa.Table], dict[str, np.ndarray]]] = {
    "post": _post_group,
    "time": _time_group,
    "geo": _geo_group,
    "user": _user_group,
    "profile": _profile_group,
    "own": _own_group,
}
