"""The numbers of metrics.json: learners, fusion, leave-one-out, baseline, all on holdout rows."""

import numpy as np

from fame.fusion.combination import Combination
from fame.runtime.metrics import mean_absolute_error, spearman

DECIMALS = 6
MOST_BINS = 400  # of a density, whatever the range of the target
EXACT = 2.0**48  # multiples of the width that are told apart with certainty


def score_all(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    known: np.ndarray,
    chosen: Combination,
) -> dict[str, dict[str, float]]:
    """SRC and MAE of each learner, of the fusion and of every leave-one-out fusion.

    Args:
        true: (n,) labels of the holdout.
        predictions: learner -> (n,) predictions of the same rows.
        known: (n,) bool, posts by known authors.
        chosen: how they are fused.

    Returns:
        ``fame``, each learner, ``without_<learner>`` (FAME, Table 2) of those with a weight:
        {src, mae}; ``weights``: learner -> its mean weight over the rows.
    """
    scores = {"fame": score(true, chosen.fuse(predictions, known))}
    scores |= {name: score(true, prediction) for name, prediction in predictions.items()}
    weights = chosen.overall(known)
    used = [name for name, weight in weights.items() if weight > 0]
    for left in used if len(used) > 1 else []:
        scores[f"without_{left}"] = score(true, chosen.leave_out(left).fuse(predictions, known))
    scores["weights"] = {name: round(weight, DECIMALS) for name, weight in weights.items()}
    return scores


def score(true: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """{src, mae} of (n,) predictions, rounded for a file that is compared line by line.

    One post has no ranking: its SRC is 0, as that of a constant.
    """
    return {
        "src": round(spearman(true, predicted), DECIMALS) if len(true) > 1 else 0.0,
        "mae": round(mean_absolute_error(true, predicted), DECIMALS),
    }


def count_users(users: list[str | None], split: np.ndarray) -> dict[str, int]:
    """How the holdout's users overlap with those that were fitted on.

    Args:
        users: n user ids, None where unknown.
        split: (n,) fit, holdout or challenge.

    Returns:
        Users and posts of the holdout, and how many of them are of users seen in fitting.
    """
    fit = {user for user, part in zip(users, split, strict=True) if part == "fit"} - {None}
    holdout = [user for user, part in zip(users, split, strict=True) if part == "holdout"]
    known = set(holdout) - {None}
    return {
        "users_fit": len(fit),
        "users_holdout": len(known),
        "users_holdout_seen_in_fit": len(known & fit),
        "posts_holdout_of_users_seen_in_fit": sum(user in fit for user in holdout),
    }


def bin_density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(bins,) density of (n,) values over (bins + 1,) edges; sums to 1 / width inside them."""
    return np.histogram(values, bins=edges, density=True)[0]


def bin_edges(samples: list[np.ndarray], width: float) -> np.ndarray:
    """Edges of bins that hold every sample, on the grid of the multiples of their width.

    ``width`` is doubled until there are MOST_BINS at most: a target of raw counts spans millions.
    """
    low = min(float(sample.min()) for sample in samples)
    high = max(float(sample.max()) for sample in samples)
    largest = max(abs(low), abs(high))
    while high / width - low / width > MOST_BINS - 2 or largest / width > EXACT:
        width *= 2
    first, last = np.floor(low / width), np.floor(high / width) + 1
    return np.arange(first, last + 1) * width


def calibrate(
    true: np.ndarray, predicted: np.ndarray, parts: int = 10
) -> list[tuple[float, float]]:
    """Mean prediction and mean label of each tenth of the posts, by ascending prediction."""
    order = np.argsort(predicted, kind="stable")
    return [
        (float(predicted[rows].mean()), float(true[rows].mean()))
        for rows in np.array_split(order, min(parts, len(order)))
    ]
