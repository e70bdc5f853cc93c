"""Learned fusion weights: >= 0, sum 1, chosen on out-of-fold predictions of the training posts.

Ensemble selection (Caruana et al., 2004): a bag of learners grows by the one that makes its mean
best, again and again, with replacement; a learner's share of the bag is its weight. One way for
both metrics, without a start that could matter; a learner that only does harm is never chosen.
"""

from collections.abc import Callable
from typing import TypedDict

import numpy as np

from fame.fusion import mean
from fame.runtime.metrics import mean_absolute_error, spearman

STEPS = 100  # learners in the largest bag
TOLERANCE = 1e-3  # share of the best loss that a smaller bag may lose
LOSSES = {
    "mae": mean_absolute_error,
    "src": lambda true, predicted: -spearman(true, predicted),
}


def learn(true: np.ndarray, predictions: dict[str, np.ndarray], metric: str) -> dict[str, float]:
    """The weights that are best by ``metric`` (mae or src) on the given rows.

    Args:
        true: (n,) labels.
        predictions: learner -> (n,) out-of-fold predictions of the same rows.
        metric: what the bag is best in at each step.

    Returns:
        Learner -> weight, in the order of the predictions; of the smallest bag that is as good
        as the best: what larger ones add is fitted to chance.
    """
    loss = LOSSES[metric]
    matrix = np.column_stack(list(predictions.values()))
    total, counts = np.zeros(len(true)), np.zeros(matrix.shape[1])
    bags: list[tuple[float, np.ndarray]] = []
    for size in range(1, STEPS + 1):
        losses = [loss(true, (total + column) / size) for column in matrix.T]
        chosen = int(np.argmin(losses))
        total += matrix[:, chosen]
        counts[chosen] += 1
        bags.append((losses[chosen], counts / size))
    limit = min(found for found, _ in bags)
    limit += TOLERANCE * abs(limit)
    best = next(bag for found, bag in bags if found <= limit)
    return dict(zip(predictions, best.tolist(), strict=True))


def learn_nested(
    true: np.ndarray, predictions: dict[str, np.ndarray], fold: np.ndarray, metric: str
) -> np.ndarray:
    """(n,) fused predictions whose weights never saw their row: learned on the other folds."""

    def fuse(inside: np.ndarray) -> np.ndarray:
        others = {name: values[~inside] for name, values in predictions.items()}
        own = {name: values[inside] for name, values in predictions.items()}
        return mean.fuse(own, learn(true[~inside], others, metric))

    return fold_by_fold(fold, fuse)


def fold_by_fold(fold: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(n,) of each fold's rows, (n,) bool, what ``predict`` gives for them."""
    found = np.empty(len(fold))
    for number in np.unique(fold):
        inside = fold == number
        found[inside] = predict(inside)
    return found


class Scores(TypedDict):
    """Of predictions."""

    src: float
    mae: float


class Way(Scores):
    """A way to fuse: learner -> weight on all rows, and its scores out of fold."""

    weights: dict[str, float]


def compare(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    fold: np.ndarray,
    fixed: dict[str, float],
) -> dict[str, Way]:
    """Ways to fuse, by their scores out of fold: the mean, fixed weights, learned ones.

    Returns:
        Way -> ``weights`` (learner -> weight on all rows), ``mae`` and ``src``. Those of learned
        weights are nested: each row is fused by weights that were learned on the other folds.
    """
    names = list(predictions)
    given = {"mean": dict.fromkeys(names, 1 / len(names))}
    if any(fixed.get(name, 0) > 0 for name in names):
        given["fixed"] = mean.normalise(fixed, names)
    ways: dict[str, Way] = {
        way: {"weights": weights, **score_rows(true, mean.fuse(predictions, weights))}
        for way, weights in given.items()
    }
    for metric in LOSSES:
        nested = learn_nested(true, predictions, fold, metric)
        weights = learn(true, predictions, metric)
        ways[f"learned_{metric}"] = {"weights": weights, **score_rows(true, nested)}
    return ways


def score_rows(true: np.ndarray, fused: np.ndarray) -> Scores:
    """SRC and MAE of (n,) predictions."""
    return {"src": spearman(true, fused), "mae": mean_absolute_error(true, fused)}
