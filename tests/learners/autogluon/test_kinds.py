"""Which models the stack holds: by parameter."""

import json
import zipfile

import numpy as np
import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML
from scipy.stats import spearmanr

from fame.learners.autogluon.kinds import OUTPUT, plan
from fame.learners.autogluon.params import Params

TRIO = ["catboost", "lightgbm", "multimodal"]


@pytest.fixture
def block(request):
    text = (request.config.rootpath / "params.yaml").read_text(encoding="utf-8")
    return YAML(typ="safe").load(text)["learners"]["autogluon"] | {"models": TRIO, "others": {}}


def test_the_papers_trio_is_planned_as_published(block):
    assert plan(Params.model_validate(block)) == {
        "CatBoost_BAG_L1": 1,
        "LightGBM_BAG_L1": 1,
        "MultiModal_BAG_L1": 1,
        "CatBoost_BAG_L2": 2,
        "LightGBM_BAG_L2": 2,
        "WeightedEnsemble_L3": 3,
    }


def test_what_is_planned_follows_the_parameters(block):
    changes = {"models": ["lightgbm", "extra_trees"], "others": {"extra_trees": {}}}
    params = Params.model_validate(block | changes)
    assert plan(params) == {
        "LightGBM_BAG_L1": 1,
        "ExtraTrees_BAG_L1": 1,
        "LightGBM_BAG_L2": 2,
        "ExtraTrees_BAG_L2": 2,
        "WeightedEnsemble_L3": 3,
    }
    assert not params.reads_texts
    assert params.image_checkpoint is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"models": []}, "at least 1 item"),
        ({"models": ["catboost", "catboost"]}, "must name a kind once"),
        ({"models": ["multimodal"]}, "must name a kind that can stand on others"),
        ({"models": ["catboost", "boosting"]}, "'catboost', 'lightgbm'"),
        ({"models": ["catboost", "network"]}, "must have blocks for what models names: network"),
        ({"others": {"network": {}}}, "must have blocks for what models names: no kind"),
    ],
)
def test_models_are_checked(block, changes, told):
    with pytest.raises(ValidationError, match=told):
        Params.model_validate(block | changes)


@pytest.mark.parametrize("checkpoint", [None, "some/folder"])
def test_images_are_read_by_the_multimodal_model_alone(block, checkpoint):
    multimodal = block["multimodal"] | {"image_checkpoint": checkpoint}
    both = Params.model_validate(block | {"multimodal": multimodal})
    assert both.image_checkpoint == checkpoint
    without = Params.model_validate(
        block | {"multimodal": multimodal, "models": ["catboost", "lightgbm"]}
    )
    assert without.image_checkpoint is None


@pytest.mark.slow
def test_a_stack_of_other_kinds_learns_and_keeps_what_it_predicts_with(
    learners, tables, tmp_path, lock
):
    table, label = tables()
    others = {"extra_trees": {"n_estimators": 30}, "network": {"num_epochs": 2}}
    learner = learners("autogluon")
    changes = {"models": ["lightgbm", "extra_trees", "network"], "others": others}
    params = learner.trainer.params.model_copy(update=changes)
    learner.trainer.params = learner.model.params = params
    silent = type(table)(**vars(table) | {"texts": {}})  # nothing reads words
    (tmp_path / "checkpoints").mkdir()
    learner.trainer.fit(silent.training, tmp_path / "checkpoints")
    assert {row["model"] for row in learner.trainer.record()["leaderboard"]} >= set(plan(params))
    folder = tmp_path / "models"
    folder.mkdir()
    learner.trainer.save(folder)
    with zipfile.ZipFile(folder / "predictor.zip") as archive:
        names = json.loads(archive.read("files.json"))
    bags = {name.split("/")[1] for name in names if name.count("/") > 1 and "models/" in name}
    needed = learner.trainer._predictor._trainer.get_minimum_model_set(OUTPUT)
    assert bags == set(needed)
    lock(folder)
    learner.model.load(folder)
    rows = np.flatnonzero(table.fold < 0)
    assert spearmanr(learner.model.predict(silent, rows), label[rows]).statistic > 0.6
