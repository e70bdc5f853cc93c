"""What is said where the committed scores are another machine's."""

import json
import subprocess

import pytest
from ruamel.yaml import YAML

from fame.fusion import baseline

SCORES = {"fame": {"src": 0.7, "mae": 1.25}, "weights": {"dae": 1.0}}


def git(*arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def write(scores, alpha=0.1, code="1", data="1", made="1"):
    """A finished run: its scores, and what dvc.lock records of it."""
    (baseline.METRICS).parent.mkdir(exist_ok=True)
    baseline.METRICS.write_text(json.dumps(scores))
    train = {"cmd": "train", "deps": [{"path": "deps/train", "md5": code}]}
    train["deps"].append({"path": "data/raw/mine", "md5": data})
    train["outs"] = [{"path": "metrics/learners/dae.json", "md5": made}]
    fuse = {"cmd": "fuse", "params": {"params.yaml": {"fusion.alpha": alpha}}}
    fuse["deps"] = [{"path": "metrics/learners", "md5": made}]
    fuse["outs"] = [{"path": "metrics/metrics.json", "md5": made}]
    with baseline.LOCK.open("w") as file:
        YAML().dump({"schema": "2.0", "stages": {"train@dae": train, "fuse": fuse}}, file)


@pytest.fixture
def committed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    write(SCORES)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/results.md").write_text("x")
    git("add", "-A")
    git("commit", "-qm", "results")


@pytest.mark.usefixtures("committed")
def test_results_that_agree_are_not_spoken_of():
    write(SCORES, made="2")
    assert baseline.describe() == ""


@pytest.mark.usefixtures("committed")
def test_another_machines_results_are_told_by_how_much_and_what_to_do():
    write(SCORES | {"fame": {"src": 0.7031, "mae": 1.249}}, made="2")
    said, command = baseline.describe().split("\n  ")
    assert "SRC by +0.0031, its MAE by -0.001. Commit them" in said
    subprocess.run(
        command,
        shell=True,
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin"}
        | {
            f"GIT_{who}_{what}": "a@b"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    )
    assert baseline.describe() == ""
    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True).stdout == b""


@pytest.mark.usefixtures("committed")
def test_small_differences_are_plain_and_the_learner_that_differs_most_is_named():
    """A learner's MAE differs by a hundredth between machines, the fusion's hardly."""
    now = {
        "fame": {"src": 0.69975, "mae": 1.249925},
        "dae": {"src": 0.6, "mae": 1.307},
        "ridge": {"src": 0.6, "mae": 1.401},
        "new": {"src": 0.6, "mae": 9.0},
        "weights": {"dae": 0.5, "ridge": 0.5, "new": 0.0},
    }
    before = now | {"fame": SCORES["fame"], "dae": {"src": 0.6, "mae": 1.3}}
    before |= {"ridge": {"src": 0.6, "mae": 1.4}}
    del before["new"]
    write(before)
    git("commit", "-qam", "several learners")
    write(now, made="2")
    said = baseline.describe()
    assert "FAME's SRC by -0.00025, its MAE by -0.000075; " in said
    assert "; of the learners most dae's, its MAE by +0.007. Commit them" in said


@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("change", [{"alpha": 0.5}, {"code": "2"}, {"data": "2"}])
@pytest.mark.parametrize("is_committed", [True, False])
def test_the_difference_of_a_change_is_not_the_machines(change, is_committed):
    """Also where the change, and not the run, was committed: the committed lock is of before."""
    if is_committed:
        git("commit", "--allow-empty", "-qm", "change params.yaml, code or data")
    write(SCORES | {"fame": {"src": 0.8, "mae": 1.0}}, made="2", **change)
    assert baseline.describe() == ""


def test_nothing_is_said_where_nothing_is_committed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(SCORES)
    assert baseline.describe() == ""
    git("init", "-q")
    assert baseline.describe() == ""
    monkeypatch.setenv("PATH", "")
    assert baseline.describe() == ""
