import json
import sys

import pytest

from fame.errors import InputError
from fame.stages import run


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "reports/dvc.yaml:report")


def test_what_a_run_cost_is_kept(tmp_path):
    run(lambda: None)
    facts = json.loads((tmp_path / "runs" / "report.json").read_text())
    assert facts["seconds"] >= 0
    assert facts["peak_memory_mb"] > 1
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "numpy" in facts["versions"]


def refuse():
    raise InputError("posts.csv row 3: bad")


def stop():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("main", "status", "said"),
    [(refuse, 1, "error: posts.csv row 3: bad\n"), (stop, 130, "interrupted\n")],
)
def test_bad_input_ends_in_one_line(main, status, said, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == status
    assert capsys.readouterr().err == said
    assert not (tmp_path / "runs").exists()


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
