from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from fame.features.blocks import Column
from fame.learners.contract import Table
from fame.learners.tabm import inputs
from fame.learners.tabm.inputs import build_inputs, count_quantiles, fit_inputs, list_arrays, score


@pytest.fixture(scope="module")
def params(learners):
    changes = {"plain_blocks": ["char_ngrams"], "bins": 8, "posts_per_quantile": 5}
    return learners("tabm", **changes).trainer.params


def make(columns):
    """Name -> values (n,), as a table."""
    values = np.column_stack(list(columns.values())).astype(np.float32)
    ids = np.array([str(i) for i in range(len(values))], dtype=object)
    return Table(post_ids=ids, values=values, columns=tuple(Column(name) for name in columns))


def fit(columns, params):
    table = make(columns)
    return table, fit_inputs(table, table.all_rows, params)


def test_scores_are_those_of_the_quantile_transformer():
    generator = np.random.default_rng(0)
    values = np.exp(3 * generator.normal(size=(500, 2)))
    reference = QuantileTransformer(n_quantiles=100, output_distribution="normal", subsample=None)
    expected = np.clip(reference.fit_transform(values), -4, 4)
    found = score(values, reference.quantiles_, 4.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_value_that_many_posts_have_is_the_middle_of_their_ranks():
    known = np.quantile(np.repeat([0.0, 5.0], [50, 50]), np.linspace(0, 1, 101))
    low, high, below, above = score(np.array([[0.0], [5], [-1], [9]]), known[:, None], 4.0)[:, 0]
    assert low == pytest.approx(-0.674, abs=0.02)  # a quarter of the ranks
    assert high == pytest.approx(0.674, abs=0.02)
    assert (below, above) == (-4, 4)


@given(st.lists(st.integers(-20, 20), min_size=3, max_size=40), st.lists(st.floats(-1e9, 1e9)))
def test_scores_rise_with_the_values_within_the_clip(fitted_on, values):
    known = np.quantile(fitted_on, np.linspace(0, 1, 10))[:, None]
    found = score(np.sort(values)[:, None], known, 4.0)
    assert (np.abs(found) <= 4).all()
    assert (np.diff(found[:, 0]) >= 0).all()


def test_what_is_embedded_what_is_plain_and_what_says_that_a_number_is_missing(params):
    generator = np.random.default_rng(0)
    number = generator.normal(size=200)
    gappy, same_gaps, rare_gap = (generator.normal(size=200) for _ in range(3))
    gappy[:50] = same_gaps[:50] = np.nan
    rare_gap[0] = np.nan
    columns = {
        "meta.number": number,
        "meta.flag": number > 0,
        "meta.constant": np.full(200, 7),
        "meta.unknown": np.full(200, np.nan),
        "char_ngrams.00": generator.normal(size=200),
        "meta.gappy": gappy,
        "meta.same_gaps": same_gaps,
        "meta.rare_gap": rare_gap,
    }
    table, fitted = fit(columns, params)
    names = list(columns)
    assert [names[i] for i in fitted.ranked_column] == [
        "meta.number",
        "meta.gappy",
        "meta.same_gaps",
        "meta.rare_gap",
    ]
    plain = [names[i] for i in fitted.others.number_column]
    assert plain == ["meta.flag", "meta.constant", "meta.unknown", "char_ngrams.00"]
    assert [names[i] for i in fitted.gap_column] == ["meta.gappy"]  # one for both
    x = fitted.prepare(table, table.all_rows)
    assert x.shape == (200, fitted.width)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert (x[:50, 1] == 0).all()
    assert x[:, -1].tolist() == [1] * 50 + [0] * 150
    assert (x[:, 4 + plain.index("meta.constant")] == 0).all()


def test_bins_hold_equally_many_training_rows(params):
    generator = np.random.default_rng(1)
    columns = {"meta.counts": np.exp(generator.normal(size=800)), "meta.few": np.arange(800) % 4}
    table, fitted = fit(columns, params)
    counts, few = fitted.bins
    found, _ = np.histogram(fitted.prepare(table, table.all_rows)[:, 0], counts)
    assert len(found) == 8
    assert (np.abs(found - 100) < 15).all()
    assert 2 <= len(few) <= 9
    assert (np.diff(few) > 0).all()


def test_how_many_columns_are_held_at_a_time_changes_nothing(params, tables, monkeypatch):
    table = tables()[0].training
    whole = list_arrays(fit_inputs(table, table.all_rows, params))
    monkeypatch.setattr(inputs, "COLUMNS_BYTES", 4 * len(table.post_ids) * 3)
    parts = list_arrays(fit_inputs(table, table.all_rows, params))
    assert {k: v.tobytes() for k, v in whole.items()} == {k: v.tobytes() for k, v in parts.items()}


def test_inputs_are_built_of_their_arrays(params, tables):
    table = tables()[0].training
    fitted = fit_inputs(table, table.all_rows, params)
    again = build_inputs(list_arrays(fitted))
    rows = np.arange(30)
    np.testing.assert_array_equal(again.prepare(table, rows), fitted.prepare(table, rows))


def test_nothing_is_fitted_on_other_rows(params, tables):
    table = tables()[0].training
    rows = np.arange(100)
    values = table.values.copy()
    values[100:] = 1e6
    before = list_arrays(fit_inputs(table, rows, params))
    after = list_arrays(fit_inputs(replace(table, values=values), rows, params))
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


@pytest.mark.parametrize(("rows", "quantiles"), [(10, 10), (200, 40), (10**6, 1000)])
def test_quantiles_grow_with_the_rows(rows, quantiles, params):
    assert count_quantiles(rows, params) == quantiles
