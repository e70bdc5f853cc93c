import os
import subprocess
import sys
from unittest.mock import ANY

import numpy as np
import pyarrow as pa
import pytest

from fame.features import block_files
from fame.learners import table_files
from fame.posts.contract import CHALLENGE, HOLDOUT
from fame.registry import LEARNERS
from fame.runtime import files
from fame.runtime.errors import InputError

TRAINED = ["--model=models", "--out-of-fold=out_of_fold.parquet"]


def train(kind, run_stage, lock, folder):
    run_stage("learners.train", kind, "--table=fit", *TRAINED, "--record=r.json", "--curves=c.csv")
    lock(folder / "models")


def arguments(kind, output="", table="score"):
    outputs = [f"--predictions={output}predictions.parquet", f"--record={output}predicted.json"]
    return [kind, f"--table={table}", *TRAINED, *outputs]


def read_predictions(folder, output=""):
    """Post id -> part and prediction."""
    table = files.read_table(folder / f"{output}predictions.parquet")
    assert table.column_names == ["post_id", "split", "prediction"]
    rows = table.to_pydict()
    assert rows["post_id"] == sorted(rows["post_id"])
    parts = zip(rows["split"], rows["prediction"], strict=True)
    return dict(zip(rows["post_id"], parts, strict=True))


@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_another_process_predicts_the_same_bytes_from_the_files(kind, folder, run_stage, lock):
    train(kind, run_stage, lock, folder)
    run_stage("learners.predict", *arguments(kind))
    other = subprocess.run(
        [sys.executable, "-m", "fame.learners.predict", *arguments(kind, "other/")],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "77"},
    )
    assert other.returncode == 0, other.stderr
    for name in ("predictions.parquet", "predicted.json"):
        assert (folder / "other" / name).read_bytes() == (folder / name).read_bytes()
    found = read_predictions(folder)
    assert [part for part, _ in found.values()] == ["fit"] * 160 + [HOLDOUT] * 300 + [
        CHALLENGE
    ] * 20
    own = files.read_table(folder / "out_of_fold.parquet").to_pydict()
    assert [found[post_id][1] for post_id in own["post_id"]] == own["prediction"]


@pytest.fixture
def trained(folder, run_stage, lock):
    train("dae", run_stage, lock, folder)
    return folder


def change_challenge_posts(folder, keep=(), values=None):
    """The table of the other posts with all of the holdout and some of the challenge posts."""
    table = table_files.read_score_table(folder / "score")
    rows = [*np.flatnonzero(table.split == HOLDOUT), *keep]
    kept = {"post_id": table.post_ids[rows].tolist(), "split": table.split[rows].tolist()}
    with files.replacing_folder(folder / "changed") as place:
        chunk = np.array(table.values[rows])
        if values is not None:
            chunk[table.split[rows] == CHALLENGE] = values
        table_files.write_table(place, pa.table(kept), list(table.columns), [chunk], "float32")


CHANGES = {"all gone": [], "some gone, another order": [319, 301, 310], "others": range(300, 320)}


@pytest.mark.parametrize("change", CHANGES)
def test_challenge_posts_change_no_prediction_of_a_labelled_post(change, trained, run_stage):
    run_stage("learners.predict", *arguments("dae"))
    before = read_predictions(trained)
    keep = {"all gone": [], "some gone, another order": [319, 301, 310]}.get(
        change, range(300, 320)
    )
    change_challenge_posts(trained, keep, values=1 if change == "others" else None)
    run_stage("learners.predict", *arguments("dae", "after_", "changed"))
    after = read_predictions(trained, "after_")
    assert len(after) == 460 + len(keep)
    labelled = [post_id for post_id, (part, _) in before.items() if part != CHALLENGE]
    assert {i: after[i] for i in labelled} == {i: before[i] for i in labelled}
    if change == "others":
        assert after != before


def test_record_and_last_line(trained, run_stage, capsys):
    run_stage("learners.predict", *arguments("dae"))
    assert files.read_json(trained / "predicted.json") == {
        "learner": "dae",
        "posts": 320,
        "clipped": {"holdout": ANY, "challenge": ANY},
        "model_digest": files.digest_file(trained / "models/learner.json"),
        "predictions_digest": files.digest_file(trained / "predictions.parquet"),
    }
    assert capsys.readouterr().out.splitlines()[-1].startswith("dae: 320 posts predicted, ")


def test_a_model_that_is_not_the_one_that_was_saved_writes_nothing(trained, run_stage):
    (trained / "models/fold_1.safetensors").write_bytes(b"another")
    with pytest.raises(InputError, match=r"fold_1\.safetensors: not the file that was saved"):
        run_stage("learners.predict", *arguments("dae"))
    assert not (trained / "predictions.parquet").exists()
    assert not (trained / "predicted.json").exists()


@pytest.mark.usefixtures("folder")
def test_unknown_learner_names_the_known(run_stage):
    with pytest.raises(InputError, match=f"'forest'; allowed: {', '.join(sorted(LEARNERS))}"):
        run_stage("learners.predict", *arguments("forest"))


def test_an_error_is_one_line_without_a_traceback(trained):
    (trained / "score" / block_files.VALUES).unlink()
    result = subprocess.run(
        [sys.executable, "-m", "fame.learners.predict", *arguments("dae")],
        cwd=trained,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr == "error: score/values.npy: no such file; run `dvc repro`\n"
