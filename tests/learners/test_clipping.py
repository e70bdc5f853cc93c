import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.learners.clipping import clip, clip_out_of_fold

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, max_size=30), numbers, numbers, st.floats(0, 3))
def test_what_is_outside_is_set_to_the_nearest_value_inside_and_counted(values, a, b, margin):
    low, high = min(a, b), max(a, b)
    least, most = low - margin * (high - low), high + margin * (high - low)
    clipped, count = clip(np.array(values), (low, high), margin)
    assert clipped.tolist() == [min(max(value, least), most) for value in values]
    assert count == sum(not least <= value <= most for value in values)


def test_what_is_not_finite_is_left_for_whoever_reports_it():
    clipped, count = clip(np.array([np.nan, np.inf, -np.inf, 99.0]), (0.0, 10.0), 0.1)
    np.testing.assert_array_equal(clipped, [np.nan, np.inf, -np.inf, 11.0])
    assert count == 1


def test_out_of_fold_the_labels_of_a_posts_own_fold_widen_nothing(tables):
    table = tables()[0].training
    popularity = np.zeros(len(table.fold))
    popularity[table.fold == 1] = 5
    popularity[table.fold == 0] = 100  # seen by the models of the folds 1 to 4
    table = type(table)(**vars(table) | {"popularity": popularity})
    clipped, count = clip_out_of_fold(np.full(len(table.fold), 50.0), table, 0.0)
    assert set(clipped[table.fold == 0]) == {5.0}
    assert set(clipped[table.fold != 0]) == {50.0}
    assert count == (table.fold == 0).sum()


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_what_is_inside_is_the_same_to_the_last_bit(margin):
    values = np.random.default_rng(0).uniform(1, 14, 1000)
    clipped, count = clip(values, (1.0, 14.0), margin)
    assert clipped.tobytes() == values.tobytes()
    assert count == 0
