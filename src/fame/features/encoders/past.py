"""Labelled posts by author and time, and what was known of an author at a moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

SECONDS_PER_DAY = 86_400


def find_earlier(
    groups: np.ndarray, times: np.ndarray, group: np.ndarray, seconds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How much there is of a group before a time.

    Args:
        groups: (p,) int64, ascending. times: (p,) int64 seconds, ascending within a group.
        group: (n,) int64, -1 for one that is not there. seconds: (n,) int64.

    Returns:
        (n,) int64: position behind the group's last entry of a strictly earlier time.
        (n,) int64: the number of the group's entries of a strictly earlier time.
    """
    if not len(groups):
        return np.zeros(len(group), np.int64), np.zeros(len(group), np.int64)
    lowest, highest = times.min(), times.max()
    span = highest - lowest + 3  # of times, and one before and one behind all of them
    keys = groups * span + (times - lowest + 1)
    moment = np.clip(seconds, lowest - 1, highest + 1) - lowest + 1
    end = np.searchsorted(keys, group * span + moment, side="left")
    start = np.searchsorted(groups, group, side="left")
    return end, np.where(group >= 0, end - start, 0)


@dataclass(frozen=True)
class Past:
    """Labelled posts, sorted by author, then time.

    Whatever it gives for an author is made of the author's own posts in the order of their times,
    so that no post of another author changes even the last bit.

    Attributes:
        author: (p,) int64, number of the author, ascending.
        seconds: (p,) int64, ascending within an author.
        label: (p,) float64.
        half_life_posts: an author's label weighs half as much as one so many posts later.
    """

    author: np.ndarray
    seconds: np.ndarray
    label: np.ndarray
    half_life_posts: float

    def find(self, author: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much of the past there is for authors (n,), -1 for one without any, at times (n,).

        Returns:
            (n,) int64: position behind the author's last post of a strictly earlier time.
            (n,) int64: the number of the author's posts of a strictly earlier time.
        """
        return find_earlier(self.author, self.seconds, author, seconds)

    @cached_property
    def running(self) -> dict[str, np.ndarray]:
        """(p,) float64 each, of the author's posts up to and with each: mean, variance, weighted.

        Post by post for all authors at once, those with most posts first: a sum over all posts
        would carry one author's rounding into the next one's.
        """
        starts = np.flatnonzero(np.diff(self.author, prepend=-1))
        lengths = np.diff(starts, append=len(self.author))
        order = np.argsort(-lengths, kind="stable")
        starts, lengths = starts[order], lengths[order]
        longest = int(lengths.max(initial=0))
        authors = np.searchsorted(-lengths, -np.arange(longest))  # with more than 0, 1, ... posts
        decay = 0.5 ** (1 / self.half_life_posts)
        state = {name: np.zeros(len(starts)) for name in ("mean", "square", "sum", "weight")}
        found = {name: np.empty(len(self.label)) for name in ("mean", "variance", "weighted")}
        for step in range(longest):
            rows = starts[: authors[step]] + step
            mean, square, total, weight = (kept[: len(rows)] for kept in state.values())
            label = self.label[rows]
            difference = label - mean
            mean += difference / (step + 1)
            square += difference * (label - mean)
            total *= decay
            total += label
            weight *= decay
            weight += 1
            found["mean"][rows] = mean
            found["variance"][rows] = square / (step + 1)
            found["weighted"][rows] = total / weight
        return found

    def read_back(self, end: np.ndarray, count: np.ndarray, steps: int) -> list[np.ndarray]:
        """The labels before ``end`` (n,), newest first: ``steps`` times (n,), 0 where none is left.

        ``count`` (n,) is how many there are.
        """
        places = [np.where(count > step, end - 1 - step, -1) for step in range(steps)]
        padded = np.append(self.label, 0.0)
        return [padded[place] for place in places]
