import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fame.report import provenance

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.com")


@pytest.fixture
def repository(tmp_path, monkeypatch, write_params):
    write_params()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.lock").write_text("x")
    subprocess.run(["git", "init", "-q"], check=True)
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", "2020-02-03T04:05:06+00:00")
        commit("-m", "first")
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


def commit(*arguments):
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", *IDENTITY, "commit", "-q", *arguments], check=True)


def tell():
    return dict(provenance.describe_commit())


def test_what_is_committed_is_told_alike_after_its_results_are_committed(repository):
    told = tell()
    assert told["files"] == "as committed"
    assert told["commit"].endswith(", first")
    assert told["date"] == "2020-02-03T04:05:06+00:00, of the commit"
    (repository / "dvc.lock").write_text("y")
    (repository / "reports").mkdir()
    (repository / "reports/results.md").write_text("z")
    assert tell() == told
    commit("-m", "its results")
    assert tell() == told


def test_what_is_not_committed_is_named_with_the_present_date(repository):
    (repository / "reports").mkdir()
    (repository / "reports/dvc.yaml").write_text("")
    commit("-m", "second")
    for changed in ("params.yaml", "reports/dvc.yaml"):
        with (repository / changed).open("a") as file:
            file.write("\n")
    assert tell()["files"] == "changed and not committed: params.yaml, reports/dvc.yaml"
    assert datetime.now(UTC).strftime("%Y-%m-%d") in tell()["date"]
    commit("-m", "third")
    assert tell()["files"] == "as committed"
    assert tell()["commit"].endswith(", third")


def test_outside_of_git_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    told = tell()
    assert (told["commit"], told["files"]) == ("none", "not committed")
    assert told["date"].endswith(" UTC")


def test_dotted_keys():
    assert provenance.flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}
