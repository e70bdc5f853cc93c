"""`fame check` names all that is missing at once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fame import cli
from fame.posts import check as checking
from fame.posts.check import check

ROOT = Path(__file__).parents[2]
COLUMNS = {
    **dict.fromkeys(("user", "time", "time_format", "title", "tags", "image", "split")),
    **{"id": "id", "target": "likes", "categories": [], "numeric": []},
}


@pytest.fixture
def project(tmp_path, monkeypatch, write_params):
    """A folder under git with valid parameters for own posts in ``mine``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checking, "WEIGHTS", Path("needed.txt"))
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / ".gitignore").write_text("/mine/\n/*.dvc\n")

    def write(**changes):
        table = {
            "file": "posts.csv",
            "encoding": None,
            "images": None,
            "tag_separator": None,
            "columns": COLUMNS,
        }
        source = {"data.source": "table", "data.root": "mine", "data.table": table}
        write_params(**(source | changes))
        return tmp_path

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "posts.csv").write_text("id,likes\na,1\nb,2\n")
    return write


def test_nothing_is_missing(project, capsys):
    project()
    assert check()[0] == []
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 0
    assert "nothing is missing" in capsys.readouterr().out


def test_all_problems_are_named_at_once(project, tmp_path, capsys):
    project(**{"backbones.glove.file": "gone.txt"})
    (tmp_path / "needed.txt").write_text("numpy>=1\nno-such-package==1.0  # why\nnumpy<1\n")
    (tmp_path / "mine" / "posts.csv").write_text("id,likes\na,1\na,2\n")
    (tmp_path / "photo.jpg").write_bytes(b"picture")
    problems, _ = check()
    wanted = (
        "package no-such-package==1.0: not installed",
        "package numpy<1: version",
        "ids are unique",
        "backbones.glove.file: gone.txt: no such file",
        "photo.jpg: an experiment would commit them",
    )
    assert all(any(text in problem for problem in problems) for text in wanted)
    assert len(problems) == len(wanted)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 1
    assert capsys.readouterr().out.count("missing: ") == len(wanted)


@pytest.mark.parametrize("root", ["my posts", "it's", "$HOME", "a&b", "~", 'say "hi"', "ü; rm x"])
def test_any_name_of_a_folder_works(project, tmp_path, root):
    project(**{"data.root": root})
    shutil.move(tmp_path / "mine", tmp_path / root)
    (tmp_path / ".gitignore").write_text("*\n")
    assert check()[0] == []


@pytest.mark.parametrize("root", ["~/posts", "$HOME/posts"])
def test_a_name_that_a_shell_would_expand_is_said_to_be_none(project, root):
    project(**{"data.root": root})
    problems, _ = check()
    assert "stand for themselves" in problems[0]


def test_a_large_file_that_git_does_not_know_is_refused(project, tmp_path):
    project()
    (tmp_path / "notes.bin").write_bytes(b"x" * (checking.MAX_UNTRACKED_BYTES + 1))
    assert "notes.bin" in check()[0][0]


def test_checkpoints_that_are_not_here_are_named(project, monkeypatch):
    monkeypatch.setattr(checking, "_is_cached", lambda _: False)
    project(
        **{
            "learners.autogluon.multimodal.checkpoint": "some/model",
            "learners.autogluon.multimodal.image_checkpoint": "/no/such/folder",
        }
    )
    problems, _ = check()
    assert [problem.split(": ")[0] for problem in problems] == [
        "learners.autogluon.multimodal.checkpoint",
        "learners.autogluon.multimodal.image_checkpoint",
    ]
    assert ["model hub" in problem for problem in problems] == [True, False]


def test_a_folder_without_git_and_parameters_that_are_not_valid(project, tmp_path):
    project(**{"data.on_bad": "shrug"})
    problems, _ = check()
    assert "data.on_bad" in problems[0]
    project()
    shutil.rmtree(tmp_path / ".git")
    assert "no repository here" in check()[0][0]


def test_too_little_room_is_said(project, monkeypatch):
    project()
    monkeypatch.setattr(checking, "DISK_BYTES_PER_POST", 10**18)
    monkeypatch.setattr(checking, "MEMORY_BYTES_PER_POST", 10**18)
    assert [problem.split(":")[0] for problem in check()[0]] == ["disk", "memory"]
