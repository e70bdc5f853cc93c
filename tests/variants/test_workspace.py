import json
import os

import pytest
from ruamel.yaml import YAML

from fame.runtime.errors import InputError
from fame.variants import leftovers, workspace


@pytest.fixture
def project(tmp_path, monkeypatch, write_params):
    write_params()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(leftovers, "find_cache", lambda _: "/cache")
    stages = {name: {"cmd": "true"} for name in ("shared", "only_here", "cell", "lost")}
    stages["train"] = {"foreach": "${learners}", "do": {"cmd": "true"}}
    YAML(typ="safe").dump({"stages": stages}, tmp_path / "dvc.yaml")
    (tmp_path / ".dvcignore").write_text("")
    for name in ("src", ".dvc/plots", "data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src/code.py").write_text("a")
    (tmp_path / "deps/stage").mkdir(parents=True)
    (tmp_path / "deps/stage/code.py").symlink_to("../../src/code.py")
    return tmp_path


def write_lock(folder, **entries):
    stages = {
        name: {"cmd": cmd, "outs": [{"path": f"data/{name}"}]} for name, cmd in entries.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe").dump({"schema": "2.0", "stages": stages}, folder / "dvc.lock")
    for name, cmd in entries.items():
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / name).write_text(cmd)


def read_lock(folder):
    stages = YAML(typ="safe").load((folder / "dvc.lock").read_text())["stages"]
    return {name: entry["cmd"] for name, entry in stages.items()}


@pytest.mark.parametrize(("prefer_project", "whose"), [(True, "project"), (False, "own")])
def test_what_is_finished_is_taken_over(project, prefer_project, whose):
    write_lock(project, shared="project", only_here="project")
    folder = project / ".workspaces/w"
    write_lock(folder, shared="own", cell="own")
    workspace.prepare("w", workspace.read_params(), prefer_project)
    assert read_lock(folder) == {"shared": whose, "only_here": "project", "cell": "own"}
    assert (folder / "data/shared").read_text() == whose
    assert (folder / "data/cell").read_text() == "own"
    assert (project / "data/only_here").samefile(folder / "data/only_here")
    assert (project / "data/shared").read_text() == "project"


def test_a_record_outlives_its_stage_and_its_outputs(project):
    """A learner that was deleted, and a fresh clone, whose outputs are not on disk yet."""
    write_lock(project, **{"shared": "project", "lost": "project", "train@old": "project"})
    write_lock(project / ".workspaces/w", **{"train@old": "own", "train@dae": "own"})
    (project / "data/lost").unlink()
    folder = workspace.prepare("w", workspace.read_params(), True)
    assert read_lock(folder) == {"shared": "project", "train@dae": "own"}


@pytest.mark.parametrize("left", ["", "schema: '2.0'\nstages:\n  a: {cmd"])
def test_a_record_of_its_own_that_a_kill_cut_off_is_as_none(project, left):
    write_lock(project, shared="project")
    folder = project / ".workspaces/w"
    write_lock(folder, cell="own")
    (folder / "dvc.lock").write_text(left)
    workspace.prepare("w", workspace.read_params(), True)
    assert read_lock(folder) == {"shared": "project"}


def test_code_and_parameters_are_copied_anew(project):
    content = workspace.read_params()
    folder = workspace.prepare("w", content, True)
    (project / "src/code.py").write_text("b")
    content["split"]["protocol"] = "user"
    workspace.prepare("w", content, True)
    assert (folder / "src/code.py").read_text() == "b"
    # A link of its own, to its own copy: what DVC compares is the code that it runs.
    link = folder / "deps/stage/code.py"
    assert link.is_symlink()
    assert link.samefile(folder / "src/code.py")
    assert "protocol: user" in (folder / "params.yaml").read_text()
    assert "protocol: user" not in (project / "params.yaml").read_text()


def test_a_relative_root_leads_to_the_projects_data(project):
    (project / "my_posts").mkdir()
    content = workspace.read_params()
    content["data"] |= {"source": "table", "root": "my_posts"}
    folder = workspace.prepare("w", content, True)
    assert (folder / "my_posts").samefile(project / "my_posts")


def test_it_needs_the_projects_folder(project):
    (project / "dvc.yaml").unlink()
    with pytest.raises(InputError, match=r"dvc\.yaml: no such file"):
        workspace.prepare("w", {}, True)


def test_a_zombie_blocks_nothing_and_a_running_process_does(project, zombie):
    path = project / ".dvc/tmp/rwlock"
    path.parent.mkdir()
    dead = {"pid": zombie, "cmd": "dvc repro"}
    for alive, stays in (([], False), ([{"pid": os.getpid(), "cmd": "dvc repro"}], True)):
        path.write_text(json.dumps({"write": {"a": dead}, "read": {"b": [dead, *alive]}}))
        workspace.release_locks(project)
        assert path.exists() == stays
    for text in ("{}", '{"write": {'):  # DVC may have been killed while it wrote
        path.write_text(text)
        workspace.release_locks(project)
        assert not path.exists()
    workspace.release_locks(project)


def test_a_record_is_not_repaired_while_a_dvc_writes_it(project, zombie, monkeypatch):
    repaired = []
    monkeypatch.setattr(workspace, "repair_locks", lambda: repaired.append(True))
    path = project / ".dvc/tmp/rwlock"
    path.parent.mkdir()
    for pid, repairs in ((os.getpid(), 0), (zombie, 1)):
        path.write_text(json.dumps({"write": {"a": {"pid": pid, "cmd": "dvc repro"}}}))
        workspace.main()
        assert len(repaired) == repairs


def test_a_list_that_is_being_written_is_waited_for(project, monkeypatch):
    path = project / ".dvc/tmp/rwlock"
    path.parent.mkdir()
    whole = json.dumps({"write": {"a": {"pid": os.getpid(), "cmd": "dvc repro"}}})
    path.write_text(whole[:10])
    monkeypatch.setattr(workspace.time, "sleep", lambda _: path.write_text(whole))
    assert not workspace.release_locks(project)
    assert path.exists()
    monkeypatch.setattr(workspace.time, "sleep", lambda _: None)
    path.write_text(whole[:10])
    assert workspace.release_locks(project)
    assert not path.exists()
