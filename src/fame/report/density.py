"""Densities of predictions and where they peak (FAME, Figure 3): one estimate for both."""

import numpy as np

POINTS = 1025
TINY = 1e-12  # share of the values that is no more than the rounding of a float


def make_grid(samples: list[np.ndarray]) -> np.ndarray:
    """(POINTS,) ascending: from the lowest value of any sample to the highest."""
    low = min(float(sample.min()) for sample in samples)
    high = max(float(sample.max()) for sample in samples)
    return np.linspace(low, high, POINTS)


def estimate(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(m,) Gaussian kernel density of (n,) values at the (m,) grid; bandwidth by Scott's rule.

    Values that do not vary have no density: NaN everywhere.
    """
    from scipy.stats import gaussian_kde

    # In units of the range: squares of very large or small values would leave a float's range.
    spread = float(np.ptp(values)) if len(values) else 0.0
    if len(values) < 2 or spread == 0 or spread < TINY * float(np.abs(values).max()):
        return np.full(len(grid), np.nan)
    centre = float(values.min())
    return gaussian_kde((values - centre) / spread)((grid - centre) / spread) / spread


def find_peak(density: np.ndarray, grid: np.ndarray) -> float | None:
    """Where a density that ``estimate`` gave is highest; None where there is none."""
    return None if np.isnan(density).any() else float(grid[int(np.argmax(density))])
