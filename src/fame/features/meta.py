"""Metadata -> numbers: categories as ids, numeric groups, one readable name a column."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.ratios import compare, find_heavy_tailed
from fame.features.text_flags import describe_texts
from fame.features.times import to_whole_seconds
from fame.features.trend import describe_trend, find_first_posts, find_span
from fame.params import MetaParams
from fame.posts.contract import CATEGORY_PREFIX, OWN_NUMBER_PREFIX
from fame.runtime import arrays, files

CATEGORIES = ("category", "subcategory", "concept")
# Ids of a categorical column: what the training posts never show must not look like their values.
MISSING_ID, UNSEEN_ID, FIRST_ID = 0, 1, 2

SECONDS_PER_DAY = 86_400
VOCABULARIES, COMPARED, FIRST_POSTS = "vocabularies.json", "compared.json", "first_posts.parquet"
AUTHOR = "author"  # a column of its own where `meta.author` is on
# Beside the user's own numbers, what `meta.ratios` may compare; a share or an age is no count.
PROFILE_TOTALS = ("total_views", "total_tags", "total_geotagged", "total_faves", "total_in_group")
COUNTS = {
    "user_photo_count",
    *(f"profile_{name}" for name in (*PROFILE_TOTALS, "photo_count", "followers", "following")),
}


class Meta(Encoder):
    """The block ``meta`` (FAME, section 1: X_cate and X_num).

    (n, 3 + d) float32, own categories behind the three. What is fitted is of the training posts:
    the vocabularies, which numbers are compared, when an author is first seen. A numeric value
    that is not known is NaN.
    """

    Params = MetaParams

    def __init__(
        self,
        params: MetaParams,
        runtime: Any = None,  # noqa: ARG002
        descriptions: pa.Table | None = None,
    ) -> None:
        """Which groups are on; ``descriptions`` (DESCRIPTIONS) of any rows of the posts."""
        self._params = params
        self._descriptions = descriptions
        self._vocabularies: dict[str, list[str]] = {}
        self._compared: list[str] = []
        self._first_posts: pa.Table | None = None

    def fit(self, posts: pa.Table) -> None:
        """Sort the values of each category: the one at position i has id FIRST_ID + i."""
        for name in _list_categories(posts):
            known = pc.unique(posts[name].drop_null())
            self._vocabularies[name] = sorted(known.to_pylist())
        if self._params.author:
            self._vocabularies[AUTHOR] = _find_authors(posts, self._params.author_min_posts)
        if self._params.ratios:
            self._compared = find_heavy_tailed(self._read_counts(posts), self._params.heavy_tailed)
        if self._params.trend and find_span(posts) >= self._params.trend_min_days:
            self._first_posts = find_first_posts(posts)

    def transform(self, posts: pa.Table) -> Block:
        """Categories and the groups that are on, one column each."""
        own = sorted(self._vocabularies.keys() - {*CATEGORIES, AUTHOR})  # a file keeps no order
        categories = [*CATEGORIES, *own]
        columns = {
            name: _encode_category(posts[name], self._vocabularies[name]) for name in categories
        }
        for group, compute in GROUPS.items():
            if getattr(self._params, group):
                columns |= compute(posts)
        if self._params.description and self._descriptions is not None:
            columns |= _describe(posts["post_id"], self._descriptions)
        vocabularies = {name: self._vocabularies[name] for name in categories}
        notes: dict[str, Any] = {"vocabularies": vocabularies}
        if self._params.ratios:
            columns |= compare(self._read_counts(posts), self._compared, len(posts))
            notes["compared"] = self._compared
        if self._first_posts is not None:
            columns |= describe_trend(posts, self._first_posts)
        if self._params.author:
            columns[AUTHOR] = self._encode_authors(posts)
            notes["authors"] = len(self._vocabularies[AUTHOR])
        return Block(
            post_ids=arrays.to_strings(posts["post_id"]),
            values=np.column_stack(list(columns.values())).astype(np.float32),
            columns=tuple(Column(name, name in (*categories, AUTHOR)) for name in columns),
            notes=notes,
        )

    def save(self, folder: Path) -> None:
        """The vocabularies, and what the groups that are on need."""
        files.write_json(folder / VOCABULARIES, self._vocabularies)
        if self._params.ratios:
            files.write_json(folder / COMPARED, self._compared)
        if self._first_posts is not None:
            files.write_table(folder / FIRST_POSTS, self._first_posts)

    def load(self, folder: Path) -> None:
        """What ``save`` wrote."""
        self._vocabularies = files.read_json(folder / VOCABULARIES)
        if self._params.ratios:
            self._compared = files.read_json(folder / COMPARED)
        if (folder / FIRST_POSTS).exists():
            self._first_posts = files.read_table(folder / FIRST_POSTS)

    def _encode_authors(self, posts: pa.Table) -> np.ndarray:
        """(n,) ids; a hidden post's author is as good as new, in its past and here."""
        ids = _encode_category(posts["user_id"], self._vocabularies[AUTHOR])
        hidden = arrays.to_numbers(posts["author_hidden"]) > 0
        return np.where(hidden & (ids != MISSING_ID), UNSEEN_ID, ids)

    def _read_counts(self, posts: pa.Table) -> dict[str, np.ndarray]:
        """The numbers that may be compared: name -> (n,) float64."""
        groups = [name for name in ("own", "user", "profile") if getattr(self._params, name)]
        columns: dict[str, np.ndarray] = {}
        for group in groups:
            columns |= GROUPS[group](posts)
        return {
            name: column
            for name, column in columns.items()
            if name.startswith(OWN_NUMBER_PREFIX) or name in COUNTS
        }


def _list_categories(posts: pa.Table) -> list[str]:
    """The three of the schema, and the user's own behind them."""
    own = [name for name in posts.column_names if name.startswith(CATEGORY_PREFIX)]
    return [*CATEGORIES, *own]


def _find_authors(posts: pa.Table, min_posts: int) -> list[str]:
    """The authors of at least so many posts, sorted."""
    found = Counter(author for author in posts["user_id"].to_pylist() if author is not None)
    return sorted(author for author, count in found.items() if count >= min_posts)


def _encode_category(values: pa.ChunkedArray, vocabulary: list[str]) -> np.ndarray:
    """(n,) ids."""
    position = pc.index_in(values, value_set=pa.array(vocabulary, pa.string()))
    encoded = pc.fill_null(pc.add(position, FIRST_ID), UNSEEN_ID)
    return pc.if_else(pc.is_null(values), MISSING_ID, encoded).to_numpy()


def _numbers(values: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, null as NaN."""
    return pc.cast(values, pa.float64()).to_numpy()


def _seconds(times: pa.ChunkedArray) -> np.ndarray:
    return _numbers(to_whole_seconds(times))


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
        to_whole_seconds(posts["posted_at"]), pc.cast(pc.round(pc.multiply(offset, 60)), pa.int64())
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
    columns = {f"profile_{name}": _numbers(posts[f"profile_{name}"]) for name in PROFILE_TOTALS}
    columns |= {
        f"profile_{name.removeprefix('total_')}_per_photo": _ratio(
            columns[f"profile_{name}"], photos
        )
        for name in PROFILE_TOTALS
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
    "text": describe_texts,
}
