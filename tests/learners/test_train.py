import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fame import params
from fame.features import block_files
from fame.learners import table_files, train
from fame.registry import LEARNERS, resolve_learner
from fame.runtime import files, ids, imports, versions
from fame.runtime.errors import InputError

OUTPUTS = {
    "model": "models",
    "out-of-fold": "out_of_fold.parquet",
    "record": "record.json",
    "curves": "curves.csv",
}


def arguments(learner, output=""):
    return [learner, "--table=fit", *(f"--{name}={output}{OUTPUTS[name]}" for name in OUTPUTS)]


def read_outputs(folder):
    paths = [p for name in OUTPUTS.values() for p in (folder / name, *(folder / name).glob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_two_processes_write_the_same_bytes(kind, folder, run_stage):
    run_stage("learners.train", *arguments(kind))
    other = subprocess.run(
        [sys.executable, "-m", "fame.learners.train", *arguments(kind, "other/")],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    )
    assert other.returncode == 0, other.stderr
    written, again = read_outputs(folder / "other"), read_outputs(folder)
    assert len(written) >= 3 + 2  # three files, a manifest and one other at least of models
    if kind == "autogluon":  # its own files hold times; all that others read does not
        for file in ("models/predictor.zip", "models/learner.json"):
            assert written.pop(file)
            del again[file]
    assert again == written


def test_record_curves_and_last_line(folder, run_stage, capsys):
    run_stage("learners.train", *arguments("lightgbm"))
    record = files.read_json(folder / "record.json")
    out_of_fold = files.read_table(folder / "out_of_fold.parquet")
    assert {key: record[key] for key in ("learner", "kind", "seed", "rows", "columns")} == {
        "learner": "lightgbm",
        "kind": "lightgbm",
        "seed": 7,
        "rows": 160,
        "columns": 32,
    }
    assert out_of_fold.column_names == ["post_id", "prediction"]
    post_ids = out_of_fold["post_id"].to_pylist()
    assert post_ids == [str(1000 + i) for i in range(160)]
    assert record["fitted_on"] == ids.digest(post_ids)
    assert [fold["rows_trained"] for fold in record["folds"]] == [106, 107, 107]
    table = table_files.read_fit_table(folder / "fit")
    for fold in record["folds"]:
        own = table.validation_rows(fold["fold"])
        error = np.abs(out_of_fold["prediction"].to_numpy()[own] - table.popularity[own])
        assert fold["validation_mae"] == pytest.approx(error.mean(), abs=1e-6)
    lines = (folder / "curves.csv").read_text().splitlines()
    assert lines[0] == "phase,fold,iteration,training_mae,validation_mae"
    assert lines[1].startswith("boosting,0,1,")
    assert len(lines) == 1 + 3 * 60
    last = capsys.readouterr().out.splitlines()[-1]
    best = " ".join(str(fold["best_iteration"]) for fold in record["folds"])
    mae = np.mean([fold["validation_mae"] for fold in record["folds"]])
    assert last.startswith(
        f"lightgbm: 160 training posts, 3 folds, best iterations {best}, validation MAE {mae:.4f}, "
    )


def test_a_large_error_is_written_out():
    folds = [{"validation_mae": 1755771.0}, {"validation_mae": 1755772.2}]
    said = train.summarise({"learner": "ridge", "folds": folds, "clipped": 0}, 2000, 1.0)
    assert said == "ridge: 2,000 training posts, 2 folds, validation MAE 1,755,771.6000, 1 s"


@pytest.mark.parametrize("kind", ["ridge", "extratrees"])
def test_what_stops_at_no_iteration_names_none(kind, folder, run_stage, capsys):
    run_stage("learners.train", *arguments(kind))
    assert "best_iteration" not in (folder / "record.json").read_text()
    assert ", 3 folds, validation MAE " in capsys.readouterr().out


def test_unknown_learner_names_the_known(folder, run_stage):
    with pytest.raises(InputError, match=f"'forest'; allowed: {', '.join(sorted(LEARNERS))}"):
        run_stage("learners.train", *arguments("forest"))
    assert not any((folder / name).exists() for name in OUTPUTS.values())


def test_a_failure_leaves_what_was_there_and_nothing_half_written(folder, run_stage, monkeypatch):
    run_stage("learners.train", *arguments("lightgbm"))
    before = read_outputs(folder)

    def fail(*given):
        given[-1].write_text("half")
        raise InputError("the disk is full")

    monkeypatch.setattr(resolve_learner("lightgbm", "Trainer", "kind"), "write_model", fail)
    with pytest.raises(InputError, match="the disk is full"):
        run_stage("learners.train", *arguments("lightgbm"))
    assert read_outputs(folder) == before
    assert not list(folder.rglob(".*.tmp"))


# So long that a fold takes a second or more, and a kill comes in time.
LONG = {
    "catboost": {"iterations": 3000, "early_stopping_rounds": 3000},
    "lightgbm": {"iterations": 6000, "early_stopping_rounds": 6000},
    "dae": {"phase_1": {"epochs": 80, "patience": 80}},
}


def start(kind, folder, output="", module="-m fame.learners.train"):
    return subprocess.Popen(
        [sys.executable, *module.split(" ", 1), *arguments(kind, output)],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def kill_when(there, folder, process):
    """SIGKILL as soon as the training's checkpoints have such a file."""
    while not list(folder.glob(f".cache/training/*/*/{there}")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()


def check_same_as_uninterrupted(kind, folder, told):
    assert not any((folder / name).exists() for name in OUTPUTS.values())
    process = start(kind, folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert told in errors
    assert list((folder / ".cache/training" / kind).iterdir()) == []
    other = start(kind, folder, "other/")
    _, errors = other.communicate()
    assert other.returncode == 0, errors
    assert "resumed" not in errors
    assert read_outputs(folder) == read_outputs(folder / "other")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(LONG))
def test_a_killed_training_is_resumed_and_ends_in_the_same_bytes(kind, folder, write_learners):
    write_learners(**{kind: LONG[kind]})
    kill_when("fold_0.note.json", folder, start(kind, folder))
    check_same_as_uninterrupted(kind, folder, "resumed; fold 0 is finished, 1, 2 to train")


@pytest.mark.slow
def test_a_killed_fold_of_catboost_is_resumed_from_its_snapshot(folder, write_learners):
    write_learners(catboost=LONG["catboost"])
    often = "from fame.learners.catboost import training; training.SNAPSHOT_SECONDS = 0"
    often += "; from fame.learners import train; from fame.runtime.stage import run"
    code = f"-c {often}; run(train.main)"
    kill_when("fold_0/*.snapshot", folder, start("catboost", folder, module=code))
    told = "the fold is resumed from its last snapshot"
    check_same_as_uninterrupted("catboost", folder, told)


@pytest.fixture
def describe(folder):
    """What the folder of checkpoints of a kind's training is named after."""

    def call(kind="lightgbm"):
        settings = params.load(folder / "params.yaml")
        return train.describe(folder / "fit", settings, settings.learners[kind])

    return call


@pytest.mark.parametrize("changed", ["params", "table", "text"])
def test_what_a_training_with_another_input_finished_is_not_resumed(
    changed, folder, describe, write_learners
):
    before = describe()
    assert describe() == before
    if changed == "params":
        write_learners(lightgbm={"lambda_l2": 2.5})
    else:
        name = block_files.VALUES if changed == "table" else table_files.TEXTS
        path = folder / "fit" / name
        times, content = path.stat(), bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # no clock tells
    assert describe() != before


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A copy of the source code that the imports are read from."""
    copy = tmp_path / "src"
    shutil.copytree(imports.SOURCE / "fame", copy / "fame")
    for module in (imports, train):
        monkeypatch.setattr(module, "SOURCE", copy)
    forget()
    yield copy
    forget()


def forget():
    """What was read of the code: an edit comes with a new process."""
    for kept in (imports.list_imports, imports.holds_code, imports._parse):
        kept.cache_clear()


def edit(path):
    path.write_text(path.read_text(encoding="utf-8") + "\nEDITED = 1\n", encoding="utf-8")
    forget()


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_what_other_code_finished_is_not_resumed(kind, source, describe):
    before = describe(kind)
    place = LEARNERS[kind]
    used = imports.list_files(["fame.learners.train", f"{place}.training"])
    own = source / Path(*place.split(".")) / "training.py"
    assert {own, source / "fame/learners/train.py", source / "fame/learners/contract.py"} < set(
        used
    )
    keys = [before["code"]]
    for path in used:
        edit(path)
        keys.append(describe(kind)["code"])
    assert len({tuple(sorted(key.items())) for key in keys}) == 1 + len(used)
    assert {name: value for name, value in describe(kind).items() if name != "code"} == {
        name: value for name, value in before.items() if name != "code"
    }


def test_a_module_that_is_imported_anew_counts_with_what_it_imports(source, describe):
    before = describe()
    (source / "fame/learners/extra.py").write_text("from fame.learners import further\nA = 1\n")
    (source / "fame/learners/further.py").write_text("B = 1\n")
    forget()
    assert describe() == before
    path = source / "fame/learners/lightgbm/boosting.py"
    path.write_text(path.read_text() + "\ndef late():\n    from fame.learners import extra\n")
    forget()
    added = set(describe()["code"]) - set(before["code"])
    assert added == {"fame/learners/extra.py", "fame/learners/further.py"}


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_an_edit_of_another_kind_or_of_a_model_keeps_what_is_finished(kind, source, describe):
    before = describe(kind)
    others = [place for other, place in LEARNERS.items() if other != kind]
    folders = [source / Path(*place.split(".")) for place in others]
    edited = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    edited.append(source / Path(*LEARNERS[kind].split(".")) / "model.py")
    edited += [source / "fame/learners/predict.py", source / "fame/fusion/fuse.py"]
    for path in edited:
        edit(path)
    assert len(edited) > 6
    assert describe(kind) == before


@pytest.mark.parametrize("library", versions.LIBRARIES)
def test_what_another_version_of_a_library_finished_is_not_resumed(library, describe, monkeypatch):
    before, version = describe(), versions.version
    monkeypatch.setattr(
        versions, "version", lambda name: "0.1" if name == library else version(name)
    )
    after = describe()
    assert after["versions"] == before["versions"] | {library: "0.1"}
    assert after != before


def test_the_versions_that_count_are_those_of_what_trains():
    trains = {"numpy", "torch", "transformers", "safetensors", "catboost", "lightgbm"}
    assert trains | {"autogluon.tabular", "autogluon.multimodal"} <= set(versions.LIBRARIES)


def test_an_error_is_one_line_without_a_traceback(folder):
    (folder / "fit" / block_files.VALUES).unlink()
    result = subprocess.run(
        [sys.executable, "-m", "fame.learners.train", *arguments("lightgbm")],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "error: fit/values.npy: no such file; run `dvc repro`\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold": np.zeros(160, int)}, "1 fold of training posts; .* at least 2"),
        ({"fold": np.full(160, -1)}, "training post 1000 is in no fold"),
        ({"fold": np.where(np.arange(160) == 9, -1, np.arange(160) % 3)}, "post 1009 is in no"),
        ({"fold": (np.arange(160) == 0).astype(int)}, "fold 0 leaves 1 post"),
        ({"popularity": np.full(160, np.nan)}, "training post 1000 has no label"),
        ({"popularity": np.where(np.arange(160) == 5, np.inf, 1)}, "post 1005 has no label"),
        ({"columns": (), "values": np.empty((160, 0), "float32")}, "no column, as the table's"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(folder, change, message):
    table = table_files.read_fit_table(folder / "fit")
    train.check(table, folder)
    with pytest.raises(InputError, match=message):
        train.check(replace(table, **change), folder)


@pytest.mark.parametrize("wrong", [-1, np.nan])
def test_a_category_that_is_no_id_is_refused(folder, wrong):
    table = table_files.read_fit_table(folder / "fit")
    values = np.array(table.values)
    values[7, 0] = wrong
    with pytest.raises(
        InputError, match=r"post 1007: category meta.category is .*allowed: ids >= 0"
    ):
        train.check(replace(table, values=values), folder)
