"""Predictions stay within the range of the training labels, whatever the learner and the post.

A model may say anything of a post unlike all that it saw. What lies further outside the labels'
range than a margin is set to the nearest value inside it, and counted.
"""

import numpy as np

from fame.learners.contract import FitTable


def find_reach(label_range: tuple[float, float], margin: float) -> tuple[float, float]:
    """The lowest and the highest prediction: the range and ``margin`` times its width."""
    low, high = label_range
    return low - margin * (high - low), high + margin * (high - low)


def clip(
    prediction: np.ndarray, label_range: tuple[float, float], margin: float
) -> tuple[np.ndarray, int]:
    """Predictions (n,) within the range and ``margin`` times its width; how many were outside.

    What is not finite stays as it is: that is an error, which whoever writes predictions reports.
    """
    within = np.clip(prediction, *find_reach(label_range, margin))
    outside = np.isfinite(prediction) & (within != prediction)
    return np.where(outside, within, prediction), int(outside.sum())


def clip_out_of_fold(
    prediction: np.ndarray, table: FitTable, margin: float
) -> tuple[np.ndarray, int]:
    """As `clip`, each fold's posts by the labels outside the fold, which its models learned."""
    clipped, count = np.array(prediction), 0
    for fold in table.folds:
        labels = table.popularity[table.training_rows(fold)]
        own = table.validation_rows(fold)
        clipped[own], found = clip(prediction[own], (labels.min(), labels.max()), margin)
        count += found
    return clipped, count
