"""A disk that is full, or read-only, at each write of each stage."""

import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.faults.conftest import (
    STAGES,
    digests,
    finish,
    limit_files,
    read_commands,
    read_lock,
    start,
)
from tests.test_pipeline import LEFT_OUT, ROOT, TINY, copy_project

pytestmark = pytest.mark.faults
BLOCK = 4096
EACH_WRITE = pytest.mark.parametrize("stage", STAGES)


def list_files(path):
    """Name below ``path`` -> bytes."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file.relative_to(path.parent): file.read_bytes() for file in files if file.is_file()}


def redirect(project, stage, out, folder):
    """The stage's command with one output in another folder; that output there.

    The manifest names all models by their paths below its own folder: links take their places.
    """
    moved = {path: folder / path.rpartition("/")[2] for path in list_moved(project, stage, out)}
    words = read_lock(project.folder)[stage]["cmd"].split()
    assert all(words.count(path) == 1 for path in moved)
    if stage == "bundle":
        models = [word for word in words if word.startswith("models/") and word not in moved]
        links = {path: folder / path.rpartition("/")[2] for path in models}
        for path, link in links.items():
            link.symlink_to(project.folder / path)
        moved |= links
    return " ".join(str(moved.get(word, word)) for word in words), moved[out]


def list_moved(project, stage, out):
    """The outputs that go where this one goes, in the order in which the stage writes them."""
    return list_outs(project, stage) if stage == "bundle" else [out]


def list_outs(project, stage):
    return [out["path"] for out in read_lock(project.folder)[stage]["outs"]]


def count_bytes(files):
    """What they take of a disk: whole blocks."""
    return sum(-(-len(content) // BLOCK) * BLOCK for content in files.values())


def list_names(folder):
    return {path.name for path in folder.iterdir()}


def fill_cache(project, mount, stage, size):
    """What a stage tells whose `.cache` is that small; with room it makes the same files again."""
    command = read_lock(project.folder)[stage]["cmd"]
    expected = {out: list_files(project.folder / out) for out in list_outs(project, stage)}
    with mount(project.folder / ".cache", size) as remount:
        status, told = finish(start(project, command))
        assert status == 1
        assert told[-1].endswith(": No space left on device; fix this and rerun")
        assert list((project.folder / ".cache").rglob("*.tmp")) == []
        remount("size=200m")
        status, again = finish(start(project, command))
        assert status == 0, again
        for out, files in expected.items():
            assert list_files(project.folder / out) == files
    return told


@EACH_WRITE
def test_a_full_disk_is_one_line_and_room_is_the_cure(finished, mount, tmp_path, stage):
    for out in list_outs(finished, stage):
        expected = list_files(finished.folder / out)
        size = sum(map(len, expected.values()))
        moved = list_moved(finished, stage, out)
        earlier = moved[: moved.index(out)]
        taken = sum(count_bytes(list_files(finished.folder / path)) for path in earlier)
        # Full from the first byte on, and, where there is more than a block, half way.
        for room in {0, size // 2 // BLOCK * BLOCK}:
            disk = tmp_path / f"{room}"
            with mount(disk, f"size={taken + room + BLOCK}") as remount:
                (disk / "full").write_bytes(bytes(BLOCK))
                command, target = redirect(finished, stage, out, disk)
                before = list_names(disk)
                status, told = finish(start(finished, command))
                assert (status, told) == (
                    1,
                    [f"error: {target}: No space left on device; fix this and rerun"],
                )
                assert list_names(disk) == before | {path.rpartition("/")[2] for path in earlier}
                remount("size=200m")
                status, told = finish(start(finished, command))
                assert status == 0, told
                assert list_files(target) == expected
                assert list_names(disk) == before | {path.rpartition("/")[2] for path in moved}


@EACH_WRITE
def test_a_read_only_folder_is_one_line(finished, mount, tmp_path, stage):
    for out in list_outs(finished, stage):
        with mount(tmp_path / "disk", "rw") as remount:
            command, _ = redirect(finished, stage, out, tmp_path / "disk")
            remount("ro")
            status, (told,) = finish(start(finished, command))
        assert status == 1
        assert told.startswith(f"error: {tmp_path / 'disk'}")
        assert told.endswith(": Read-only file system; fix this and rerun")


@EACH_WRITE
def test_a_limit_of_the_size_of_files_is_one_line(finished, tmp_path, stage):
    """The same without a mount, which not every container may make."""
    for number, out in enumerate(list_outs(finished, stage)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        command, target = redirect(finished, stage, out, folder)
        before = list_names(folder)
        largest = max(map(len, list_files(finished.folder / out).values()))
        status, told = finish(start(finished, command, preexec_fn=limit_files(largest // 2)))
        assert status == 1
        assert len(told) == 1, told
        assert told[0].endswith(": File too large; fix this and rerun")
        assert not target.exists()
        assert list_names(folder) == before


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        *[("glove", "24k"), ("minilm", "24k"), ("efficientnet", "24k")],
        *[("glove", "8k"), ("image_stats", "8k"), ("minilm", "8k"), ("efficientnet", "8k")],
    ],
)
def test_a_full_disk_under_the_cache_of_vectors(project, mount, backbone, size):
    told = fill_cache(project, mount, f"extract@{backbone}", f"size={size}")
    assert len(told) == 1
    assert told[0].startswith("error: .cache/features/")


@pytest.mark.parametrize("learner", ["catboost", "lightgbm", "dae"])
def test_a_full_disk_under_the_cache_of_trainings(project, mount, learner):
    told = fill_cache(project, mount, f"train@{learner}", "size=16k")
    assert told[-1].startswith("error: ")
    assert f".cache/training/{learner}/" in told[-1]


@pytest.mark.parametrize("megabytes", [1, 12])
def test_a_project_on_a_disk_that_is_too_small(finished, mount, tmp_path, megabytes):
    folder = tmp_path / "disk"
    with mount(folder, "size=400m") as remount:
        made = copy_project(folder / "project")
        made.change_params(**TINY)
        made.drop_params(*LEFT_OUT)
        used = subprocess.run(["du", "-sm", str(folder)], capture_output=True, text=True)
        remount(f"size={int(used.stdout.split()[0]) + megabytes}m")
        told = made.run("dvc", "repro", "--all-pipelines", fails=True)
        assert "No space left on device" in told
        assert "Traceback" not in told
        remount("size=400m")
        made.run(sys.executable, "-m", "fame.variants.workspace")
        made.run("dvc", "repro", "--all-pipelines")
        assert digests(made.folder) == digests(finished.folder)


@pytest.mark.parametrize("kilobytes", [100, 300, 500])
def test_a_full_disk_under_autogluon(project, mount, tmp_path, kilobytes):
    """Its working folder, a temporary one, takes 552 kB: full at its rows, at layer 1 and at 2."""
    whole = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    project.change_params(
        **{"tables.stack": whole["tables"]["stack"]},
        **{"learners.autogluon": whole["learners"]["autogluon"]},
        **{"learners.autogluon.catboost.iterations": 20},
        **{"learners.autogluon.lightgbm.num_boost_round": 20},
    )
    commands, disk = read_commands(project.folder), tmp_path / "disk"
    assert finish(start(project, commands["assemble@stack"]))[0] == 0
    project.environment = project.environment | {"TMPDIR": str(disk)}
    with mount(disk, f"size={kilobytes}k") as remount:
        status, told = finish(start(project, commands["train@autogluon"]))
        assert status == 1
        assert told[-1].startswith("error: ")
        assert "No space left on device" in told[-1]
        assert not any("Traceback" in line for line in told)
        assert [path.name for path in disk.iterdir() if path.name.startswith("fame_")] == []
        assert not (project.folder / "models/learners/autogluon").exists()
        remount("size=200m")
        status, told = finish(start(project, commands["train@autogluon"]))
        assert status == 0, told
        assert list_names(project.folder / "models/learners/autogluon") == {
            *("learner.json", "predictor.zip")
        }
