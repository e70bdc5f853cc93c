"""`make clean`: what goes and what stays."""

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
