import subprocess
from pathlib import Path

import pytest

from fame.report import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch, write_params):
    write_params()
    monkeypatch.chdir(tmp_path)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    (tmp_path / "dvc.lock").write_text("x")
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_parameters_are_compared_with_the_last_commit(write_params):
    path = Path("params.yaml")
    assert provenance.compare_params(path) == [("none", "all are as committed")]
    write_params(**{"fusion.alpha": 0.5, "learners.dae.seed": 8})
    assert provenance.compare_params(path) == [
        ("fusion.alpha", "0.1 → 0.5"),
        ("learners.dae.seed", "7 → 8"),
    ]


def test_what_a_run_writes_does_not_make_a_commit_dirty(repository):
    def tell():
        return dict(provenance.describe_commit(repository / "runs"))

    (repository / "dvc.lock").write_text("y")
    assert tell()["files"] == "as committed"
    assert tell()["commit"].endswith(", first")
    assert tell()["scores made"] == "not known here"
    with (repository / "params.yaml").open("a") as file:
        file.write("\n")
    assert tell()["files"] == "changed and not committed: params.yaml"


def test_outside_of_git_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert dict(provenance.describe_commit(tmp_path))["commit"] == "none"


def test_an_entry_that_comes_or_goes_is_one_line():
    before = {"learners": {"dae": {"kind": "dae", "seed": 7}, "tabm": {"seed": 7}}, "on": False}
    now = {"learners": {"tabm": {"seed": 8}, "ridge": {"kind": "ridge"}}, "on": None, "new": 2}
    assert provenance.list_changes(before, now) == [
        ("learners.tabm.seed", "7 → 8"),
        ("learners.ridge", "added"),
        ("learners.dae", "left out"),
        ("on", "false → null"),
        ("new", "2"),
    ]
    assert provenance.list_changes(now, now) == []


def test_values_are_shown_as_yaml_has_them():
    lists = provenance.list_changes({"a": {}, "b": ["x"]}, {"a": {"c": True}, "b": ["x", "y"]})
    assert lists == [("a.c", "true"), ("b", "[x] → [x, y]")]
    assert provenance.list_changes({"a": 1}, {"a": {"c": None}}) == [("a", "1 → {c: null}")]
