"""Slow time: the day of posting, and how long the author has been known."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.times import to_whole_seconds
from fame.runtime import arrays

SECONDS_PER_DAY = 86_400


def find_span(posts: pa.Table) -> float:
    """Days between the first and the last of the posts, 0 where none has a time."""
    ends = pc.min_max(to_whole_seconds(posts["posted_at"])).as_py()
    return ((ends["max"] or 0) - (ends["min"] or 0)) / SECONDS_PER_DAY


def find_first_posts(posts: pa.Table) -> pa.Table:
    """user_id and first_seconds (epoch) of the training posts ``posts``, sorted by user_id."""
    known = pa.table(
        {"user_id": posts["user_id"], "seconds": to_whole_seconds(posts["posted_at"])}
    ).drop_null()
    first = known.group_by("user_id", use_threads=False).aggregate([("seconds", "min")])
    columns = {"user_id": first["user_id"], "first_seconds": first["seconds_min"]}
    return pa.table(columns).sort_by("user_id")


def describe_trend(posts: pa.Table, first_posts: pa.Table) -> dict[str, np.ndarray]:
    """Columns (n,): epoch days, and days since the author's first training post.

    The second is NaN where no training post of the author is earlier: it must not tell of posts
    that are not written yet. So it is for a post whose author is hidden.
    """
    seconds = arrays.to_numbers(to_whole_seconds(posts["posted_at"]))
    authors = first_posts["user_id"].combine_chunks()
    place = pc.index_in(posts["user_id"], value_set=authors)
    first = arrays.to_numbers(first_posts["first_seconds"].take(place))
    hidden = arrays.to_numbers(posts["author_hidden"]) > 0
    since = np.where((first < seconds) & ~hidden, seconds - first, np.nan)
    return {
        "trend_days": seconds / SECONDS_PER_DAY,
        "trend_days_since_first_post": since / SECONDS_PER_DAY,
    }
