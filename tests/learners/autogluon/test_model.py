import json
import shutil
import zipfile
from contextlib import chdir
from dataclasses import replace

import numpy as np
import pytest

from fame.learners.autogluon.frames import make_frame
from fame.learners.autogluon.kinds import OUTPUT
from fame.runtime.errors import InputError
from fame.runtime.files import digest_file


def test_the_multimodal_model_reads_the_words(fitted, tables):
    table, _ = tables()
    trainer = fitted("autogluon").trainer  # what is saved leaves models without a weight out
    others = np.flatnonzero(table.fold < 0)[:50]
    silent = replace(table, texts={name: np.full_like(t, "") for name, t in table.texts.items()})
    with chdir(trainer._folder.name):
        with_words, without = (
            trainer._predictor.predict(
                make_frame(t, others, trainer.params), model="MultiModal_BAG_L1"
            )
            for t in (table, silent)
        )
    assert not np.allclose(with_words, without)


def test_predictions_out_of_fold_are_those_of_the_saved_models(fitted, tables):
    """Layer by layer: each post by the models of its fold, stacked, and averaged as saved."""
    learner, table = fitted("autogluon"), tables()[0].training
    trainer, found = learner.trainer, {}
    predictor = trainer._predictor
    with chdir(trainer._folder.name):
        frame = make_frame(table, table.all_rows, trainer.params)
        features = predictor.transform_features(frame)
        for layer in ("L1", "L2"):
            below = dict(found)
            for name in (n for n in predictor.model_names() if n.endswith(f"_BAG_{layer}")):
                bag = predictor._trainer.load_model(name)
                seen = features.assign(**{base: below[base] for base in bag.base_model_names})
                found[name] = np.empty(len(features), np.float32)
                for fold, child in zip(table.folds, bag.models, strict=True):
                    own = table.validation_rows(fold)
                    found[name][own] = bag.load_child(child).predict(seen.iloc[own])
        average = predictor._trainer.load_model(OUTPUT)
        weights = average.load_child(average.models[0])._get_model_weights()
    assert len(found) == 5
    expected = sum(weight * found[name] for name, weight in weights.items())
    np.testing.assert_allclose(learner.trainer.out_of_fold(), expected, rtol=1e-6)


def test_one_post_is_predicted_as_among_others_and_nothing_is_shown(fitted, tables, capfd):
    model, table = fitted("autogluon").model, tables()[0]
    among = model.predict(table, np.arange(5))
    alone = [model.predict(table, np.array([row]))[0] for row in range(5)]
    np.testing.assert_allclose(alone, among, atol=1e-6)
    assert capfd.readouterr().out == ""


def test_a_tampered_predictor_is_refused_before_it_is_unpickled(
    fitted, learners, tmp_path, monkeypatch
):
    for path in fitted("autogluon").folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with zipfile.ZipFile(tmp_path / "predictor.zip", "a") as archive:
        archive.writestr("learner.pkl", b"cos\nsystem\n(S'true'\ntR.")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=r"predictor\.zip: not the file that was saved"):
        learners("autogluon").model.load(tmp_path)


def test_a_predictor_whose_digests_were_changed_with_it_is_refused(
    fitted, learners, lock, tmp_path, monkeypatch
):
    folder = tmp_path / "models"
    shutil.copytree(fitted("autogluon").folder, folder)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match=r"models: there is no dvc\.lock above it"):
        learners("autogluon").model.load(folder)
    lock(folder)
    folder.rename(tmp_path / "another")
    with pytest.raises(InputError, match=r"another: dvc\.lock does not record it; not opened"):
        learners("autogluon").model.load(tmp_path / "another")
    (tmp_path / "another").rename(folder)
    (folder / "predictor.zip").write_bytes(b"pickles of somebody else")
    manifest = json.loads((folder / "learner.json").read_text())
    manifest["files"]["predictor.zip"] = digest_file(folder / "predictor.zip")
    (folder / "learner.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"models: not what dvc\.lock records; not opened"):
        learners("autogluon").model.load(folder)


def test_a_table_without_texts_is_refused(fitted, tables):
    with pytest.raises(InputError, match="needs title and tags; add texts to the blocks"):
        fitted("autogluon").model.predict(replace(tables()[0], texts={}))
