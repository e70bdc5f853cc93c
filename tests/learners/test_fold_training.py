import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.learners.fold_training import CURVE_POINTS, Step, thin


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


@pytest.fixture
def checkpoints(learners, tables, tmp_path):
    """A folder in which a training of the autoencoder has finished folds 0 and 1."""
    trainer = learners("dae").trainer
    fit_fold = trainer.fit_fold

    def fail_on_fold_2(table, fold):
        if fold == 2:
            raise KeyboardInterrupt
        return fit_fold(table, fold)

    trainer.fit_fold = fail_on_fold_2
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tables()[0].training, tmp_path)
    return tmp_path


def go_on(learners, tables, checkpoints, monkeypatch):
    """A learner that went on in ``checkpoints``, and the folds that it trained."""
    learner, trained = learners("dae"), []
    fit_fold = learner.trainer.fit_fold
    monkeypatch.setattr(
        learner.trainer,
        "fit_fold",
        lambda table, fold: trained.append(fold) or fit_fold(table, fold),
    )
    return learner.fit(tables()[0], checkpoints), trained


def test_finished_folds_are_resumed(fitted, learners, tables, checkpoints, monkeypatch, capsys):
    learner, trained = go_on(learners, tables, checkpoints, monkeypatch)
    assert trained == [2, 3, 4]
    told = f"{checkpoints}: resumed; folds 0, 1 are finished, 2, 3, 4 to train"
    assert told in capsys.readouterr().err
    whole = fitted("dae")
    assert learner.trainer.record() == whole.trainer.record()
    assert learner.trainer.curves() == whole.trainer.curves()
    assert learner.read() == whole.read()
    table, _ = tables()
    np.testing.assert_array_equal(learner.predict(table), whole.predict(table))
    assert go_on(learners, tables, checkpoints, monkeypatch)[1] == []
    assert "folds 0, 1, 2, 3, 4 are finished, none to train" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["model", "note", "lost model", "no note"])
def test_a_damaged_fold_is_trained_again(
    damage, fitted, learners, tables, checkpoints, monkeypatch, capsys
):
    path = checkpoints / ("fold_1.safetensors" if "model" in damage else "fold_1.note.json")
    content = path.read_bytes()
    if damage in ("model", "note"):
        place = len(content) // 2
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    else:
        path.unlink()
    learner, trained = go_on(learners, tables, checkpoints, monkeypatch)
    assert trained == [1, 2, 3, 4]
    # Without a note the fold was killed before it was whole.
    assert ("fold_1.safetensors: damaged" in capsys.readouterr().err) == (damage != "no note")
    assert learner.trainer.record() == fitted("dae").trainer.record()
    assert learner.read() == fitted("dae").read()
