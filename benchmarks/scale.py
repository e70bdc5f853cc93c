"""Wall time, CPU time and peak memory of every stage at SMPD's size, next to the plain way.

Makes a project folder of generated posts and RANDOM features in the real layout
(scale_project.py), runs each stage in it by the command that dvc.yaml has, and after it what one
writes first for the same step (plain_scale.py): `pandas.read_json` and `concat`, features side by
side in memory, the float32 matrix passed to the libraries.

Learners run twice, with FEW and MORE iterations: the difference is the time of an iteration, the
rest is preparation. The plain way trains one fold of five.

    python benchmarks/scale.py --posts 50000
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from dvc.repo import Repo
from ingest import CHALLENGE_POSTS, SAMPLE_SECONDS, TRAINING_POSTS
from ruamel.yaml import YAML
from scale_project import make_project, set_iterations, write_random_blocks

HERE = Path(__file__).parent
FEW, MORE, PAPER = 1, 3, 200
EPOCHS = 10
STAGES = (
    *("ingest", "encode_meta", "extract@glove", "assemble@trees", "assemble@text_image"),
    *("train@lightgbm", "train@catboost", "train@dae", "leakage", "fuse"),
    *("importance", "evaluate", "submit", "leaderboard", "report"),
)
PLAIN = {"ingest", "assemble@trees", "train@lightgbm", "train@catboost", "train@dae"}
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}


@dataclass
class Cost:
    """What a command and all its processes took; ``mapped_mb`` is files' part of the peak."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    mapped_mb: float


def watch(command: str, folder: Path) -> Cost:
    """Run a command in ``folder``; stops the benchmark where it fails."""
    start, peak = time.perf_counter(), (0.0, 0.0)
    source = {"PYTHONPATH": str(folder.resolve() / "src")}
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT | source, shell=True)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, measure_memory(process.pid))
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {command}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, *peak)


def measure_memory(pid: int) -> tuple[float, float]:
    """Megabytes in memory of a process and all below it, and of them those of mapped files.

    A page that some share counts once. Mapped files' pages go when another needs the memory.
    """
    process = Path("/proc") / str(pid)
    try:
        rollup = (process / "smaps_rollup").read_text()
        children = (process / "task" / str(pid) / "children").read_text().split()
    except OSError:  # it has ended
        return 0.0, 0.0
    own = [int(re.search(rf"^{key}:\s+(\d+)", rollup, re.M)[1]) / 1e3 for key in ("Pss", "Pss_File")]
    below = [measure_memory(int(child)) for child in children]
    return tuple(sum(column) for column in zip(own, *below, strict=True))
