import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fame.learners.autogluon.learner import OUTPUT, PLANNED, make_frame

from fame.learners.autogluon import learner, networks
from fame.learners.autogluon.networks import find_checkpoint
from fame.runtime.devices import import_torchvision
from fame.runtime.errors import InputError
from fame.runtime.files import digest_file


def test_the_leaderboard_holds_every_planned_model_with_its_layer(fitted):
    learner = fitted("autogluon")[0]
    rows = learner.record()["leaderboard"]
    assert {row["model"]: row["layer"] for row in rows}.items() >= PLANNED.items()
    assert all(row["validation_mae"] > 0 for row in rows)
    assert set(learner.fit_seconds()) == {row["model"] for row in rows}
    assert "seconds" not in json.dumps(learner.record())  # they would change what fuse depends on


def test_the_multimodal_model_learns_and_reads_the_words(fitted, tables):
    table, label = tables()
    learner = fitted("autogluon")[0]
    rows = learner.record()["leaderboard"]
    mae = next(row["validation_mae"] for row in rows if row["model"] == "MultiModal_BAG_L1")
    fit = table.fold >= 0
    assert mae < 0.9 * np.abs(label[fit] - np.median(label[fit])).mean()
    others = np.flatnonzero(table.fold < 0)[:50]
    silent = replace(table, texts={name: np.full_like(t, "") for name, t in table.texts.items()})
    with_words, without = (
        learner._predict(make_frame(t, others), "MultiModal_BAG_L1") for t in (table, silent)
    )
    assert not np.allclose(with_words, without)


def test_layer_1_never_trains_on_a_posts_own_label(fitted, learners, tables):
    table, _ = tables()
    own = table.validation_rows(0)
    changed = table.popularity.copy()
    changed[own] += np.random.default_rng(1).normal(scale=0.01, size=len(own))
    learner = learners("autogluon")
    learner.fit(replace(table, popularity=changed))
    before = fitted("autogluon")[0]._predictor
    fit = table.fold >= 0
    first, second = (
        p.predict_oof(model="LightGBM_BAG_L1").to_numpy() for p in (before, learner._predictor)
    )
    in_own = table.fold[fit] == 0
    # A hair's breadth does not change where it stops, so what it learned from others is the same.
    np.testing.assert_allclose(first[in_own], second[in_own], rtol=1e-6)
    assert not np.allclose(first[~in_own], second[~in_own], rtol=1e-6)


def test_models_that_a_killed_fit_finished_are_taken_over(
    fitted, learners, tables, tmp_path, capsys
):
    table, _ = tables()
    kept = tmp_path / "kept"
    kept.mkdir()

    def train(name):
        learner, target = learners("autogluon"), tmp_path / name
        learner.keep_in(kept)
        learner.fit(table)
        target.mkdir()
        learner.save(target)
        return {path.name: path.read_bytes() for path in target.iterdir()}, learner

    whole, first = train("whole")
    assert len(list(kept.glob("*.zip"))) == 5 * len(table.folds)
    np.testing.assert_array_equal(first.predict(table), fitted("autogluon")[0].predict(table))
    for path in [*kept.glob("*_L2_*"), *kept.glob("MultiModal_BAG_L1_S1F[45]*")]:
        path.unlink()
    damaged = kept / "LightGBM_BAG_L1_S1F2.zip"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    capsys.readouterr()
    again, _ = train("again")
    told = capsys.readouterr().err
    assert told.count("taken over from a training that did not end") == 5 + 4 + 3
    assert f"{damaged}: damaged; the model is trained again" in told
    assert again == whole


def test_folds_are_the_tables(fitted, tables):
    table, _ = tables()
    bag = fitted("autogluon")[0]._predictor._trainer.load_model("LightGBM_BAG_L1")
    assert len(bag.models) == len(table.folds)


def test_categories_reach_the_models_as_categories(tables):
    frame = make_frame(tables()[0], np.arange(5))
    assert frame["meta.category"].dtype == "category"
    assert frame["minilm.title_00"].dtype == np.float32
    assert frame["title"].dtype == object


def test_a_planned_model_that_is_missing_stops_with_its_reason(learners, tables, monkeypatch):
    from autogluon.tabular.models import LGBModel

    def fail(*_, **__):
        raise ValueError("no memory left")

    monkeypatch.setattr(LGBModel, "_fit", fail)
    monkeypatch.setattr(learner.AutoGluon, "_hyperparameters", _without_multimodal)
    with pytest.raises(
        InputError, match=r"LightGBM_BAG_L1: no memory left.*MultiModal_BAG_L1: not"
    ):
        learners("autogluon").fit(tables()[0])


def _without_multimodal(*_):
    return {"CAT": {"iterations": 2}, "GBM": {}}


def test_a_tampered_predictor_is_refused_before_it_is_unpickled(
    fitted, learners, tmp_path, monkeypatch
):
    folder = fitted("autogluon")[1]
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with zipfile.ZipFile(tmp_path / "predictor.zip", "a") as archive:
        archive.writestr("learner.pkl", b"cos\nsystem\n(S'true'\ntR.")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=r"predictor\.zip: not the file that was saved"):
        learners("autogluon").load(tmp_path)


def test_a_predictor_whose_digests_were_changed_with_it_is_refused(
    fitted, learners, lock, tmp_path, monkeypatch
):
    folder = tmp_path / "models"
    shutil.copytree(fitted("autogluon")[1], folder)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=r"models: there is no dvc\.lock above it"):
        learners("autogluon").load(folder)
    lock(folder)
    (folder / "predictor.zip").write_bytes(b"pickles of somebody else")
    manifest = json.loads((folder / "learner.json").read_text())
    manifest["files"]["predictor.zip"] = digest_file(folder / "predictor.zip")
    (folder / "learner.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"models: not what dvc\.lock records; not opened"):
        learners("autogluon").load(folder)


def test_no_path_of_this_machine_is_in_its_files(fitted):
    learner, folder = fitted("autogluon")
    with zipfile.ZipFile(folder / "predictor.zip") as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"text_network" in content
    for path in (learner.params.multimodal.checkpoint, Path.cwd(), learner._folder.name):
        assert str(path).encode() not in content


def test_a_fit_row_that_was_not_fitted_on_is_refused(fitted, tables):
    table, _ = tables()
    fold = table.fold.copy()
    fold[-1] = 0
    with pytest.raises(InputError, match="post 1479 was not fitted on; train again"):
        fitted("autogluon")[0].predict(replace(table, fold=fold))


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


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("no/such/folder", "'no/such/folder' is neither a folder nor a model's id"),
        ("owner/name", "owner/name at revision 'main' is not in the cache and the hub cannot be"),
        ("{empty}", r"has no config\.json, so it is no checkpoint of transformers"),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence(learners, tmp_path, monkeypatch, checkpoint, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = checkpoint.format(empty=tmp_path)
    learner = learners("autogluon", multimodal={"checkpoint": path})
    with pytest.raises(InputError, match=message):
        find_checkpoint(learner.params.multimodal)


def test_the_packaged_checkpoint_is_found(learners):
    learner = learners("autogluon", multimodal={"checkpoint": "minilm"})
    assert (Path(find_checkpoint(learner.params.multimodal)) / "model.safetensors").is_file()


def test_torchvision_can_be_imported_twice():
    import_torchvision()
    import_torchvision()


def test_the_output_is_the_average_on_top():
    assert PLANNED[OUTPUT] == max(PLANNED.values())
