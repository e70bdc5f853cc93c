"""SRC and MAE, the challenge's two measures. NumPy only: the fuse stage must start quickly."""

import numpy as np


def mean_absolute_error(true: np.ndarray, predicted: np.ndarray) -> float:
    """MAE of (n,) predictions in units of the label; lower is better.

    Raises:
        ValueError: shapes differ, no rows, or a value that is not finite.
    """
    true, predicted = _paired(true, predicted)
    return float(np.abs(true - predicted).mean())


def spearman(true: np.ndarray, predicted: np.ndarray) -> float:
    """SRC: Spearman's rank correlation of (n,) values, ties ranked by their mean.

    A constant has no ranking; its SRC is 0, what a random ranking gives on average.

    Raises:
        ValueError: shapes differ, fewer than 2 rows, or a value that is not finite.
    """
    true, predicted = _paired(true, predicted)
    if len(true) < 2:
        raise ValueError("SRC needs at least 2 rows")
    a, b = _centred_ranks(true), _centred_ranks(predicted)
    scale = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(a @ b / scale) if scale else 0.0


def _paired(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"expected two arrays of one length, got {true.shape}, {predicted.shape}")
    if not len(true):
        raise ValueError("expected at least 1 row")
    if not (np.isfinite(true).all() and np.isfinite(predicted).all()):
        raise ValueError("expected finite values")
    return true, predicted


def _centred_ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    # A tie of `count` values whose last rank is `last` has the mean rank last - (count - 1) / 2.
    ranks = last - (counts - 1) / 2
    return ranks[inverse] - (len(values) + 1) / 2
