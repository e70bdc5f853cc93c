import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame import params
from fame.runtime.errors import InputError

ROOT = Path(__file__).parents[1]


def write(tmp_path, change):
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    change(content)
    path = tmp_path / "params.yaml"
    YAML(typ="safe").dump(content, path)
    return path


def put(key, value):
    def change(content):
        *parents, last = key.split(".")
        for parent in parents:
            content = content[parent]
        content[last] = value

    return change


def test_the_projects_own_parameters_are_valid():
    loaded = params.load(ROOT / "params.yaml")
    assert {"catboost", "lightgbm", "autogluon", "dae"} <= set(loaded.learners)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fusion.alpha", -1, "fusion.alpha: must be greater than or equal to 0, found -1"),
        ("fusion.alpha", float("nan"), "fusion.alpha: must be"),
        ("fusion.alpha", "0.4", "fusion.alpha: must be a valid number, found '0.4'"),
        ("fusion.epsilon", 1, "fusion.epsilon: unknown key; allowed: alpha, beta, by_author"),
        ("fusions", {}, "fusions: unknown key; allowed: backbones, data, fusion"),
        (
            "fusion.others",
            {"forest": 1.0},
            "fusion.others.forest: unknown learner; allowed: autogluon",
        ),
        ("split.folds", 1, "split.folds: must be greater than or equal to 2, found 1"),
        ("split.folds", 2.5, "split.folds: must be a valid integer, found 2.5"),
        (
            "split.protocol",
            "time",
            "split.protocol: must be 'chronological', 'new_users', 'user' or 'random'",
        ),
        (
            "runtime.workers",
            0,
            "runtime.workers: must be 'auto' or a whole number of 1 or more, found",
        ),
        ("runtime.workers", "all", "runtime.workers: must be 'auto' or a whole number"),
        ("runtime.workers", True, "runtime.workers: must be 'auto' or a whole number"),
        ("learners.lightgbm.threads", 2.0, "lightgbm.threads: must be 'auto' or a whole number"),
        ("learners.dae.threads", "auto", "dae.threads: must be a valid integer, found 'auto'"),
        ("split.seed", True, "split.seed: must be a valid integer, found True"),
        ("data.sample.author_level", 0.6, "author_level: must be less than or equal to 0.5"),
        ("data.sample.new_authors", 1.5, "data.sample.new_authors: must be less than or equal"),
        ("data.sample.other_languages", -0.1, "data.sample.other_languages: must be greater than"),
        ("data.sample.hashtags", "0.4", "data.sample.hashtags: must be a valid number"),
        (
            "data.source",
            "flickr",
            "data.source: must be 'sample', 'smpd' or 'table', found 'flickr'",
        ),
        ("data.table.columns.titel", "x", "data.table.columns.titel: unknown key; allowed: categ"),
        ("learners.catboost.kind", "xgboost", "learners.catboost.kind: unknown kind 'xgboost'"),
        ("learners.catboost.depht", 8, "learners.catboost.depht: unknown key; allowed: "),
        (
            "learners.dae.table",
            "all",
            "learners.dae.table: unknown table 'all'; allowed: stack",
        ),
        ("learners.fame", {}, "learners.fame.kind: missing"),
        ("learners.Big", {"kind": "dae"}, "learners.Big: String should match pattern"),
        (
            "backbones.resnet",
            {"kind": "resnet", "reads": "images"},
            "backbones.resnet.kind: unknown kind 'resnet'; allowed: ",
        ),
        (
            "backbones.clip",
            {"kind": "image_stats"},
            "backbones.clip.reads: missing; it has no default",
        ),
        ("leakage.probe_ridge", 0, "leakage.probe_ridge: must be greater than 0, found 0"),
        ("report.importance_repeats", 0, "report.importance_repeats: must be greater than or"),
        ("backbones.minilm.reads", "images", "minilm.reads: must be 'texts', found 'images'"),
        ("tables.trees.blocks", ["vilt"], "tables.trees.blocks: unknown block 'vilt'; allowed: "),
        ("learners.autogluon.multimodal.epoch", 3, "multimodal.epoch: unknown key; allowed: "),
        ("learners.autogluon.catboost.rsm", 2, "autogluon.catboost.rsm: must be"),
        ("backbones.texts", {"kind": "glove"}, "backbones.texts.reads: missing"),
        ("learners.autogluon.multimodal.image_checkpoint", "", "image_checkpoint: String should"),
        (
            "tables.trees.blocks",
            ["efficientnet", "efficientnet"],
            "tables.trees.blocks: a block is named twice",
        ),
        ("tables.trees.dtype", "int8", "tables.trees.dtype: must be 'float32' or 'float16'"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path, key, value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        params.load(write(tmp_path, put(key, value)))


def test_a_missing_key_has_no_default(tmp_path):
    path = write(tmp_path, lambda content: content["split"].pop("seed"))
    with pytest.raises(InputError, match=r"params\.yaml: split\.seed: missing"):
        params.load(path)


def test_weights_that_are_all_zero_are_refused(tmp_path):
    def change(content):
        content["fusion"] |= dict.fromkeys(("alpha", "beta", "gamma", "delta"), 0) | {"others": {}}

    with pytest.raises(InputError, match=r"fusion: the weights of the learners .* are all zero"):
        params.load(write(tmp_path, change))


def test_a_reserved_name_is_refused(tmp_path):
    def change(content):
        content["learners"]["fame"] = content["learners"]["dae"]

    with pytest.raises(InputError, match="'fame' is a name of the pipeline"):
        params.load(write(tmp_path, change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [", "line 2: not valid YAML"),
        ("- a\n- b\n", "expected blocks of parameters, found list"),
        ("", "expected blocks of parameters, found NoneType"),
        ("split: {seed: 1, seed: 2}", "not valid YAML: found duplicate key"),
    ],
)
def test_a_file_that_is_no_parameters_is_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        params.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        params.load(tmp_path / "params.yaml")


def test_numbers_mean_what_dvc_reads(tmp_path):
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    path.write_text(path.read_text().replace("alpha: 0.1 ", "alpha: 1e-1 "))
    assert params.load(path).fusion.alpha == 0.1


def test_an_unknown_entry_lists_the_allowed():
    with pytest.raises(InputError, match=r"params\.yaml: tables: no entry 'x'; allowed: a, b"):
        params.choose({"a": 1, "b": 2}, "x", "tables")


def test_without_kinds_only_what_all_kinds_share_is_checked(tmp_path):
    path = write(tmp_path, put("learners.dae.sigma", "no number"))
    loaded = params.load(path, kinds=False)
    assert loaded.learners["dae"].table == "trees"
    assert loaded.backbones["minilm"].reads == "texts"
    for change, message in (
        (put("learners.dae.table", 1), "learners.dae.table: must be a valid string, found 1"),
        (put("learners.dae.table", "none"), "learners.dae.table: unknown table 'none'"),
        (put("learners.dae", "none"), "learners.dae: must be a valid dictionary"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            params.load(write(tmp_path, change), kinds=False)


@pytest.mark.parametrize(
    "root",
    [
        ".",
        "data",
        "data/",
        "./data/interim",
        "data/interim/mine",
        "models",
        "a/../data",
        ".dvc/x",
        "",
        "  ",
        "a\nb",
        "${data}",
        "s3://bucket",
        "..",
        "../..",
    ],
)
def test_a_root_that_cannot_work_is_refused_in_one_sentence(write_params, tmp_path, root):
    write_params(**{"data.root": root})
    with pytest.raises(InputError, match=r"data\.root: must be") as caught:
        params.load(tmp_path / "params.yaml", kinds=False)
    assert "\n" not in str(caught.value).split(", found")[0]


@pytest.mark.parametrize(
    "root", ["my posts", "it's", "$HOME/posts", "a&b", "~/posts", "data/raw/mine", "/far/away"]
)
def test_any_other_root_is_a_name_of_a_folder(write_params, tmp_path, root):
    write_params(**{"data.root": root})
    assert params.load(tmp_path / "params.yaml", kinds=False).data.root == root


@pytest.mark.parametrize("source", ["smpd", "table"])
@pytest.mark.parametrize("root", ["data/raw/sample", "data/raw", "data/raw/sample/mine"])
def test_posts_lie_apart_from_the_sample_that_is_simulated_anew(
    write_params, tmp_path, source, root
):
    write_params(**{"data.source": source, "data.root": root})
    with pytest.raises(InputError, match=r"data\.root: must be a folder of its own, as data/raw/m"):
        params.load(tmp_path / "params.yaml", kinds=False)


def test_an_absolute_root_inside_the_project_is_that_place(write_params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(**{"data.root": str(tmp_path / "data")})
    with pytest.raises(InputError, match="which the pipeline writes"):
        params.load(tmp_path / "params.yaml", kinds=False)


@pytest.mark.parametrize(
    ("source", "transform", "unit"),
    [
        ("sample", "none", "log2 of the views a day plus 1, in which 1 is a factor of 2"),
        ("smpd", "none", "log2 of the views a day plus 1, in which 1 is a factor of 2"),
        ("smpd", "log2p1", "log2(popularity + 1), in which 1 is a factor of 2"),
        ("table", "log2p1", "log2(likes + 1), in which 1 is a factor of 2"),
        ("table", "none", "the target as it is given (likes)"),
    ],
)
def test_the_unit_of_labels_is_named_whatever_the_source(
    write_params, tmp_path, source, transform, unit
):
    changes = {"data.source": source, "data.target_transform": transform}
    changes |= {"data.table.columns.target": "likes", "data.root": f"data/raw/{source}"}
    write_params(**changes)
    data = params.load(tmp_path / "params.yaml", kinds=False).data
    assert data.describe_unit().endswith(unit)
