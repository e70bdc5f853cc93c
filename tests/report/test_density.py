import numpy as np
import pytest

from fame.report import density


def test_a_planted_peak_is_found_where_the_curve_is_highest():
    values = np.random.default_rng(0).normal(4.2, 0.6, 5000)
    grid = density.make_grid([values, np.array([0.0, 12.0])])
    curve = density.estimate(values, grid)
    peak = density.find_peak(curve, grid)
    assert peak == pytest.approx(4.2, abs=0.2)
    assert curve[np.flatnonzero(grid == peak)] == curve.max()
    assert np.trapezoid(curve, grid) == pytest.approx(1, abs=0.01)


def test_a_constant_has_no_peak():
    grid = np.linspace(0, 1, 5)
    assert density.find_peak(density.estimate(np.ones(9), grid), grid) is None
