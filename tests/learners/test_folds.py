import numpy as np
import pytest
from fame.learners.folds import CURVE_POINTS, Step, read_rows, thin
from hypothesis import given
from hypothesis import strategies as st

from fame.learners import folds
from fame.runtime import arrays


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
    monkeypatch.setattr(arrays, "BYTES_AT_ONCE", 300)  # of 64 or 128 a row
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


@pytest.fixture
def kept(learners, tables, tmp_path):
    """A folder in which a training of the autoencoder has finished folds 0 and 1."""
    learner = learners("dae")
    fit_fold = learner.fit_fold

    def fail_on_fold_2(table, fold):
        if fold == 2:
            raise KeyboardInterrupt
        return fit_fold(table, fold)

    learner.fit_fold = fail_on_fold_2
    learner.keep_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        learner.fit(tables()[0])
    return tmp_path


def go_on(learners, tables, kept, monkeypatch, **changes):
    """A learner that went on in ``kept``, and the folds that it trained."""
    learner, trained = learners("dae", **changes), []
    fit_fold = learner.fit_fold
    monkeypatch.setattr(
        learner, "fit_fold", lambda table, fold: trained.append(fold) or fit_fold(table, fold)
    )
    learner.keep_in(kept)
    learner.fit(tables()[0])
    return learner, trained


def test_finished_folds_are_taken_over(fitted, learners, tables, kept, monkeypatch, capsys):
    learner, trained = go_on(learners, tables, kept, monkeypatch)
    assert trained == [2, 3, 4]
    told = "folds 0, 1 are taken over from a training that did not end; 2, 3, 4 to train"
    assert told in capsys.readouterr().err
    whole = fitted("dae")[0]
    assert learner.record() == whole.record()
    assert learner.curves() == whole.curves()
    table, _ = tables()
    np.testing.assert_array_equal(learner.predict(table), whole.predict(table))
    assert go_on(learners, tables, kept, monkeypatch)[1] == []


@pytest.mark.parametrize("damage", ["model", "note", "lost model", "no note"])
def test_a_damaged_fold_is_trained_again(
    damage, fitted, learners, tables, kept, monkeypatch, capsys
):
    path = kept / ("fold_1.safetensors" if "model" in damage else "fold_1.note.json")
    content = path.read_bytes()
    if damage in ("model", "note"):
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    else:
        path.unlink()
    learner, trained = go_on(learners, tables, kept, monkeypatch)
    assert trained == [1, 2, 3, 4]
    # Without a note the fold was killed before it was whole.
    assert ("fold_1.safetensors: damaged" in capsys.readouterr().err) == (damage != "no note")
    assert learner.record() == fitted("dae")[0].record()


def test_a_shared_encoder_is_taken_over_too(learners, tables, tmp_path, monkeypatch):
    table, _ = tables()
    whole, _ = go_on(learners, tables, tmp_path, monkeypatch, encoder="shared")
    for path in tmp_path.glob("fold_[1-4]*"):
        path.unlink()
    learner, trained = go_on(learners, tables, tmp_path, monkeypatch, encoder="shared")
    assert trained == [1, 2, 3, 4]
    np.testing.assert_array_equal(learner.predict(table), whole.predict(table))
    assert learner.record() == whole.record()
