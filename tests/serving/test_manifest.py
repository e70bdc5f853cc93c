import json
import tarfile

import pytest

from fame.fusion import fusion_file
from fame.learners.lightgbm.model import Model
from fame.runtime import dvc_lock, files
from fame.runtime.errors import InputError
from fame.serving import export, manifest
from fame.serving.bundle import digest_files
from fame.serving.predictor import Predictor

FUSION = "fusion.json"


def change(folder, **changes):
    path = folder / "manifest.json"
    files.write_json(path, files.read_json(path) | changes)


def change_weight(folder):
    content = files.read_json(folder / FUSION)
    content["weights"]["new"]["lightgbm"] += 0.1
    files.write_json(folder / FUSION, content)


def fuse_others(folder):
    content = fusion_file.read(folder / FUSION)
    fusion_file.write(folder / FUSION, content | {"models": {"lightgbm": "x", "dae": "y"}})


def test_the_manifest_tells_what_was_trained(models):
    content = files.read_json(models / "manifest.json")
    training = content["training"]
    assert training["posts"] == 120
    assert len(training["label_quantiles"]) == 101
    assert content["versions"]["lightgbm"]
    assert content["params"]["data"]["target_transform"] == "none"
    assert "runtime" not in content["params"]
    assert {"encoders/minilm/fingerprint.json", "index/posts.parquet"} <= set(content["files"])


def test_a_folder_is_listed_without_what_else_lies_there(tmp_path):
    for name in ("learners/own/a.txt", "learners/other/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    assert list(digest_files(tmp_path, [tmp_path / "learners/own"])) == ["learners/own/a.txt"]


def test_it_loads_as_it_was_written(models):
    bundle = manifest.open_bundle(models)
    assert bundle.learners == ["lightgbm", "catboost"]
    assert bundle.left_out == {}
    assert bundle.params.learners["lightgbm"].iterations == 15
    assert {"fame", "median", "interval_80", "interval_95"} <= set(bundle.training["holdout"])


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda f: (f / FUSION).unlink(), "fusion.json: no such file"),
        (lambda f: (f / FUSION).write_text("{}"), "fusion.json: not the file that was saved"),
        (lambda f: (f / FUSION).write_text("[1]"), "fusion.json: not the file that was saved"),
        (change_weight, "fusion.json: not the file that was saved"),
        (
            fuse_others,
            "fusion.json: of another training of lightgbm, catboost, dae than manifest.json; run",
        ),
        (lambda f: (f / "manifest.json").unlink(), "no such file; a bundle is the folder models/"),
        (lambda f: (f / "manifest.json").write_text("{"), "not valid JSON"),
        (lambda f: change(f, format=1), "format 1, expected 4"),
        (lambda f: change(f, files={"../../etc/passwd": "x"}), "leaves the bundle"),
        (lambda f: change(f, files={"/etc/passwd": "x"}), "leaves the bundle"),
        (
            lambda f: change(f, versions={"lightgbm": "0.1", "numpy": "0.2"}),
            r"trained with lightgbm 0.1 \(here .*\), numpy 0.2 \(here .*--any-versions",
        ),
        (lambda f: change(f, params={}), "manifest.json: params: data: missing"),
    ],
)
def test_a_bundle_that_is_not_as_written_is_refused(copied, act, sentence):
    act(copied)
    with pytest.raises(InputError, match=sentence) as error:
        manifest.open_bundle(copied)
    assert "\n" not in str(error.value)


def test_all_that_is_wrong_is_said_together(copied):
    for path in (copied / "learners/lightgbm").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"missing; .*missing; .*missing"):
        manifest.open_bundle(copied)


def test_other_versions_can_be_accepted(copied):
    change(copied, versions={"lightgbm": "0.1"})
    assert manifest.open_bundle(copied, any_versions=True).learners


def test_weights_that_are_not_those_of_the_training_are_refused(copied):
    path = copied / "encoders/minilm/fingerprint.json"
    files.write_json(path, files.read_json(path) | {"max_tokens": 5})
    digests = files.read_json(copied / "manifest.json")["files"]
    name = "encoders/minilm/fingerprint.json"
    change(copied, files=digests | {name: files.digest_file(path)})
    with pytest.raises(InputError, match=r"max_tokens of the backbone differ .*max_tokens 5; here"):
        Predictor.load(copied)


def test_pickles_open_only_as_the_manifest_records_them(copied):
    """`check_locked` is what stands before every unpickling."""
    folder = copied / "learners/lightgbm"
    dvc_lock.check_locked(folder)
    (folder / "more.txt").write_text("x")
    with pytest.raises(InputError, match=r"no dvc\.lock above it"):
        dvc_lock.check_locked(folder)
    (folder / "more.txt").unlink()
    dvc_lock.check_locked(folder)
    with (folder / "fold_0.txt").open("a") as file:
        file.write(" ")
    with pytest.raises(InputError, match=r"no dvc\.lock above it"):
        dvc_lock.check_locked(folder)


def test_an_export_predicts_the_same(models, predictor, tmp_path):
    content, target = files.read_json(models / "manifest.json"), tmp_path / "out.tar"
    export.pack(models, content, target)
    again = tmp_path / "again.tar"
    export.pack(models, content, again)
    assert target.read_bytes() == again.read_bytes()
    posts = [{"title": "A cat"}]
    assert Predictor.load(target, threads=1).predict(posts).equals(predictor.predict(posts))


def test_an_export_can_leave_pickles_out(models, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "pickled", True, raising=False)  # as AutoGluon's
    content = export.leave_out_pickles(files.read_json(models / "manifest.json"))
    assert content["left_out"] == {"lightgbm": "its models hold pickles"}
    assert not any(name.startswith("learners/lightgbm") for name in content["files"])
    export.pack(models, content, tmp_path / "out.tar")
    own = Predictor.load(tmp_path / "out.tar", threads=1)
    table, whole = own.predict([{"title": "A cat"}]), predictor.predict([{"title": "A cat"}])
    assert "learner_lightgbm" not in table
    assert table["prediction"].equals(whole["learner_catboost"].rename("prediction"))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda content: content.pop("files"), "files: missing"),
        (lambda content: content["training"].pop("first_post"), "training.first_post: missing"),
        (lambda content: content["columns"].pop(0), "columns: lacks post_id"),
        (lambda content: content["learners"].pop(), "learners are not those of its params"),
        (lambda content: content["params"]["learners"]["catboost"].pop("kind"), "kind: missing"),
        (
            lambda content: content["left_out"].update(other="x"),
            "left_out: expected some of its learners",
        ),
        (
            lambda content: content["left_out"].update(lightgbm="x", catboost="x"),
            "left_out: expected some of its learners, not all",
        ),
    ],
)
def test_a_manifest_of_another_shape_is_a_sentence(copied, spoil, sentence):
    content = files.read_json(copied / "manifest.json")
    spoil(content)
    files.write_json(copied / "manifest.json", content)
    with pytest.raises(InputError, match=sentence):
        Predictor.load(copied, threads=1)


def test_an_export_without_any_learner_is_refused(models, monkeypatch):
    content = files.read_json(models / "manifest.json")
    content["params"]["learners"].pop("catboost")
    monkeypatch.setattr(Model, "pickled", True, raising=False)
    with pytest.raises(InputError, match="none would be left"):
        export.leave_out_pickles(content)


def write_tar(path, name, kind=tarfile.REGTYPE):
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)


def test_an_archive_writes_nowhere_else(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    write_tar(tmp_path / "up.tar", "../outside.txt")
    write_tar(tmp_path / "link.tar", "models/link", tarfile.SYMTYPE)
    (tmp_path / "no.tar").write_text("no archive")
    for name in ("up", "link", "no"):
        with pytest.raises(InputError, match=f"{name}.tar"):
            export.unpack(tmp_path / f"{name}.tar", inside)
    assert not (tmp_path / "outside.txt").exists()
    assert not (inside / "models/link").is_symlink()


def test_the_manifest_is_sorted_json(models):
    text = (models / "manifest.json").read_text()
    assert json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n" == text
