import numpy as np
import pytest

from fame.features.blocks import Column
from fame.learners.contract import FitTable
from fame.learners.ridge.regression import Regression, fit_columns, solve


@pytest.fixture(scope="module")
def params(learners):
    return learners("ridge").trainer.params


def make_table(values, label, categorical=()):
    names = [Column(f"meta.c{i}", i in categorical) for i in range(values.shape[1])]
    return FitTable(
        post_ids=np.array([f"p{i}" for i in range(len(label))], dtype=object),
        values=values.astype(np.float32),
        columns=tuple(names),
        fold=np.zeros(len(label), np.int8),
        popularity=label,
    )


def fit(table, params, penalty):
    rows = table.all_rows
    return solve(table, rows, fit_columns(table, rows, params), [penalty])[0]


def test_the_coefficients_are_scikit_learns(params):
    from sklearn.linear_model import Ridge

    draw = np.random.default_rng(0)
    values = draw.normal(size=(200, 4)) * [1, 10, 100, 1e6]
    values[draw.random(values.shape) < 0.1] = np.nan
    table = make_table(values, draw.normal(5, 2, 200))
    found = fit(table, params, 7.0)
    inputs = found.prepare(table.values)
    expected = Ridge(7.0).fit(inputs, table.popularity)
    np.testing.assert_allclose(found.coefficient, expected.coef_, atol=1e-8)
    np.testing.assert_allclose(found.predict(table.values), expected.predict(inputs), atol=1e-8)


def test_an_hour_is_one_column_a_value_and_so_is_a_category(params):
    draw = np.random.default_rng(1)
    hour, category = draw.integers(0, 24, 2000), draw.integers(0, 9, 2000)
    effect = np.where(hour == 20, 3.0, 0.0) + (category == 4)
    table = make_table(np.column_stack([hour, category]), effect, categorical=(1,))
    found = fit(table, params, 1.0)
    assert np.abs(found.predict(table.values) - effect).max() < 0.1
    assert {(0, 20.0), (1, 4.0)} <= set(zip(found.level_column, found.level, strict=True))


def test_a_value_of_too_few_posts_is_no_column(params):
    category = np.array([2] * 50 + [3] * (params.min_posts - 1) + [4] * params.min_posts)
    table = make_table(category[:, None], np.zeros(len(category)), categorical=(0,))
    assert fit_columns(table, table.all_rows, params).level.tolist() == [2, 4]


def test_a_column_that_does_not_vary_and_one_that_is_missing_change_nothing(params):
    draw = np.random.default_rng(2)
    values = np.column_stack([draw.normal(size=100), np.full(100, 3.0), np.full(100, np.nan)])
    table = make_table(values, values[:, 0] * 2)
    found = fit(table, params, 1.0)
    alone = fit(make_table(values[:, :1], values[:, 0] * 2), params, 1.0)
    np.testing.assert_allclose(
        found.predict(table.values), alone.predict(table.values[:, :1]), atol=1e-9
    )


def test_what_columns_add_sums_to_the_prediction_and_is_nothing_on_average(params):
    draw = np.random.default_rng(4)
    hour, missing = draw.integers(0, 24, 500), draw.normal(size=500)
    missing[::7] = np.nan
    values = np.column_stack([hour, missing, draw.normal(size=500)])
    label = np.where(hour < 6, 2.0, 0.0) + values[:, 2] + draw.normal(size=500)
    table = make_table(values, label, categorical=(0,))
    found = fit(table, params, 1.0)
    added = found.explain(table.values)
    assert added.shape == values.shape
    np.testing.assert_allclose(added.mean(axis=0), 0, atol=1e-9)
    whole = found.predict(table.values)
    np.testing.assert_allclose(added.sum(axis=1), whole - whole.mean(), atol=1e-9)
    # A post that differs in one column differs by what that column adds.
    other = table.values.copy()
    other[:, 0] = (other[:, 0] + 5) % 24
    change = found.explain(other) - added
    np.testing.assert_allclose(change[:, 1:], 0, atol=1e-12)
    np.testing.assert_allclose(change[:, 0], found.predict(other) - whole, atol=1e-9)


def test_a_file_is_the_regression_that_was_written(params, tmp_path):
    draw = np.random.default_rng(3)
    table = make_table(draw.normal(size=(60, 3)), draw.normal(size=60))
    found = fit(table, params, 1.0)
    found.write(tmp_path / "a")
    again = Regression.read(tmp_path / "a")
    np.testing.assert_array_equal(again.predict(table.values), found.predict(table.values))
    again.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
