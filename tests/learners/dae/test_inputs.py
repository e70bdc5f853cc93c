from dataclasses import replace

import numpy as np
from fame.learners.dae.inputs import fit_preparation, prepare

from fame.learners.dae import inputs


def test_numbers_are_standardised_on_the_rows_given(tables):
    table, _ = tables()
    values = table.values.copy()
    values[:, 5] = 7
    values[:, 6] = np.nan
    values[table.fold >= 0, 7] = 2
    rows = np.flatnonzero(table.fold >= 0)
    table = replace(table, values=values)
    preparation = fit_preparation(table, rows, 2)
    x = prepare(table, rows, preparation)
    assert x.shape == (len(rows), 30 + 2 * 2)
    varying = [0, 1, 2, 6, 29]  # of the numbers, which follow two categories
    np.testing.assert_allclose(x[:, varying].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[:, [0, 1, 6, 29]].std(axis=0), 1, atol=1e-5)
    assert (x[np.isnan(values[rows, 4]), 2] == 0).all()
    assert (prepare(table, np.arange(len(values)), preparation)[:, 3:6] == 0).all()


def test_frequent_categories_become_columns_and_others_nothing(tables):
    table, _ = tables()
    values = table.values.copy()
    values[:, 0] = 9
    values[:50, 0] = 4
    values[50:60, 0] = 2
    values[400:, 0] = 77
    table = replace(table, values=values)
    preparation = fit_preparation(table, np.arange(160), 2)
    np.testing.assert_array_equal(preparation.category_column, [0, 0, 1, 1])
    np.testing.assert_array_equal(preparation.category_id[:2], [4, 9])
    x = prepare(table, np.array([0, 55, 100, 450]), preparation)
    np.testing.assert_array_equal(x[:, 30:32], [[1, 0], [0, 0], [0, 1], [0, 0]])


def test_the_size_of_a_chunk_does_not_change_what_is_fitted(tables, monkeypatch):
    table, _ = tables()
    rows = np.flatnonzero(table.fold != 1)
    whole = fit_preparation(table, rows, 50)
    monkeypatch.setattr(inputs, "CHUNK_ROWS", 7)
    parts = fit_preparation(table, rows, 50)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)
    np.testing.assert_array_equal(parts.category_id, whole.category_id)
