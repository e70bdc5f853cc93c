"""Confidence intervals of SRC and MAE: authors, not posts, are drawn with replacement.

Posts of an author resemble each other; drawing posts would make the intervals too narrow. Of a few
authors, what is drawn are their weeks, since every resample of one author is the holdout itself:
see `number_drawn`, whose name of the unit stands wherever an interval is shown. A
resample is a number of times that each author, hence each row, is in it. Its ranks follow from
orders that are sorted once: no resample sorts anything.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features.times import to_whole_seconds
from fame.fusion.scores import score
from fame.posts.splits import number_users
from fame.runtime import arrays

METRICS = ("src", "mae")
THREADS = 2
LEAST = 20  # authors, weeks or days, or the next smaller are drawn
DAY = 86400  # seconds


@dataclass(frozen=True)
class _Order:
    """Rows in ascending order of some values.

    Attributes:
        rows: (n,) int64.
        start: (t,) places where a run of equal values starts.
        group: (n,) the run of each place.
    """

    rows: np.ndarray
    start: np.ndarray
    group: np.ndarray


def number_drawn(posts: pa.Table) -> tuple[np.ndarray, str]:
    """What is drawn together, and its name: the largest of which there are ``LEAST``.

    Args:
        posts: n held-out posts with user_id and posted_at.

    Returns:
        (n,) int64, as `resample_scores` takes them; "authors", "weeks of an author", "days of an
        author" or "posts", each of which a post without a time is one of its own. "posts" too where
        none has an author.
    """
    if posts["user_id"].null_count == len(posts):
        return np.arange(len(posts)), "posts"
    authors = number_users(arrays.to_strings(posts["user_id"]).tolist())
    if authors.max(initial=-1) + 1 >= LEAST:
        return authors, "authors"
    seconds = to_whole_seconds(posts["posted_at"]).to_pylist()
    lengths = {"weeks of an author": 7 * DAY, "days of an author": DAY} if any(seconds) else {}
    for name, length in lengths.items():
        keys = [
            None if second is None else f"{author} {second // length}"
            for author, second in zip(authors, seconds, strict=True)
        ]
        found = number_users(keys)
        if found.max(initial=-1) + 1 >= LEAST:
            return found, name
    return np.arange(len(posts)), "posts"


def resample_scores(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    users: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, np.ndarray]]:
    """SRC and MAE in each resample; the same resamples for every prediction.

    Args:
        true: (n,) labels.
        predictions: name -> (n,) predictions.
        users: (n,) int64 numbers of the rows' users, 0 ... users - 1.
        resamples: how many; resample r is drawn by a generator seeded with [seed, r], so that it
            is the same however many there are and in whichever thread.

    Returns:
        Name -> {src, mae} -> (resamples,).
    """
    # In ascending order of the labels, so that their ranks need no reordering.
    ascending = np.argsort(true, kind="stable")
    true, users = true[ascending], users[ascending]
    labels = _sort(true)
    names = list(predictions)
    orders = [_sort(predictions[name][ascending]) for name in names]
    posts = np.bincount(users)
    errors = np.column_stack(
        [
            np.bincount(users, np.abs(true - predictions[name][ascending]), len(posts))
            for name in names
        ]
    )

    def draw(numbers: np.ndarray) -> np.ndarray:
        # In one place for all resamples: fresh memory would cost more than the arithmetic.
        weights, weighted, first, second = np.empty((4, len(true)))
        scores = np.empty((len(numbers), len(METRICS), len(names)))
        for place, number in enumerate(numbers):
            drawn = np.random.default_rng([seed, number]).integers(len(posts), size=len(posts))
            times = np.bincount(drawn, minlength=len(posts)).astype(np.float64)
            total = _dot(times, posts)
            np.take(times, users, out=weights, mode="clip")
            sizes = np.add.reduceat(weights, labels.start)
            ranks = np.cumsum(sizes) - sizes / 2 - total / 2
            np.take(ranks, labels.group, out=weighted, mode="clip")
            weighted *= weights
            spread = _square_ranks(sizes, total)
            for column, order in enumerate(orders):
                np.take(weights, order.rows, out=first, mode="clip")
                np.take(weighted, order.rows, out=second, mode="clip")
                product, own_spread = _correlate(first, second, total, order)
                scale = np.sqrt(spread * own_spread)
                scores[place, 0, column] = product / scale if scale else 0.0
            scores[place, 1] = np.einsum("u,um->m", times, errors) / total
        return scores

    with ThreadPoolExecutor(THREADS) as pool:
        parts = np.array_split(np.arange(resamples), THREADS)
        scores = np.concatenate(list(pool.map(draw, parts)))
    return {
        name: {metric: scores[:, i, j] for i, metric in enumerate(METRICS)}
        for j, name in enumerate(names)
    }


def interval(samples: np.ndarray, confidence: float) -> list[float]:
    """[low, high] of the percentile interval that holds ``confidence`` of the resamples."""
    tail = (1 - confidence) / 2
    return [float(bound) for bound in np.quantile(samples, [tail, 1 - tail])]


def add_intervals(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    samples: dict[str, dict[str, np.ndarray]],
    confidence: float,
) -> dict[str, dict[str, Any]]:
    """Name -> src, mae and their intervals over the resamples."""
    return {
        name: score(true, values)
        | {
            f"{metric}_interval": [
                round(bound, 4) for bound in interval(samples[name][metric], confidence)
            ]
            for metric in METRICS
        }
        for name, values in predictions.items()
    }


def _sort(values: np.ndarray) -> _Order:
    rows = np.argsort(values, kind="stable")
    changed = np.diff(values[rows], prepend=np.nan) != 0
    return _Order(rows, np.flatnonzero(changed), np.cumsum(changed) - 1)


def _correlate(
    sizes: np.ndarray, shares: np.ndarray, total: float, order: _Order
) -> tuple[float, float]:
    """The product of centred ranks, and the squares of those of one side.

    Equal values whose last rank is `last` have the mean rank last - (size - 1) / 2. What all ranks
    have in common falls away, as the ``shares`` sum to 0.

    Args:
        sizes: (n,) how often each row is there, in the order; overwritten.
        shares: (n,) the other side's centred rank times that, in the order.
    """
    if len(order.start) < len(order.rows):
        sizes, shares = (np.add.reduceat(part, order.start) for part in (sizes, shares))
    half, squares = _dot(sizes, shares) / 2, _square_ranks(sizes, total)
    return _dot(np.cumsum(sizes, out=sizes), shares) - half, squares


def _square_ranks(sizes: np.ndarray, total: float) -> float:
    """Sum of the squared centred ranks of ``total`` rows with ties of these sizes."""
    return (total**3 - float(np.einsum("i,i,i->", sizes, sizes, sizes))) / 12


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Not a @ b: the threads of BLAS fight with ours for the cores, for vectors of this length."""
    return float(np.einsum("i,i->", a, b))
