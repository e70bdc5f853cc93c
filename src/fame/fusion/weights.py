"""Learned fusion weights: >= 0, sum 1, fitted on out-of-fold predictions of the fit rows.

MAE is minimised exactly, as a linear program. SciPy is imported when weights are learned: the fuse
stage must start quickly where they are fixed.
"""

from collections.abc import Callable

import numpy as np

from fame.fusion import mean
from fame.runtime.metrics import mean_absolute_error, spearman

START_ROWS = 10_000  # of the first, small linear program
FREE_SHARE = 0.05  # of the rows whose sign of error is left open around its solution
STEPS = (0.16, 0.08, 0.04, 0.02, 0.01, 0.005)  # of weight moved between two learners
ZERO = 1e-9  # below it, a weight is the solver's rounding


def learn(
    true: np.ndarray, predictions: dict[str, np.ndarray], metric: str, paper: dict[str, float]
) -> dict[str, float]:
    """The weights that are best by ``metric`` (mae or src) on the given rows.

    Args:
        true: (n,) labels.
        predictions: learner -> (n,) out-of-fold predictions of the same rows.
        metric: mae is minimised exactly. src has no convex form: weights are moved between pairs
            of learners in ever smaller steps, from the best of the MAE's weights, ``paper``, the
            mean and every single learner, and the result is never worse than any of them.
        paper: weights as written in params.yaml.

    Returns:
        Learner -> weight; in the order of the predictions.
    """
    matrix = np.column_stack(list(predictions.values()))
    weights = minimise_mae(true, matrix)
    if metric == "src":
        starts = [weights, *candidates(list(predictions), paper).values()]
        weights = _climb(lambda chosen: spearman(true, matrix @ chosen), starts)
    return dict(zip(predictions, weights.tolist(), strict=True))


def learn_nested(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    fold: np.ndarray,
    metric: str,
    paper: dict[str, float],
) -> np.ndarray:
    """(n,) fused predictions whose weights never saw their row: learned on the other folds."""
    fused = np.empty(len(true))
    for number in np.unique(fold):
        inside = fold == number
        others = {name: values[~inside] for name, values in predictions.items()}
        weights = learn(true[~inside], others, metric, paper)
        own = {name: values[inside] for name, values in predictions.items()}
        fused[inside] = mean.fuse(own, weights)
    return fused


def candidates(names: list[str], paper: dict[str, float]) -> dict[str, np.ndarray]:
    """What learned weights compare with: (k,) of the paper, the mean, each single learner."""
    found = {"mean": np.full(len(names), 1 / len(names))}
    if any(paper.get(name, 0) > 0 for name in names):
        found["paper"] = np.array(list(mean.normalise(paper, names).values()))
    return found | dict(zip(names, np.eye(len(names)), strict=True))


def minimise_mae(true: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(k,) weights >= 0 of sum 1 with the lowest mean |true - predictions @ weights|; exact.

    A linear program in the errors of n rows is slow for many. But a row far from 0 keeps the sign
    of its error near the solution, and its |error| is then linear: only rows near 0 stay in the
    program. Fixed signs bound the MAE from below, so a solution at which all of them hold is a
    solution for all rows (Portnoy and Koenker, 1997); where some do not, they are freed.

    Args:
        true: (n,) labels. predictions: (n, k).
    """
    errors = predictions - true[:, None]  # as weights sum to 1, the fused error is errors @ w
    count = len(errors)
    if count <= START_ROWS:
        return _tidy(_solve(errors, np.zeros(errors.shape[1])))
    spread = np.linspace(0, count - 1, START_ROWS).astype(np.int64)
    weights = _solve(errors[spread], np.zeros(errors.shape[1]))
    free = np.zeros(count, dtype=bool)
    while True:
        fused = errors @ weights
        sign = np.sign(fused)
        nearest = np.argpartition(np.abs(fused), round(FREE_SHARE * count))
        free[nearest[: round(FREE_SHARE * count)]] = True
        weights = _solve(errors[free], sign[~free] @ errors[~free])
        wrong = ~free & (sign * (errors @ weights) < 0)
        if not wrong.any():
            return _tidy(weights)
        free |= wrong


def _solve(errors: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """(k,) weights minimising sum |errors @ w| + fixed @ w, through the dual program.

    The dual has a bounded variable a row and k constraints, whose multipliers are the weights:
    max t subject to t <= fixed_j + sum_i d_i errors_ij, -1 <= d_i <= 1.
    """
    from scipy.optimize import linprog

    rows, learners = errors.shape
    result = linprog(
        np.append(np.zeros(rows), -1.0),
        A_ub=np.hstack([-errors.T, np.ones((learners, 1))]),
        b_ub=fixed,
        bounds=[(-1, 1)] * rows + [(None, None)],
        method="highs-ds",
    )
    if result.status:
        raise RuntimeError(f"the linear program of the fusion was not solved: {result.message}")
    return -result.ineqlin.marginals


def _climb(score: Callable[[np.ndarray], float], starts: list[np.ndarray]) -> np.ndarray:
    """The best start, improved by moving weight from one learner to another while that helps."""
    values = [score(start) for start in starts]
    best, value = starts[int(np.argmax(values))], max(values)
    learners = range(len(best))
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for source in learners:
                for target in learners:
                    moved = best.copy()
                    moved[source] -= min(step, best[source])
                    moved[target] += min(step, best[source])
                    if source != target and best[source] > 0 and score(moved) > value:
                        best, value, improved = moved, score(moved), True
    return _tidy(best)


def _tidy(weights: np.ndarray) -> np.ndarray:
    weights = np.where(weights < ZERO, 0.0, weights)
    return weights / weights.sum()


def compare(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    fold: np.ndarray,
    paper: dict[str, float],
) -> dict[str, dict[str, object]]:
    """Ways to fuse, by their scores out of fold: the mean, the paper's weights, learned ones.

    Returns:
        Way -> ``weights`` (learner -> weight on all rows), ``mae`` and ``src``. Those of learned
        weights are nested: each row is fused by weights that were learned on the other folds.
    """
    names = list(predictions)
    ways: dict[str, dict[str, object]] = {}
    for name, chosen in candidates(names, paper).items():
        if name in ("mean", "paper"):
            weights = dict(zip(names, chosen.tolist(), strict=True))
            ways[name] = {"weights": weights} | score(true, predictions, weights)
    for metric in ("mae", "src"):
        nested = learn_nested(true, predictions, fold, metric, paper)
        ways[f"learned_{metric}"] = {
            "weights": learn(true, predictions, metric, paper),
        } | score_rows(true, nested)
    return ways


def score(
    true: np.ndarray, predictions: dict[str, np.ndarray], weights: dict[str, float]
) -> dict[str, float]:
    """SRC and MAE of the fused predictions."""
    return score_rows(true, mean.fuse(predictions, weights))


def score_rows(true: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """SRC and MAE of (n,) predictions."""
    return {"src": spearman(true, fused), "mae": mean_absolute_error(true, fused)}
