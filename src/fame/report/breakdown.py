"""Errors of the holdout's posts by category, by the user's other labelled posts, by time."""

from collections import Counter
from datetime import datetime

import numpy as np

NAMED = 15  # categories, the largest; the others together
USER_BOUNDS = ((0, 0), (1, 2), (3, 5), (6, 10), (11, 30), (31, None))
TIME_PARTS = 10


def by_category(
    categories: list[str | None], held: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> list[dict[str, object]]:
    """Rows of name, posts, mae, bias (mean error), the largest category first."""
    own = [categories[row] or "none" for row in np.flatnonzero(held)]
    named = [name for name, _ in sorted(Counter(own).items(), key=lambda x: (-x[1], x[0]))[:NAMED]]
    groups = np.array([name if name in named else "all others" for name in own], dtype=object)
    errors = (predicted - true)[held]
    order = [*named, "all others"]
    return [_row(name, errors[groups == name]) for name in order if (groups == name).any()]


def by_author(
    known: np.ndarray, held: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> list[dict[str, object]]:
    """The same, known and new authors apart; ``known`` (n,) bool."""
    errors, own = (predicted - true)[held], known[held]
    parts = (("known authors", own), ("new authors", ~own))
    return [_row(name, errors[rows]) for name, rows in parts if rows.any()]


def by_posts_per_user(
    users: list[str | None], held: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> list[dict[str, object]]:
    """The same, by the number of labelled posts of the user outside the holdout."""
    known: Counter[str | None] = Counter(
        user
        for user, out, label in zip(users, held, true, strict=True)
        if user is not None and not out and np.isfinite(label)
    )
    counts = np.array([known[users[row]] for row in np.flatnonzero(held)])
    errors, rows = (predicted - true)[held], []
    for low, high in USER_BOUNDS:
        inside = (counts >= low) & (counts <= (np.inf if high is None else high))
        name = f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"
        if inside.any():
            rows.append(_row(name, errors[inside]))
    return rows


def by_time(
    times: list[datetime | None], held: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> list[dict[str, object]]:
    """The same, by tenths of the holdout in the order of posting; posts without a time left out."""
    timed = [(time, row) for row in np.flatnonzero(held) if (time := times[row]) is not None]
    rows = [row for _, row in sorted(timed)]
    found = []
    for part in np.array_split(np.array(rows, dtype=np.int64), min(TIME_PARTS, len(rows) or 1)):
        if len(part):
            name = times[part[0]].strftime("%Y-%m-%d")
            found.append(_row(name, (predicted - true)[part]))
    return found


def _row(name: str, errors: np.ndarray) -> dict[str, object]:
    return {
        "name": name,
        "posts": len(errors),
        "mae": round(float(np.abs(errors).mean()), 6),
        "bias": round(float(errors.mean()), 6),
    }
