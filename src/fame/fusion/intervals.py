"""Prediction intervals: split conformal, from out-of-fold errors (Vovk et al., 2005).

An error of a post that no model was trained on is as large as a new post's would be; its quantile,
with the correction for a finite sample, is the half width of an interval that covers the stated
share. Posts by known authors and by new ones have errors of their own. An interval ends where
predictions do: no label of the training posts lies further out.
"""

from typing import Any

import numpy as np

GROUPS = ("known", "new")  # authors with training posts, and without
LEAST_POSTS = 50  # of a group; fewer take the quantiles of all posts


def fit(error: np.ndarray, known: np.ndarray, shares: list[float]) -> dict[str, dict[str, float]]:
    """Group -> share in percent -> half width.

    Args:
        error: (n,) |label - out-of-fold prediction| of the training posts.
        known: (n,) bool, whether the post was predicted as one by a known author.
        shares: of the posts that an interval is to cover, e.g. 0.8.
    """
    widths = {}
    for group, rows in zip(GROUPS, (known, ~known), strict=True):
        own = error[rows] if rows.sum() >= LEAST_POSTS else error
        widths[group] = {name_share(share): _find_quantile(own, share) for share in shares}
    return widths


def find_ends(
    predicted: np.ndarray,
    known: np.ndarray,
    widths: dict[str, dict[str, float]],
    share: float,
    reach: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) lower and (n,) upper ends of the posts' intervals; a prediction lies inside its own.

    Args:
        predicted: (n,). known: (n,) bool, see `fit`.
        widths: as `fit` gives them. share: one of those that were fitted.
        reach: the lowest and the highest prediction that a learner may make.
    """
    name = name_share(share)
    half = np.where(known, widths["known"][name], widths["new"][name])
    # A fusion's line may lead a prediction a little out of reach.
    low = np.minimum(np.maximum(predicted - half, reach[0]), predicted)
    high = np.maximum(np.minimum(predicted + half, reach[1]), predicted)
    return low, high


def score(
    true: np.ndarray,
    predicted: np.ndarray,
    known: np.ndarray,
    widths: dict[str, dict[str, float]],
    shares: list[float],
    reach: tuple[float, float],
) -> dict[str, Any]:
    """Coverage on (n,) posts and the mean width of their intervals: overall and by group."""
    scores: dict[str, Any] = {}
    for share in shares:
        low, high = find_ends(predicted, known, widths, share, reach)
        inside = (low <= true) & (true <= high)
        entry = {"coverage": _mean(inside), "width": _mean(high - low)}
        for group, rows in zip(GROUPS, (known, ~known), strict=True):
            if rows.any():
                entry[f"coverage_{group}"] = _mean(inside[rows])
        scores[f"interval_{name_share(share)}"] = entry
    return scores


def name_share(share: float) -> str:
    """`80` for 0.8."""
    return f"{100 * share:g}"


def _find_quantile(error: np.ndarray, share: float) -> float:
    """The ceil((n + 1) share)-th smallest error, the largest where there is none such."""
    place = min(int(np.ceil((len(error) + 1) * share)), len(error))
    return float(np.partition(error, place - 1)[place - 1])


def _mean(values: np.ndarray) -> float:
    return round(float(values.mean()), 6)
