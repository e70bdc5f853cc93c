import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.common import io
from fame.learners import folds
from fame.learners.folds import CURVE_POINTS, Step, read_rows, thin


@given(st.integers(0, 700), st.integers(0, 700))
def test_thinning_keeps_first_and_last_of_each_phase_in_order(first, second):
    phases = {"phase_1": first, "phase_2": second}
    curve = [
        Step(phase, i, 1 / i, 2 / i) for phase, count in phases.items() for i in range(1, count + 1)
    ]
    kept = thin(curve)
    assert set(kept) <= set(curve)
    for phase, count in phases.items():
        iterations = [step.iteration for step in kept if step.phase == phase]
        assert len(iterations) == min(count, CURVE_POINTS)
        assert iterations == sorted(set(iterations))
        if count:
            assert (iterations[0], iterations[-1]) == (1, count)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_are_read_in_the_order_asked_for_whatever_the_chunk(dtype, tables, monkeypatch):
    table, _ = tables(dtype)
    rows = np.array([400, 3, 3, 17, 0])
    monkeypatch.setattr(io, "BYTES_AT_ONCE", 300)  # of 64 or 128 a row
    for columns in (None, [5, 1], []):
        values = read_rows(table, rows, columns)
        assert values.dtype == np.float32
        expected = table.values[rows] if columns is None else table.values[rows][:, columns]
        np.testing.assert_array_equal(values, expected)
    assert read_rows(table, rows[:0]).shape == (0, len(table.columns))


@pytest.mark.parametrize("kind", ["catboost", "lightgbm"])
def test_the_size_of_a_chunk_does_not_change_the_prediction_of_trees(
    kind, fitted, tables, monkeypatch
):
    table, _ = tables()
    learner = fitted(kind)[0]
    whole = learner.predict(table)
    monkeypatch.setattr(folds, "CHUNK_ROWS", 7)
    np.testing.assert_array_equal(learner.predict(table), whole)
