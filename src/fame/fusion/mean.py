"""The fusion of learners: a weighted mean (FAME, section 3, the fusion equation)."""

import numpy as np


def normalise(weights: dict[str, float], present: list[str]) -> dict[str, float]:
    """Weights of the ``present`` learners, scaled to sum to 1; a learner not named weighs 0.

    Raises:
        ValueError: a weight is negative or not finite, or all are zero.
    """
    chosen = {name: float(weights.get(name, 0.0)) for name in present}
    for name, weight in chosen.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"the weight of {name} must be >= 0 and finite, found {weight}")
    total = sum(chosen.values())
    if total == 0:
        raise ValueError(f"the weights of {', '.join(present)} are all zero")
    return {name: weight / total for name, weight in chosen.items()}


def fuse(predictions: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """(n,) weighted sum of the learners' (n,) predictions; ``weights`` sum to 1.

    It adds in the order of the names, so that a saved fusion gives the digits of the fitted one.
    """
    return np.sum([weights[name] * predictions[name] for name in sorted(predictions)], axis=0)
