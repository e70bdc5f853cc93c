"""Ratios of counts that span orders of magnitude: followers to followed, likes to posts, ..."""

from itertools import combinations

import numpy as np

from fame.params import HeavyTailedParams


def find_heavy_tailed(numbers: dict[str, np.ndarray], limits: HeavyTailedParams) -> list[str]:
    """Names of the counts that span orders of magnitude, sorted.

    Args:
        numbers: name -> (n,) of the training posts, NaN where unknown.
        limits: what counts as such; of more than ``columns`` those that span most are taken.
    """
    spans = {}
    for name, values in numbers.items():
        known = values[np.isfinite(values)]
        if (
            len(np.unique(known)) >= limits.distinct
            and (known >= 0).mean() >= limits.not_negative
            and np.quantile(known, 0.95) >= limits.high
        ):
            spans[name] = float(np.std(_to_log(known)))
    wide = [name for name, span in spans.items() if span >= limits.log_deviation]
    return sorted(sorted(wide, key=lambda name: (-spans[name], name))[: limits.columns])


def compare(numbers: dict[str, np.ndarray], names: list[str], rows: int) -> dict[str, np.ndarray]:
    """Columns ``ratio_<a>_to_<b>`` (rows,): difference of the logarithms, of all pairs of names.

    NaN where one of both is unknown, or not there at all.
    """
    nothing = np.full(rows, np.nan)
    logs = {name: _to_log(numbers.get(name, nothing)) for name in names}
    return {f"ratio_{a}_to_{b}": logs[a] - logs[b] for a, b in combinations(names, 2)}


def _to_log(values: np.ndarray) -> np.ndarray:
    """Logarithm of 1 + the size, with the sign: 0 stays 0."""
    return np.sign(values) * np.log1p(np.abs(values))
