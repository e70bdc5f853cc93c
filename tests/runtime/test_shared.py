from pathlib import Path

import pytest

from fame import params
from fame.runtime.shared import find_project, locate


@pytest.mark.parametrize(
    ("place", "project"),
    [
        ("/home/me/fame", "/home/me/fame"),
        ("/home/me/fame/.dvc/tmp/exps/tmp1a2b", "/home/me/fame"),
        ("/home/me/fame/.dvc/tmp/exps/standalone/tmp1a2b", "/home/me/fame"),
        ("/home/me/fame/.workspaces/ablation", "/home/me/fame"),
        ("/home/me/fame/.dvc/tmp/exps/tmp1/.workspaces/x", "/home/me/fame"),
        ("/tmp/exps/fame", "/tmp/exps/fame"),
    ],
)
def test_a_copy_is_told_by_its_place(place, project):
    assert find_project(Path(place)) == Path(project)


def test_an_experiment_finds_the_cache_of_its_project(tmp_path, monkeypatch, write_params):
    write_params(**{"runtime.cache": ".cache/features"})
    text = (tmp_path / "params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    assert params.load().runtime.cache == ".cache/features"
    copy = tmp_path / ".dvc/tmp/exps/tmpx"
    copy.mkdir(parents=True)
    (copy / "params.yaml").write_text(text)
    monkeypatch.chdir(copy)
    assert params.load().runtime.cache == str(tmp_path / ".cache/features")
    assert locate("/fast/cache") == "/fast/cache"
