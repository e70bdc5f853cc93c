"""The author's past: the labels of the author's training posts of a strictly earlier time.

For a post at time t, y_1 ... y_n are the labels of its author's labelled posts with a time < t, in
the order of their times (posts of one time in the order of their ids), and p is the mean label of
all training posts:

    count            n
    mean             (y_1 + ... + y_n) / n
    last             y_n
    recent_mean      mean of the last `recent_posts`, or of all where there are fewer
    std              standard deviation of y_1 ... y_n (divided by n); from two posts on
    days_since_last  t - time of y_n
    shrunk           (y_1 + ... + y_n + k p) / (n + k), k = `prior_posts`
    weighted         mean with weights 2^(-(n - i) / `half_life_posts`) for y_i
    slope            sum x_j y_j / (sum x_j^2 + `trend_ridge`) over the last m <= `trend_posts`
                     labels, x_j = j - (m + 1) / 2: a post's step of their line, pulled towards 0

Without a past count is 0, shrunk is p, and all others are missing. So is it for the training posts
whose author is hidden (`split.hidden_share`), or a learner would know authors without a past only
from their very first posts.
"""

import math
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.encoders.past import SECONDS_PER_DAY, Past
from fame.features.times import to_whole_seconds
from fame.params import BackboneParams, Count, NonNegative, Positive
from fame.posts.contract import POSTS
from fame.runtime import arrays, files, ids

COLUMNS = (
    *("count", "mean", "last", "recent_mean", "std"),
    *("days_since_last", "shrunk", "weighted", "slope"),
)
PAST_COLUMNS = ("post_id", "user_id", "posted_at", "popularity")
PAST, PRIOR = "past.parquet", "prior.json"


class History(Encoder):
    """The columns above, float32.

    A training post is given the training view: hidden where its author is, and never its own label,
    as that is not earlier. Any other post is given all that is known and strictly earlier.
    """

    class Params(BackboneParams):
        """What the head of this file says."""

        kind: Literal["history"]
        recent_posts: Count
        prior_posts: NonNegative
        half_life_posts: Positive
        trend_posts: Count
        trend_ridge: Positive

    reads: ClassVar[str] = "posts"

    def __init__(self, params: Params, runtime: Any) -> None:  # noqa: ARG002
        self._params = params
        self._prior = 0.0
        self._remember(POSTS.empty_table().select(PAST_COLUMNS))

    def fit(self, posts: pa.Table) -> None:
        """Remember the training posts' authors, times and labels."""
        labels = posts["popularity"].drop_null().to_pylist()
        # Exact, so that no order of the posts changes it.
        self._prior = math.fsum(labels) / len(labels) if labels else 0.0
        self._remember(POSTS.empty_table().select(PAST_COLUMNS))
        self.extend(posts)

    def extend(self, posts: pa.Table) -> None:
        """Remember labelled ``posts`` (POSTS) too, such as newer ones; one of a known id anew.

        Those without an author, a time or a label are no one's past. The mean label stays that of
        the training posts, which the learners have seen.
        """
        more = posts.select(PAST_COLUMNS)
        for name in ("user_id", "posted_at", "popularity"):
            more = more.filter(pc.is_valid(more[name]))
        replaced = pc.is_in(self._table["post_id"], value_set=more["post_id"].combine_chunks())
        seconds = pc.cast(to_whole_seconds(more["posted_at"]), pa.timestamp("s", tz="UTC"))
        more = more.set_column(2, POSTS.field("posted_at"), seconds).cast(self._table.schema)
        self._remember(pa.concat_tables([self._table.filter(pc.invert(replaced)), more]))

    def transform(self, posts: pa.Table) -> Block:
        """(n, 9) float32."""
        seconds = to_whole_seconds(posts["posted_at"])
        author = pc.index_in(posts["user_id"], value_set=self._authors)
        known = pc.and_(pc.is_valid(author), pc.is_valid(seconds)).to_numpy()
        known &= arrays.to_numbers(posts["author_hidden"]) == 0
        columns = self._describe(
            np.where(known, pc.fill_null(author, -1).to_numpy(), -1).astype(np.int64),
            pc.fill_null(seconds, 0).to_numpy(),
        )
        return Block(
            post_ids=arrays.to_strings(posts["post_id"]),
            values=np.column_stack([columns[name] for name in COLUMNS]).astype(np.float32),
            columns=tuple(Column(name) for name in COLUMNS),
            notes={"posts": len(self._table), "authors": len(self._authors), "prior": self._prior},
        )

    def save(self, folder: Path) -> None:
        """The labelled posts (PAST_COLUMNS), by author and time, and the mean label."""
        files.write_table(folder / PAST, self._table)
        files.write_json(folder / PRIOR, {"prior": self._prior})

    def load(self, folder: Path) -> None:
        """What ``save`` wrote."""
        self._prior = files.read_json(folder / PRIOR)["prior"]
        # Parquet keeps no seconds.
        self._remember(files.read_table(folder / PAST).cast(self._table.schema))

    def _remember(self, table: pa.Table) -> None:
        """Sort the labelled posts ``table`` (PAST_COLUMNS, nothing null) by author and time."""
        authors = pa.array(sorted(pc.unique(table["user_id"]).to_pylist()), pa.string())
        author = pc.index_in(table["user_id"], value_set=authors).to_numpy().astype(np.int64)
        seconds = to_whole_seconds(table["posted_at"]).to_numpy()
        rank = np.empty(len(table), np.int64)
        rank[ids.order(table["post_id"].to_pylist())] = np.arange(len(table))
        order = np.lexsort((rank, seconds, author))
        self._table, self._authors = table.take(pa.array(order)), authors
        label = self._table["popularity"].to_numpy()
        self._past = Past(author[order], seconds[order], label, self._params.half_life_posts)

    def _describe(self, author: np.ndarray, seconds: np.ndarray) -> dict[str, np.ndarray]:
        """Column -> (n,) float64 for authors (n,), -1 without a past, at times (n,)."""
        end, count = self._past.find(author, seconds)
        some, last = count > 0, np.maximum(end - 1, 0)
        nothing = np.full(len(author), np.nan)

        def take(values: np.ndarray, rows: np.ndarray = some) -> np.ndarray:
            taken = nothing.copy()
            taken[rows] = values[last[rows]]
            return taken

        running = self._past.running
        mean, prior_posts = take(running["mean"]), self._params.prior_posts
        total = np.where(some, count * mean, 0) + prior_posts * self._prior
        return {
            "count": count,
            "mean": mean,
            "last": take(self._past.label),
            "recent_mean": self._find_recent_mean(end, count),
            "std": np.sqrt(take(running["variance"], count > 1)),
            "days_since_last": (seconds - take(self._past.seconds)) / SECONDS_PER_DAY,
            "shrunk": np.where(some, total / np.maximum(count + prior_posts, 1), self._prior),
            "weighted": take(running["weighted"]),
            "slope": self._find_slope(end, count),
        }

    def _find_recent_mean(self, end: np.ndarray, count: np.ndarray) -> np.ndarray:
        recent = self._params.recent_posts
        total = sum(self._past.read_back(end, count, recent))
        return np.where(count > 0, total / np.clip(count, 1, recent), np.nan)

    def _find_slope(self, end: np.ndarray, count: np.ndarray) -> np.ndarray:
        posts = self._params.trend_posts
        used = np.minimum(count, posts)
        labels = self._past.read_back(end, count, posts)
        total = sum(((used - 1) / 2 - back) * label for back, label in enumerate(labels))
        squares = (
            used * (used.astype(np.float64) ** 2 - 1) / 12
        )  # of the places around their middle
        return np.where(count > 0, total / (squares + self._params.trend_ridge), np.nan)
