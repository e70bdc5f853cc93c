import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fame.learners.extratrees.forest import Forest, copy_forest


@pytest.fixture(scope="module")
def fitted():
    from sklearn.ensemble import ExtraTreesRegressor

    draw = np.random.default_rng(0)
    values = draw.normal(size=(300, 5)).astype(np.float32)
    values[draw.random(values.shape) < 0.1] = np.nan
    label = np.nan_to_num(values[:, 0]) + 2 * np.isnan(values[:, 1])
    return ExtraTreesRegressor(20, min_samples_leaf=3, random_state=0).fit(values, label)


numbers = st.floats(width=32, allow_infinity=False) | st.just(np.nan)


@given(arrays(np.float32, st.tuples(st.integers(1, 8), st.just(5)), elements=numbers))
def test_the_arrays_predict_what_scikit_learn_does(fitted, values):
    predicted = copy_forest(fitted).predict_trees(values)
    assert predicted.shape == (len(values), 20)
    np.testing.assert_allclose(predicted.mean(axis=1), fitted.predict(values), rtol=1e-12)


@given(arrays(np.float32, st.tuples(st.integers(1, 8), st.just(5)), elements=numbers))
def test_what_columns_add_sums_to_the_prediction(fitted, values):
    forest = copy_forest(fitted)
    added = forest.explain(values)
    base = forest.value[forest.root].mean()
    np.testing.assert_allclose(base + added.sum(axis=1), fitted.predict(values), rtol=1e-9)


def test_a_column_adds_what_the_splits_on_it_change():
    # x0 <= 1: 2, else x1 <= 5: 6, else 10; 4 is the mean of the first node, 8 of the second.
    forest = Forest(
        root=np.array([0]),
        left=np.array([1, 1, 3, 3, 4]),
        right=np.array([2, 1, 4, 3, 4]),
        column=np.array([0, 0, 1, 0, 0]),
        threshold=np.array([1.0, 0, 5, 0, 0]),
        gap_left=np.zeros(5, bool),
        value=np.array([4.0, 2, 8, 6, 10]),
    )
    added = forest.explain(np.array([[0, 9, 7], [2, 9, 7], [2, 3, 7], [np.nan, 3, 7]], np.float32))
    assert added.tolist() == [[-2, 0, 0], [4, 2, 0], [4, -2, 0], [4, -2, 0]]


def test_what_is_infinite_goes_where_the_largest_number_goes(fitted):
    forest = copy_forest(fitted)
    largest = np.finfo(np.float32).max
    infinite = np.full((2, 5), np.inf, np.float32) * [[1], [-1]]
    finite = np.full((2, 5), largest, np.float32) * [[1], [-1]]
    np.testing.assert_array_equal(forest.predict_trees(infinite), forest.predict_trees(finite))


def test_a_file_is_the_forest_that_was_written(fitted, tmp_path):
    forest = copy_forest(fitted)
    forest.write(tmp_path / "a")
    again = Forest.read(tmp_path / "a")
    for name, array in vars(forest).items():
        np.testing.assert_array_equal(getattr(again, name), array)
        assert getattr(again, name).dtype == array.dtype
    again.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
