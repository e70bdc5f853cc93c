import shutil
import subprocess
from pathlib import Path

import pytest

from fame.runtime.errors import InputError
from fame.variants import profile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_switching_replaces_the_parameters_and_shows_the_difference(repository):
    difference = profile.switch("paper")
    written = (repository / "params.yaml").read_text()
    assert written == (repository / "profiles" / "paper.yaml").read_text()
    assert any(line.startswith("+") and "iterations: 200000" in line for line in difference)
    assert profile.switch("paper") == []


def test_changes_that_git_lacks_are_not_overwritten(repository):
    path = repository / "params.yaml"
    path.write_text(path.read_text().replace("alpha: 0.4", "alpha: 0.3"))
    with pytest.raises(InputError, match="has changes that are not committed"):
        profile.switch("paper")
    assert "alpha: 0.3" in path.read_text()


@pytest.mark.usefixtures("repository")
def test_an_unknown_profile_lists_the_allowed():
    with pytest.raises(InputError, match="PROFILE=papr: no such profile; allowed: clip, paper"):
        profile.switch("papr")


def test_an_invalid_profile_changes_nothing(repository):
    before = (repository / "params.yaml").read_text()
    (repository / "profiles" / "broken.yaml").write_text(before.replace("alpha: 0", "alpha: -0"))
    with pytest.raises(InputError, match=r"broken\.yaml: fusion\.alpha: must be"):
        profile.switch("broken")
    assert (repository / "params.yaml").read_text() == before
