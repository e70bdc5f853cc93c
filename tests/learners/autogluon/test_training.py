import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fame.learners.autogluon import archive, networks, training
from fame.learners.autogluon.kinds import OUTPUT, plan
from fame.runtime.cores import count_cores
from fame.runtime.errors import InputError
from fame.runtime.versions import list_versions


def test_the_leaderboard_holds_every_planned_model_with_its_layer(fitted):
    trainer = fitted("autogluon").trainer
    rows = trainer.record()["leaderboard"]
    assert {row["model"]: row["layer"] for row in rows}.items() >= plan(trainer.params).items()
    assert all(row["validation_mae"] > 0 for row in rows)
    assert set(trainer.fit_seconds()) == {row["model"] for row in rows}
    assert "seconds" not in json.dumps(trainer.record())  # they would change what fuse depends on


def test_the_multimodal_model_learns(fitted, tables):
    table, label = tables()
    rows = fitted("autogluon").trainer.record()["leaderboard"]
    mae = next(row["validation_mae"] for row in rows if row["model"] == "MultiModal_BAG_L1")
    fit = table.fit_rows
    assert mae < 0.9 * np.abs(label[fit] - np.median(label[fit])).mean()


def test_layer_1_never_trains_on_a_posts_own_label(fitted, learners, tables):
    table, _ = tables()
    own = np.flatnonzero(table.fold == 0)
    changed = table.popularity.copy()
    changed[own] += np.random.default_rng(1).normal(scale=0.01, size=len(own))
    learner = learners("autogluon").fit(replace(table, popularity=changed))
    first, second = (
        one.trainer._predictor.predict_oof(model="LightGBM_BAG_L1").to_numpy()
        for one in (fitted("autogluon"), learner)
    )
    in_own = table.fold[table.fit_rows] == 0
    # A hair's breadth does not change where it stops, so what it learned from others is the same.
    np.testing.assert_allclose(first[in_own], second[in_own], rtol=1e-6)
    assert not np.allclose(first[~in_own], second[~in_own], rtol=1e-6)


@pytest.mark.slow
def test_models_that_a_killed_fit_finished_are_resumed(fitted, learners, tables, tmp_path, capsys):
    table, _ = tables()
    checkpoints = tmp_path / "checkpoints"
    whole = learners("autogluon").fit(table, checkpoints)
    folds = len(table.training.folds)
    assert len(list(checkpoints.glob("*.zip"))) == 5 * folds
    np.testing.assert_array_equal(whole.predict(table), fitted("autogluon").predict(table))
    for path in [*checkpoints.glob("*_L2_*"), *checkpoints.glob("MultiModal_BAG_L1_S1F[45]*")]:
        path.unlink()
    damaged = checkpoints / "LightGBM_BAG_L1_S1F2.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    capsys.readouterr()
    again = learners("autogluon").fit(table, checkpoints)
    told = capsys.readouterr().err
    assert told.count(".zip: resumed") == 5 + 4 + 3
    assert f"{damaged}: damaged; the model is trained again" in told
    assert again.read() == whole.read()
    assert again.trainer.out_of_fold().tobytes() == whole.trainer.out_of_fold().tobytes()


def test_folds_are_the_tables(fitted, tables):
    bag = fitted("autogluon").trainer._predictor._trainer.load_model("LightGBM_BAG_L1")
    assert len(bag.models) == len(tables()[0].training.folds)


def test_no_more_cores_are_asked_for_than_there_are(learners, tables):
    """AutoGluon would refuse every model."""
    learner = learners("autogluon", models=["lightgbm"], threads=count_cores() + 1).fit(tables()[0])
    assert len(learner.trainer.record()["leaderboard"]) >= 2


def test_a_planned_model_that_is_missing_stops_with_its_reason(learners, tables, monkeypatch):
    from autogluon.tabular.models import LGBModel

    def fail(*_, **__):
        raise ValueError("no memory left")

    monkeypatch.setattr(LGBModel, "_fit", fail)
    monkeypatch.setattr(training.Trainer, "_hyperparameters", _without_multimodal)
    with pytest.raises(
        InputError, match=r"LightGBM_BAG_L1: no memory left.*MultiModal_BAG_L1: not"
    ):
        learners("autogluon").fit(tables()[0])


def _without_multimodal(*_):
    return {"CAT": {"iterations": 2}, "GBM": {}}


def test_no_path_of_this_machine_is_in_its_files(fitted):
    learner = fitted("autogluon")
    with zipfile.ZipFile(learner.folder / "predictor.zip") as file:
        content = b"".join(file.read(name) for name in file.namelist())
    assert b"text_network" in content
    trainer = learner.trainer
    for path in (trainer.params.multimodal.checkpoint, Path.cwd(), trainer._folder.name):
        assert str(path).encode() not in content


def test_no_package_that_cannot_change_a_result_is_in_its_files(fitted, tmp_path):
    learner = fitted("autogluon")
    archive.unpack(learner.folder / "predictor.zip", tmp_path)
    assert json.loads((tmp_path / "metadata.json").read_text())["packages"] == list_versions()


def test_a_table_without_texts_is_refused_before_training(learners, tables):
    with pytest.raises(InputError, match="needs title and tags; add texts to the blocks"):
        learners("autogluon").fit(replace(tables()[0], texts={}))


def test_a_missing_part_of_autogluon_is_one_sentence(learners, tables, monkeypatch):
    real = networks.find_spec
    monkeypatch.setattr(
        networks,
        "find_spec",
        lambda name: None if name == "autogluon.multimodal" else real(name),
    )
    with pytest.raises(InputError, match=r"autogluon\.multimodal is not installed; run `pip"):
        learners("autogluon").fit(tables()[0])


def test_the_output_is_the_average_on_top(learners):
    planned = plan(learners("autogluon").trainer.params)
    assert planned[OUTPUT] == max(planned.values())
