"""The past of a post's words: how other authors' earlier training posts with them did.

A post's words are those of its title and tags of three characters and more, in lower case, a # or @
before them included, each once. For a post of author a at time t and a word w, let y_1 ... y_n be
the labels of the training posts with w of other authors and of a time < t, and p the mean label of
all training posts. The word's level is

    (y_1 - p + ... + y_n - p) / (n + k),   k = `prior_posts`

and counts where n is at least `least_posts`. Of the post's words that count:

    mean        mean of their levels
    weighted    mean of their levels with weights 1 / sqrt(n): rare words tell more of a post

Both are missing where no word counts. The author's own posts are left out, since `history` has
them, and a model would know known authors by their favourite words.
"""

import math
import re
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block, Column
from fame.features.encoders.contract import Encoder
from fame.features.encoders.past import find_earlier
from fame.features.encoders.texts import CHUNK_POSTS, join_texts
from fame.features.times import to_whole_seconds
from fame.params import BackboneParams, Count, NonNegative
from fame.posts.contract import NO_TEXT, OK, POSTS
from fame.runtime import arrays, files, ids

COLUMNS = ("mean", "weighted")
PAST_COLUMNS = ("post_id", "user_id", "posted_at", "popularity", "title", "tags")
PAST, PRIOR = "past.parquet", "prior.json"
WORD = re.compile(r"[#@]?\w{3,}")
# Labels are added as whole multiples of a step: sums are exact, whatever else was added to them.
# It is this, or as much larger as large labels need.
LEAST_STEP = 2.0**-30
LARGEST_SUM = 2.0**62  # in steps


class _Known(NamedTuple):
    """What is known of some groups, such as words: labelled posts by group and time.

    Attributes:
        group, seconds: (p,) int64, ascending; seconds within a group.
        total: (p + 1,) int64, running sum of the labels less the mean, in steps.
    """

    group: np.ndarray
    seconds: np.ndarray
    total: np.ndarray

    @classmethod
    def sort(cls, group: np.ndarray, seconds: np.ndarray, gain: np.ndarray) -> "_Known":
        order = np.lexsort((seconds, group))
        return cls(group[order], seconds[order], np.concatenate([[0], np.cumsum(gain[order])]))

    def find(self, group: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) int64 each: the sum and the number of a group's labels of a strictly earlier time.

        ``group`` is -1 for one that nothing is known of.
        """
        end, count = find_earlier(self.group, self.seconds, group, seconds)
        return np.where(count > 0, self.total[end] - self.total[end - count], 0), count


class WordHistory(Encoder):
    """The columns above, float32. A label of the same or a later time never enters."""

    class Params(BackboneParams):
        """What the head of this file says."""

        kind: Literal["word_history"]
        least_posts: Count
        prior_posts: NonNegative

    reads: ClassVar[str] = "posts"

    def __init__(self, params: Params, runtime: Any) -> None:  # noqa: ARG002
        self._params = params
        self._remember(POSTS.empty_table().select(PAST_COLUMNS), 0.0)

    def fit(self, posts: pa.Table) -> None:
        """Remember the training posts' words, authors, times and labels."""
        labels = posts["popularity"].drop_null().to_pylist()
        known = posts.select(PAST_COLUMNS)
        for name in ("posted_at", "popularity"):
            known = known.filter(pc.is_valid(known[name]))
        order = ids.order(known["post_id"].to_pylist())
        # Exact, so that no order of the posts changes it.
        prior = math.fsum(labels) / len(labels) if labels else 0.0
        self._remember(known.take(pa.array(order)), prior)

    def transform(self, posts: pa.Table) -> Block:
        """(n, 2) float32."""
        parts = [
            self._describe(posts.slice(start, CHUNK_POSTS))
            for start in range(0, len(posts), CHUNK_POSTS)
        ]
        status = [OK if text.strip() else NO_TEXT for text in join_texts(posts)]
        return Block(
            post_ids=arrays.to_strings(posts["post_id"]),
            values=np.concatenate([np.empty((0, len(COLUMNS)), np.float32), *parts]),
            columns=tuple(Column(name) for name in COLUMNS),
            status={"text": np.array(status, dtype=object)},
            notes={"posts": len(self._table), "words": len(self._words), "prior": self._prior},
        )

    def save(self, folder: Path) -> None:
        """The labelled posts (PAST_COLUMNS), by id, and the mean label."""
        files.write_table(folder / PAST, self._table)
        files.write_json(folder / PRIOR, {"prior": self._prior})

    def load(self, folder: Path) -> None:
        """What ``save`` wrote."""
        prior = files.read_json(folder / PRIOR)["prior"]
        self._remember(files.read_table(folder / PAST), prior)

    def _remember(self, table: pa.Table, prior: float) -> None:
        """Sort the labelled posts ``table`` (PAST_COLUMNS) by word and time, and by author too."""
        # Parquet keeps no seconds.
        schema = pa.schema([POSTS.field(name) for name in PAST_COLUMNS])
        self._table, self._prior = table.cast(schema).combine_chunks(), prior
        place: dict[str, int] = {}
        row, word = _list_words(table, place, grows=True)
        often = np.bincount(word, minlength=len(place)) >= self._params.least_posts
        names = np.array(list(place), dtype=object)
        self._words = {name: i for i, name in enumerate(sorted(names[often].tolist()))}
        number = np.array([self._words.get(name, -1) for name in place], np.int64)[word]
        row, number = row[number >= 0], number[number >= 0]
        authors = sorted(pc.unique(table["user_id"].drop_null()).to_pylist())
        self._authors = pa.array(authors, pa.string())
        seconds = to_whole_seconds(table["posted_at"]).to_numpy()[row]
        gains = table["popularity"].to_numpy() - prior
        largest = max(
            1.0, float(np.abs(gains).max(initial=0)) * len(row) / LARGEST_SUM / LEAST_STEP
        )
        self._step = LEAST_STEP * 2.0 ** math.ceil(math.log2(largest))
        gain = np.rint(gains / self._step).astype(np.int64)[row]
        self._by_word = _Known.sort(number, seconds, gain)
        author = self._find_authors(table)[row]
        own = author >= 0
        pairs = number[own] * (len(authors) + 1) + author[own]
        self._pairs, pair = np.unique(pairs, return_inverse=True)
        self._by_pair = _Known.sort(pair.astype(np.int64), seconds[own], gain[own])

    def _find_authors(self, posts: pa.Table) -> np.ndarray:
        """(n,) int64 numbers of the posts' authors, -1 where none is known."""
        found = pc.index_in(posts["user_id"], value_set=self._authors, skip_nulls=True)
        return pc.fill_null(found, -1).to_numpy().astype(np.int64)

    def _describe(self, posts: pa.Table) -> np.ndarray:
        """(n, 2) float32 of some posts."""
        values = np.full((len(posts), len(COLUMNS)), np.nan, np.float32)
        moment = to_whole_seconds(posts["posted_at"])
        row, word = _list_words(posts, self._words, grows=False)
        timed = pc.is_valid(moment).to_numpy()[row]
        row, word = row[timed], word[timed]
        # A post's words in the order of their numbers: its sums are the same whatever is beside it.
        order = np.lexsort((word, row))
        row, word = row[order], word[order]
        seconds = pc.fill_null(moment, 0).to_numpy()[row]
        author = self._find_authors(posts)[row]
        total, count = self._by_word.find(word, seconds)
        pairs = word * (len(self._authors) + 1) + author
        place = np.searchsorted(self._pairs, pairs)
        same = np.append(self._pairs, -1)[place] == pairs
        own, own_count = self._by_pair.find(np.where(same & (author >= 0), place, -1), seconds)
        total, count = total - own, count - own_count
        counts = count >= self._params.least_posts
        row, count = row[counts], count[counts]
        level = total[counts] * self._step / (count + self._params.prior_posts)
        for column, weight in enumerate((np.ones(len(count)), 1 / np.sqrt(count))):
            weights = np.bincount(row, weight, len(posts))
            some = weights > 0
            sums = np.bincount(row, weight * level, len(posts))
            values[some, column] = sums[some] / weights[some]
        return values


def _list_words(posts: pa.Table, place: dict[str, int], *, grows: bool) -> tuple[Any, Any]:
    """(m,) int64 rows and numbers of the words of all posts, each word of a post once.

    A word's number is its place; one without a place is left out, or gets the next (``grows``).
    """
    rows, words = [], []
    for row, text in enumerate(join_texts(posts)):
        for word in dict.fromkeys(WORD.findall(text)):
            number = place.setdefault(word, len(place)) if grows else place.get(word, -1)
            if number >= 0:
                rows.append(row)
                words.append(number)
    return np.array(rows, np.int64), np.array(words, np.int64)
