"""Files of an earlier stage that are cut off or were tampered with, read by each stage."""

import json
import pickle

import pytest

from fame.runtime.files import digest_file
from tests.faults.conftest import STAGES, finish, read_lock, start

pytestmark = pytest.mark.faults
MADE = ("data/", "models", "metrics/", "reports/")
# The gates that a run is refused by are checked before anything is scored or shown.
CURES = ("run `dvc repro`", "train again", "fix this")


def list_inputs(project, stage):
    """Files of earlier stages that the stage depends on; one of a kind in each folder."""
    kinds = {}
    for dep in read_lock(project.folder)[stage].get("deps", []):
        path = project.folder / dep["path"]
        if dep["path"].startswith(MADE) and not dep["path"].startswith("data/raw"):
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in files:
                if file.is_file() and file.stat().st_size > 1 and file.name[0] != ".":
                    kinds.setdefault((dep["path"], file.suffix), file)
    return kinds.values()


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_that_is_cut_off_is_named_with_its_cure(project, stage):
    command = read_lock(project.folder)[stage]["cmd"]
    for file in list_inputs(project, stage):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        status, told = finish(start(project, command))
        file.write_bytes(content)
        if status == 0:  # what the stage depends on by its folder and does not read
            continue
        assert status == 1
        assert len(told) == 1, (file, told)
        name = file.relative_to(project.folder)
        # The report compares a model's files with dvc.lock together, before one is opened.
        named = name.parent if stage == "importance" and name.parts[0] == "models" else name
        assert told[0].startswith(f"error: {named}: "), told
        assert any(cure in told[0] for cure in CURES), told


class Payload:
    def __reduce__(self):
        return exec, ("open('run_by_the_pickle', 'w')",)


def forge(project, learner, file, content):
    """Put other bytes in a model's file, its digest in the manifest beside it too."""
    folder = project.folder / "models/learners" / learner
    (folder / file).write_bytes(content)
    manifest = json.loads((folder / "learner.json").read_text())
    manifest["files"][file] = digest_file(folder / file)
    (folder / "learner.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("digest_too", [False, True])
@pytest.mark.parametrize(
    ("learner", "file", "content"),
    [
        ("catboost", "fold_0.cbm", b"text\n" * 99),
        ("catboost", "fold_0.cbm", b"CBM1" + b"\xff" * 999),
        ("dae", "fold_0.safetensors", pickle.dumps(Payload())),
        ("lightgbm", "fold_0.txt", b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\n"),
        ("lightgbm", "fold_0.txt", b"tree\n" + b"\xff" * 99),
        ("lightgbm", "fold_0.txt", None),
    ],
)
def test_a_tampered_model_is_refused(project, learner, file, content, digest_too):
    path = project.folder / "models/learners" / learner / file
    if content is None:  # edited: a tree's leaves, or all behind them, are gone
        text = path.read_text()
        content = text.replace("leaf_value=", "leaf_value=x", 1).encode()
    if digest_too:
        forge(project, learner, file, content)
    else:
        path.write_bytes(content)
    if not digest_too:
        status, told = finish(
            start(project, read_lock(project.folder)[f"predict@{learner}"]["cmd"])
        )
        assert status == 1
        place = f"models/learners/{learner}/{file}"
        assert told[0].startswith(f"error: {place}: not the file that was saved")
        assert len(told) == 1
    status, told = finish(start(project, read_lock(project.folder)["importance"]["cmd"]))
    assert status == 1
    assert told == [
        f"error: models/learners/{learner}: not what dvc.lock records; not opened, run `dvc "
        "repro`, which makes it again"
    ]
    assert not (project.folder / "run_by_the_pickle").exists()
