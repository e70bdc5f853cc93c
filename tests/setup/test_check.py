"""`fame check` names all that is missing at once."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fame import cli
from fame.setup import check as checking
from fame.setup.check import check
from fame.setup.estimate import Estimate

ROOT = Path(__file__).parents[2]
COLUMNS = {
    **dict.fromkeys(("user", "time", "time_format", "title", "tags", "image", "split")),
    **{"id": "id", "target": "likes", "categories": [], "numeric": []},
}

BLIP = {"kind": "blip", "reads": "contents", "checkpoint": "some/blip", "revision": "main"}
BLIP |= {"pooling": "cls", "image_size": 384, "max_text_tokens": 64, "dtype": "auto"}
BLIP |= {"decode": "exact"}
POSTS = "id,likes\n" + "".join(f"p{i},{i % 7}\n" for i in range(30))
TABLES = {"trees": {"blocks": ["meta", "blip"], "reduce": None, "dtype": "float32"}}
RIDGE = {"kind": "ridge", "table": "trees", "seed": 7, "penalties": [1.0], "clip": 4.0}
RIDGE |= {"min_deviation": 0.001, "max_values": 30, "max_categories": 500, "min_posts": 3}
LEARNERS = {"ridge": RIDGE | {"level_weight": 3.0, "threads": 1}}


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
        source["split.protocol"] = "random"
        write_params(**(source | changes))
        return tmp_path

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "posts.csv").write_text(POSTS)
    return write


def test_nothing_is_missing(project, capsys):
    project()
    assert check()[0] == []
    with pytest.raises(SystemExit) as ended:
        cli.main(["check"])
    assert ended.value.code == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "nothing is missing; checked: your posts in mine/posts.csv"


def test_the_sample_is_not_taken_for_ones_own_posts(project, capsys):
    project(**{"data.source": "sample", "data.root": "sample"})
    with pytest.raises(SystemExit):
        cli.main(["check"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert "checked: the simulated sample, no posts of yours; `fame init FILE`" in last


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (POSTS, {"split.protocol": "chronological"}, "chronological needs the posting times"),
        ("id,likes\na,1\nb,2\nc,3\nd,4\n", {}, "4 with a label, at least 8 are needed"),
        ("id,likes\n" + "".join(f"p{i},5\n" for i in range(30)), {}, "the target is 5 in all"),
    ],
)
def test_posts_that_ingest_would_refuse_are_named(project, tmp_path, content, changes, sentence):
    project(**changes)
    (tmp_path / "mine" / "posts.csv").write_text(content)
    (problem,) = check()[0]
    assert sentence in problem


def test_a_target_of_raw_counts_is_told(project, tmp_path):
    project(**{"data.target_transform": "none"})
    rows = "".join(f"p{i},{int(1.5**i)}\n" for i in range(30))
    (tmp_path / "mine" / "posts.csv").write_text(f"id,likes\n{rows}")
    assert any("target looks like raw counts" in fact for fact in check()[1])


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
    assert capsys.readouterr().out.count("missing or wrong: ") == len(wanted)


def test_a_gpu_that_is_not_there_is_named(project, monkeypatch):
    monkeypatch.setattr("fame.runtime.devices._sees_cuda", lambda: False)
    project(**{"runtime.device": "cuda"})
    [problem] = check()[0]
    assert "runtime.device: found 'cuda', but torch sees no such device" in problem
    checkpoint = BLIP | {"checkpoint": "here", "decode": "gpu"}
    entries = {"backbones": {"blip": checkpoint}, "tables": TABLES, "learners": LEARNERS}
    project(**{"runtime.device": "auto"} | entries)
    problems, facts = check()
    assert problems == []
    assert "backbones.blip.decode: gpu: no GPU here, images are decoded as with exact" in facts


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
    monkeypatch.setattr(checking, "_ask_hub", lambda _: "no answer")
    project(
        **{
            "learners.autogluon.models": ["catboost", "multimodal"],
            "learners.autogluon.multimodal.checkpoint": "some/model",
            "learners.autogluon.multimodal.image_checkpoint": "/no/such/folder",
        }
    )
    problems, _ = check()
    assert [problem.split(": ")[0] for problem in problems] == [
        "learners.autogluon.multimodal.checkpoint",
        "learners.autogluon.multimodal.image_checkpoint",
    ]
    assert ["no answer" in problem for problem in problems] == [True, False]
    project(**{"learners.autogluon.multimodal.checkpoint": "some/model"})
    assert check()[0] == []  # a stack without that model


def test_a_checkpoint_that_the_hub_gives_is_fetched_and_not_missing(project, monkeypatch):
    monkeypatch.setattr(checking, "_is_cached", lambda _: False)
    monkeypatch.setattr(checking, "_ask_hub", lambda _: "")
    project(**{"backbones": {"blip": BLIP}, "tables": TABLES, "learners": LEARNERS})
    problems, facts = check()
    assert problems == []
    assert any(fact.startswith("backbones.blip.checkpoint: some/blip: not on") for fact in facts)


def test_a_backbone_that_no_table_has_is_said_to_be_needless(project, monkeypatch):
    monkeypatch.setattr(checking, "_is_cached", lambda _: False)
    monkeypatch.setattr(checking, "_ask_hub", lambda _: "no answer")
    tables = {"trees": TABLES["trees"] | {"blocks": ["meta"]}}
    project(**{"backbones": {"blip": BLIP}, "tables": tables, "learners": LEARNERS})
    (problem,) = check()[0]
    assert problem.endswith("no table has blip: without its entry nothing waits for it")


@pytest.mark.parametrize(
    ("error", "said"),
    [(None, ""), (RuntimeError("no route"), "does not answer"), ("none", "none of this name")],
)
def test_the_hub_is_asked(monkeypatch, error, said):
    import httpx
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError

    def answer(*_, **__):
        if error == "none":
            response = httpx.Response(404, request=httpx.Request("GET", "https://hub"))
            raise RepositoryNotFoundError("none", response=response)
        if error:
            raise error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", answer)
    found = checking._ask_hub("some/model")
    assert said in found
    assert bool(found) == bool(error)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in checking._ask_hub("some/model")


def test_a_folder_without_git_and_parameters_that_are_not_valid(project, tmp_path):
    project(**{"data.on_bad": "shrug"})
    problems, _ = check()
    assert "data.on_bad" in problems[0]
    project()
    shutil.rmtree(tmp_path / ".git")
    assert "no repository here" in check()[0][0]


def test_too_little_room_is_said(project, monkeypatch):
    project()
    much = Estimate(disk=1e18, memory=1e18, seconds=7200)
    monkeypatch.setattr(checking, "estimate", lambda *_: much)
    problems, facts = check()
    assert [problem.split(":")[0] for problem in problems] == ["disk", "memory"]
    assert "a run from nothing over 30 posts: about 2 hours" in facts[-1]


def test_what_a_finished_run_holds_is_no_room_that_lacks(project, monkeypatch, tmp_path):
    project()
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(checking, "estimate", lambda *_: Estimate(free + 1e9, 1.0, 1.0))
    assert "disk" in check()[0][0]
    monkeypatch.setattr(checking, "_measure", lambda _: 10**9)
    assert check()[0] == []


def test_what_reading_found_is_told(project, tmp_path):
    project()
    (tmp_path / "mine" / "posts.csv").write_text(f"{POSTS}p1,1\nq,\n")
    _, facts = check()
    assert "data: 31 posts, 30 with a label" in facts
    assert any("rows that repeat an earlier row: 1, left out" in fact for fact in facts)
    # Ingest, right after it in `make repro`, tells how the posts were read.
    _, brief = check(brief=True)
    assert "data: 31 posts, 30 with a label" in brief
    assert len(brief) < len(facts)
    assert not any(fact.startswith(" ") for fact in brief)


def test_all_that_smpd_needs_is_named_before_it_is_here(project, monkeypatch):
    """The paper's profile in a fresh clone without a network."""
    monkeypatch.setattr(checking, "_ask_hub", lambda _: "no answer")
    monkeypatch.setattr(checking, "_is_cached", lambda _: False)
    project(
        **{
            **{"data.source": "smpd", "data.root": "data/raw/smpd", "tables": TABLES},
            **{"backbones": {"blip": BLIP}, "learners": LEARNERS},
        }
    )
    problems, facts = check()
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["params.yaml", "data.root"],
        ["backbones.blip.checkpoint", "some/blip"],
    ]
    assert "fame init FOLDER" in problems[0]
    assert "over 486,194 posts: about" in facts[-1]
