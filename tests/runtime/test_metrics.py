import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fame.runtime.metrics import mean_absolute_error, spearman

small_numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 1))
pairs = st.integers(2, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, n, elements=small_numbers), arrays(np.float64, n, elements=small_numbers)
    )
)


@given(pairs)
def test_spearman_equals_scipy_with_ties(pair):
    true, predicted = pair
    if len(set(true)) == 1 or len(set(predicted)) == 1:
        assert spearman(true, predicted) == 0
    else:
        assert spearman(true, predicted) == pytest.approx(
            stats.spearmanr(true, predicted).statistic, abs=1e-12
        )


@given(pairs)
def test_spearman_sees_only_the_order(pair):
    true, predicted = pair
    assert spearman(true, predicted) == pytest.approx(spearman(true, np.arctan(predicted) * 3 + 1))


def test_mean_absolute_error_is_in_units_of_the_label():
    assert mean_absolute_error(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 1.0])) == 4 / 3


@pytest.mark.parametrize("measure", [spearman, mean_absolute_error])
@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([1.0, 2.0], [1.0], "one length"),
        ([], [], "at least 1 row"),
        ([1.0, np.nan], [1.0, 2.0], "finite"),
        ([1.0, 2.0], [1.0, np.inf], "finite"),
    ],
)
def test_unusable_input_is_refused(measure, true, predicted, message):
    with pytest.raises(ValueError, match=message):
        measure(np.array(true), np.array(predicted))
