import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from fame.features import block_files
from fame.features.contract import Column
from fame.learners import table_files, train
from fame.params import RuntimeParams, load
from fame.registry import LEARNERS, resolve
from fame.runtime import files, ids
from fame.runtime.dvc_lock import digest_folder
from fame.runtime.errors import InputError

QUICK = {
    "backbones": {},
    "tables": {"small": {"blocks": ["meta", "texts"], "dtype": "float32"}},
    "learners.catboost.iterations": 20,
    "learners.lightgbm.iterations": 20,
    "learners.lightgbm.min_data_in_leaf": 5,
    "learners.lightgbm.feature_fraction": 1.0,
    "learners.dae.phase_1.epochs": 2,
    "learners.dae.phase_2.epochs": 5,
    **{f"learners.{name}.table": "small" for name in LEARNERS},
    **{f"learners.{name}.threads": 1 for name in LEARNERS},
    "learners.autogluon.catboost.iterations": 20,
    "learners.autogluon.lightgbm.num_boost_round": 20,
    "learners.autogluon.multimodal.max_tokens": 8,
}
NAMES = ("model", "predictions", "record", "curves")
OUTPUTS = ("models", "predictions.parquet", "record.json", "curves.csv")


@pytest.fixture
def folder(tmp_path, write_params):
    """A folder with params.yaml and a table of 60 fit, 20 holdout and 10 challenge posts."""
    write_params(**QUICK)
    generator = np.random.default_rng(0)
    number = np.arange(90)
    values = generator.normal(size=(90, 6)).astype(np.float32)
    values[:, 0] = generator.integers(0, 4, 90)
    label = 6 + values[:, 0] + values[:, 1] + generator.normal(scale=0.1, size=90)
    split = np.repeat(["fit", "holdout", "challenge"], [60, 20, 10])
    rows = pa.table(
        {
            "post_id": [f"9{i:02d}" for i in number],
            "split": split,
            "fold": np.where(number < 60, number % 3, -1).astype(np.int8),
            "popularity": np.where(number < 80, label, np.nan),
        }
    )
    columns = [Column("meta.category", True), *(Column(f"meta.number_{i}") for i in range(5))]
    with files.replacing_folder(tmp_path / "table") as target:
        table_files.write_feature_table(
            target, rows, number < 60, columns, [values], values.shape, "float32"
        )
        words = ["rain", "beach", "dog", "music"]
        posts = {"post_id": rows["post_id"], "title": [words[i % 4] for i in number]}
        table_files.write_texts(target, pa.table(posts | {"tags": [["flickr"]] * 90}))
    return tmp_path


def arguments(learner, output=""):
    paths = [f"--{name}={output}{path}" for name, path in zip(NAMES, OUTPUTS, strict=True)]
    return [learner, "--table=table", *paths]


def read_outputs(folder):
    paths = [path for name in OUTPUTS for path in (folder / name, *(folder / name).glob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_two_processes_write_the_same_bytes_and_either_loads_them(kind, folder, run_stage):
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
    assert len(written) >= 3 + 3  # three files, a manifest and two others at least of models
    if kind == "autogluon":  # its own files hold times; all that others read does not
        for file in ("models/predictor.zip", "models/learner.json"):
            assert written.pop(file)
            del again[file]
    assert again == written
    table = table_files.read_feature_table(folder / "table")
    cls = resolve(LEARNERS, kind, "kind")
    learner = cls(
        load().learners[kind],
        RuntimeParams(device="cpu", workers=1, cache="unused", engine="local", ray_address=None),
    )
    out = {"path": "models", "md5": digest_folder(folder / "other" / "models")}
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "train", "outs": [out]}}}
    YAML().dump(lock, folder / "other" / "dvc.lock")  # a stack is opened only as DVC recorded it
    learner.load(folder / "other" / "models")
    stored = table_files.read_predictions(
        folder / "predictions.parquet",
        files.read_table(folder / "table" / block_files.ROWS)["post_id"],
    )
    np.testing.assert_array_equal(learner.predict(table), stored)


def test_record_curves_and_last_line(folder, run_stage, capsys):
    run_stage("learners.train", *arguments("lightgbm"))
    record = files.read_json(folder / "record.json")
    predictions = files.read_table(folder / "predictions.parquet")
    assert {key: record[key] for key in ("learner", "kind", "seed", "rows", "columns")} == {
        "learner": "lightgbm",
        "kind": "lightgbm",
        "seed": 7,
        "rows": 90,
        "columns": 6,
    }
    post_ids = predictions["post_id"].to_pylist()
    assert post_ids == [f"9{i:02d}" for i in range(90)]
    assert predictions["split"].to_pylist() == ["fit"] * 60 + ["holdout"] * 20 + ["challenge"] * 10
    assert record["fitted_on"] == ids.digest(post_ids[:60])
    assert record["predictions_digest"] == files.digest_file(folder / "predictions.parquet")
    assert [fold["rows_trained"] for fold in record["folds"]] == [40, 40, 40]
    lines = (folder / "curves.csv").read_text().splitlines()
    assert lines[0] == "phase,fold,iteration,training_mae,validation_mae"
    assert lines[1].startswith("boosting,0,1,")
    assert len(lines) == 1 + 3 * 20
    last = capsys.readouterr().out.splitlines()[-1]
    best = " ".join(str(fold["best_iteration"]) for fold in record["folds"])
    mae = np.mean([fold["validation_mae"] for fold in record["folds"]])
    assert last.startswith(
        f"lightgbm: 90 posts, 60 to fit on, 3 folds, best iterations {best}, "
        f"validation MAE {mae:.4f}, "
    )


def test_unknown_learner_names_the_known(folder, run_stage):
    with pytest.raises(InputError, match="'forest'; allowed: autogluon, catboost, dae, lightgbm"):
        run_stage("learners.train", *arguments("forest"))
    assert not any((folder / name).exists() for name in OUTPUTS)


def test_a_failure_leaves_what_was_there_and_nothing_half_written(folder, run_stage, monkeypatch):
    run_stage("learners.train", *arguments("lightgbm"))
    before = read_outputs(folder)

    def fail(*given):
        given[-1].write_text("half")
        raise InputError("the disk is full")

    monkeypatch.setattr(resolve(LEARNERS, "lightgbm", "kind"), "write_model", fail)
    with pytest.raises(InputError, match="the disk is full"):
        run_stage("learners.train", *arguments("lightgbm"))
    assert read_outputs(folder) == before
    assert not list(folder.rglob(".*.tmp"))


# So long that a fold takes a second or more, and a kill comes in time.
LONG = {
    "catboost": {"iterations": 3000, "early_stopping_rounds": 3000},
    "lightgbm": {"iterations": 6000, "early_stopping_rounds": 6000},
    "dae": {"phase_1.epochs": 80, "phase_1.patience": 80},
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
    """SIGKILL as soon as the training's cache has such a file."""
    while not list(folder.glob(f".cache/training/*/*/{there}")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()


def check_same_as_uninterrupted(kind, folder, told):
    assert not any((folder / name).exists() for name in OUTPUTS)
    process = start(kind, folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert told in errors
    assert list((folder / ".cache/training" / kind).iterdir()) == []
    other = start(kind, folder, "other/")
    _, errors = other.communicate()
    assert other.returncode == 0, errors
    assert "taken over" not in errors
    assert read_outputs(folder) == read_outputs(folder / "other")


@pytest.mark.parametrize("kind", sorted(LONG))
def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(kind, folder, write_params):
    write_params(**QUICK | {f"learners.{kind}.{key}": value for key, value in LONG[kind].items()})
    kill_when("fold_0.note.json", folder, start(kind, folder))
    told = "fold 0 is taken over from a training that did not end; 1, 2 to train"
    check_same_as_uninterrupted(kind, folder, told)


def test_a_killed_fold_of_catboost_goes_on_from_its_snapshot(folder, write_params):
    write_params(**QUICK | {f"learners.catboost.{k}": v for k, v in LONG["catboost"].items()})
    often = "from fame.learners.catboost import learner; learner.SNAPSHOT_SECONDS = 0"
    often += "; from fame.learners import train; from fame.runtime.stage import run"
    code = f"-c {often}; run(train.main)"
    kill_when("fold_0/*.snapshot", folder, start("catboost", folder, module=code))
    check_same_as_uninterrupted("catboost", folder, "the fold goes on from its last snapshot")


@pytest.mark.parametrize("changed", ["params", "table", "code", "version"])
def test_what_another_training_finished_is_not_taken_over(
    changed, folder, write_params, monkeypatch
):
    table, settings = folder / "table", load(folder / "params.yaml")
    before = train.describe(table, settings, settings.learners["lightgbm"])
    assert before == train.describe(table, settings, settings.learners["lightgbm"])
    if changed == "params":
        write_params(**QUICK | {"learners.lightgbm.lambda_l2": 1.0})
        settings = load(folder / "params.yaml")
    elif changed == "table":
        times = (table / block_files.VALUES).stat()
        values = bytearray((table / block_files.VALUES).read_bytes())
        values[-1] ^= 1
        (table / block_files.VALUES).write_bytes(values)
        os.utime(table / block_files.VALUES, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif changed == "code":
        monkeypatch.setattr(train, "SOURCE", folder)
    else:
        monkeypatch.setattr(train, "version", lambda name: f"{name} 0.1")
    assert train.describe(table, settings, settings.learners["lightgbm"]) != before


def test_an_error_is_one_line_without_a_traceback(folder):
    (folder / "table" / block_files.VALUES).unlink()
    result = subprocess.run(
        [sys.executable, "-m", "fame.learners.train", *arguments("lightgbm")],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "error: table/values.npy: no such file; run `dvc repro`\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"fold": np.where(np.arange(90) < 60, 0, -1)},
            "1 folds of posts to fit on; .* at least 2",
        ),
        ({"fold": np.full(90, -1)}, "post 900 is in split 'fit' and fold -1"),
        (
            {"fold": np.where(np.arange(90) < 61, 0, -1)},
            "post 960 is in split 'holdout' and fold 0",
        ),
        ({"fold": np.where(np.arange(90) < 60, np.arange(90) == 0, -1)}, "fold 0 leaves 1 post"),
        ({"popularity": np.full(90, np.nan)}, "post 900 to fit on has no label"),
    ],
)
def test_a_table_that_cannot_be_learned_from_is_refused(folder, change, message):
    table = table_files.read_feature_table(folder / "table")
    train.check(table, folder)
    with pytest.raises(InputError, match=message):
        train.check(replace(table, **change), folder)


@pytest.mark.parametrize("wrong", [-1, np.nan])
def test_a_category_that_is_no_id_is_refused(folder, wrong):
    table = table_files.read_feature_table(folder / "table")
    values = np.array(table.values)
    values[7, 0] = wrong
    with pytest.raises(
        InputError, match=r"post 907: category meta.category is .*allowed: ids >= 0"
    ):
        train.check(replace(table, values=values), folder)
