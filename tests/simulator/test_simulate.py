"""The stage `simulate`: the sample, or a folder that says that there is none."""

import sys
from pathlib import Path

import pytest

from fame.runtime.errors import InputError
from fame.simulator import simulate

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def write_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that writes params.yaml with another source or number of posts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["simulate", "--output", "raw/sample"])

    def write(source: str = "sample", training_posts: int = 40) -> None:
        text = PARAMS.read_text(encoding="utf-8")
        for old, new in (
            ("source: sample ", f"source: {source} "),
            ("root: data/raw/sample ", f"root: data/raw/{source} "),
            ("training_posts: 2500", f"training_posts: {training_posts}"),
            ("challenge_posts: 500", "challenge_posts: 10"),
            ("users: 400", "users: 20"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")

    return write


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_the_sample(
    write_params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params()
    simulate.main()
    assert len((tmp_path / "raw/sample/simulated_truth.csv").read_text().split()) == 51
    line = capsys.readouterr().out
    assert line.startswith("simulate: 50 simulated posts, 50 images; simulated labels: mean 6.")
    assert "upper bound over all 40 labelled posts SRC 0." in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("source", ["smpd", "table"])
def test_other_sources_leave_a_note(
    write_params, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    (tmp_path / "raw/sample").mkdir(parents=True)
    (tmp_path / "raw/sample/old.txt").write_text("old")
    write_params(source)
    Path("data/raw", source).mkdir(parents=True)
    simulate.main()
    note = f"data.source is {source}: nothing was simulated.\n"
    assert list_names(tmp_path / "raw/sample") == ["README.txt"]
    assert (tmp_path / "raw/sample/README.txt").read_text() == note
    assert capsys.readouterr().out == f"simulate: {note}"


@pytest.mark.parametrize(("source", "what"), [("smpd", "FOLDER"), ("table", "FILE")])
def test_a_root_that_is_not_there_is_refused(write_params, source: str, what: str) -> None:
    write_params(source)
    problem = f"data.root: no folder 'data/raw/{source}'; `fame init {what}`"
    with pytest.raises(InputError, match=problem):
        simulate.main()


def test_a_failure_leaves_what_was_there(write_params, tmp_path: Path) -> None:
    write_params()
    simulate.main()
    before = list_names(tmp_path / "raw/sample")
    write_params(training_posts=7)
    with pytest.raises(InputError, match=r"data\.sample\.training_posts"):
        simulate.main()
    assert list_names(tmp_path / "raw/sample") == before
    assert list_names(tmp_path / "raw") == ["sample"]
