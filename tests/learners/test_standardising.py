from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fame.features.blocks import Column
from fame.learners import standardising
from fame.learners.contract import Table
from fame.learners.standardising import ColumnParams, fit_preparation, prepare

PARAMS = ColumnParams(
    kind="any", table="any", seed=7, max_categories=50, min_deviation=0.001, clip=5.0
)


def make(values, **changes):
    """A table of numbers, and what is fitted on all its rows."""
    values = np.asarray(values, np.float32)
    columns = tuple(Column(f"meta.number_{i}") for i in range(values.shape[1]))
    ids = np.array([str(i) for i in range(len(values))], dtype=object)
    table = Table(post_ids=ids, values=values, columns=columns)
    params = PARAMS.model_copy(update=changes)
    return table, fit_preparation(table, table.all_rows, table.numeric, params)


def test_a_column_that_hardly_varies_stays_small_and_others_are_as_they_were():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 3)).astype(np.float32)
    values[:, 1] = 1000 + 0.001 * values[:, 1]
    table, preparation = make(values)
    x = prepare(table, table.all_rows, preparation)
    assert np.abs(x[:, 1]).max() < 0.01  # its deviation counts as 1
    expected = (values[:, [0, 2]] - values[:, [0, 2]].mean(axis=0)) / values[:, [0, 2]].std(axis=0)
    np.testing.assert_allclose(x[:, [0, 2]], expected, atol=1e-5)
    without = prepare(table, table.all_rows, make(values, min_deviation=0.0)[1])
    assert without[:, 1].std() == pytest.approx(1, abs=0.1)


finite = st.floats(-(2.0**100), 2.0**100, width=32)


@given(
    arrays.arrays(np.float32, (6, 3), elements=finite),
    arrays.arrays(np.float32, (4, 3), elements=finite | st.just(np.nan)),
)
def test_no_post_goes_in_further_than_the_clip(fitted_on, other):
    _, preparation = make(fitted_on)
    table, _ = make(other)
    x = prepare(table, table.all_rows, preparation)
    assert x.dtype == np.float32
    assert (np.abs(x) <= 5).all()
    assert (x[np.isnan(other)] == 0).all()


def test_chosen_columns_come_in_order_with_the_categories_behind(tables):
    table = tables()[0].training
    preparation = fit_preparation(table, table.all_rows, [9, 4], PARAMS)
    x = prepare(table, np.array([3, 5]), preparation)
    assert x.shape == (2, preparation.width)
    both = fit_preparation(table, table.all_rows, table.numeric, PARAMS)
    whole = prepare(table, np.array([3, 5]), both)
    np.testing.assert_array_equal(x[:, :2], whole[:, [9 - 2, 4 - 2]])
    np.testing.assert_array_equal(x[:, 2:], whole[:, len(table.numeric) :])


def test_the_size_of_a_chunk_changes_a_fit_by_rounding_alone(tables, monkeypatch):
    table = tables()[0].training
    whole = fit_preparation(table, table.all_rows, table.numeric, PARAMS)
    monkeypatch.setattr(standardising, "CHUNK_ROWS", 7)
    parts = fit_preparation(table, table.all_rows, table.numeric, PARAMS)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)
    np.testing.assert_array_equal(parts.category_id, whole.category_id)


def test_frequent_categories_become_columns_and_others_nothing(tables):
    table = tables()[0].training
    values = table.values.copy()
    values[:, 0] = 9
    values[:40, 0] = 3
    values[:5, 0] = 1
    table = replace(table, values=values)
    params = PARAMS.model_copy(update={"max_categories": 2})
    preparation = fit_preparation(table, table.all_rows, [], params)
    first = preparation.category_column == 0
    assert preparation.category_id[first].tolist() == [3, 9]
    x = prepare(table, np.array([0, 20, 100]), preparation)[:, first]
    assert x.tolist() == [[0, 0], [1, 0], [0, 1]]
