"""Wall time, CPU time and peak memory of every stage at SMPD's size, next to the plain way.

Makes a project folder of generated posts and RANDOM features in the real layout
(scale_project.py), runs each stage in it by the command that dvc.yaml has and, after it, what one
writes first for the same step: `pandas.read_json` and `merge`, features side by side in memory, the
float32 matrix passed to the libraries. Last come DVC's own commands (scale_dvc.py).

A learner runs with few and with more iterations (`--iterations`, 1 and 3): the difference is the
time of the further ones, the rest is preparation, and what WANTED iterations would take is
calculated from both. The plain way may take the memory that the machine has left; where
that does not suffice its line says so, and the benchmark goes on.

    python benchmarks/scale.py --posts 50000
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import scale_dvc
from dvc.repo import Repo
from experiment import call
from ingest import CHALLENGE_POSTS, SAMPLE_SECONDS, TRAINING_POSTS
from scale_project import make_project, write_params, write_random_blocks, write_untrained

HERE = Path(__file__).parent
WANTED = 200  # iterations
LEARNERS = ("lightgbm", "catboost", "dae")
STAGES = (
    *("simulate", "ingest", "encode_meta", "extract@glove", "assemble@trees"),
    *(f"train@{name}" for name in LEARNERS),
    *(f"predict@{name}" for name in LEARNERS),
    *("leakage", "fuse", "importance", "evaluate", "submit", "leaderboard", "report"),
)
PLAIN = {"ingest", "assemble@trees", "train@lightgbm", "train@catboost"}
LOG = "data/command.log"  # of the command that runs, in the project's folder
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_WAIT_POLICY": "passive",  # as in the stages, on both sides
}
NO_MEMORY = re.compile("MemoryError|bad_alloc|Unable to allocate|[Oo]ut of memory")
HEAD = "| step | s | CPU s | peak MB | of it mapped | plain, s | plain, CPU s | plain, peak MB |"


class CommandError(Exception):
    """A command failed: the command and the end of what it wrote."""

    def __init__(self, command: str, log: str) -> None:
        super().__init__(f"failed: {command}\n{log}")
        self.log = log


@dataclass
class OutOfMemory:
    """What the plain way comes to where the megabytes that it may have do not suffice."""

    allowed_mb: float


@dataclass
class Cost:
    """What a command and all its processes took; ``mapped_mb`` is files' part of the peak."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    mapped_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=TRAINING_POSTS + CHALLENGE_POSTS)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument(
        "--iterations", nargs=2, type=int, default=(1, 3), help="of a learner's two runs"
    )
    parser.add_argument("--untrained", action="store_true", help="random predictions, no training")
    parser.add_argument("--folder", type=Path, help="keep the project here, use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary, "project")
        if not folder.exists():
            make_project(folder, arguments.posts)
        print(f"{arguments.posts:,} posts without images; blip, vilt, image_stats are RANDOM\n")
        print(f"{HEAD}\n|{'---|' * HEAD.count(' |')}", flush=True)
        iterations = None if arguments.untrained else arguments.iterations
        try:
            for line in run_stages(folder, arguments.stages, iterations):
                print(line, flush=True)
        except CommandError as error:
            sys.exit(str(error))
        if set(arguments.stages) == set(STAGES):
            scale_dvc.enter(folder)
            print(f"\n{scale_dvc.compare(folder, runs=3)}")


def run_stages(
    folder: Path, chosen: list[str], iterations: tuple[int, int] | None
) -> Iterator[str]:
    """A line of the table for each stage, run in the order of the pipeline; None trains nothing."""
    commands = {stage.addressing.split(":")[-1]: stage.cmd for stage in Repo(folder).index.stages}
    for stage in (stage for stage in STAGES if stage in chosen):
        kind, _, name = stage.partition("@")
        if stage == "ingest":  # both sides find the files in the system's cache
            for path in (folder / "data/raw/smpd").glob("*.json"):
                path.read_bytes()
        if iterations is None and kind in ("train", "predict", "importance"):
            write_untrained(folder)
            continue
        if stage == "importance":  # which opens no model that dvc.lock does not record
            call(folder, "dvc", "commit", "--force", *(f"train@{each}" for each in LEARNERS))
        if kind == "train":
            yield from measure_learner(folder, name, commands[stage], iterations)
        else:
            ours = watch(commands[stage], folder)
            yield show(stage, ours, watch_plain(stage, folder))
        if stage == "extract@glove":
            write_random_blocks(folder)


def measure_learner(
    folder: Path, name: str, command: str, iterations: tuple[int, int]
) -> Iterator[str]:
    """Lines of both numbers of iterations, and what follows for WANTED ones."""
    stage = f"train@{name}"
    ours: list[Cost] = []
    plain: list[Cost | OutOfMemory | None] = []
    for number in iterations:
        write_params(folder, number)
        ours.append(watch(command, folder))
        short = plain and isinstance(plain[-1], OutOfMemory)  # more iterations need no less memory
        plain.append(plain[-1] if short else watch_plain(stage, folder))
        yield show(f"{stage}, iterations: {number}", ours[-1], plain[-1])
    whole = all(isinstance(cost, Cost) for cost in plain)
    yield show(
        f"{stage}, {WANTED} iterations, calculated",
        extrapolate(*ours, iterations),
        extrapolate(*plain, iterations) if whole else plain[-1],
    )


def extrapolate(few: Cost, more: Cost, iterations: tuple[int, int]) -> Cost:
    """What WANTED iterations cost, if each costs as much as those between ``few`` and ``more``."""
    factor = (WANTED - iterations[0]) / (iterations[1] - iterations[0])
    return Cost(
        few.seconds + factor * (more.seconds - few.seconds),
        few.cpu_seconds + factor * (more.cpu_seconds - few.cpu_seconds),
        max(few.peak_mb, more.peak_mb),
        max(few.mapped_mb, more.mapped_mb),
    )


def watch_plain(stage: str, folder: Path) -> Cost | OutOfMemory | None:
    """Run the plain way of a stage, if there is one, with the memory that the machine has left."""
    if stage not in PLAIN:
        return None
    left = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]
    allowed_kb = int(0.95 * int(left))
    try:
        return watch(f"ulimit -d {allowed_kb}; exec {find_plain(stage)}", folder)
    except CommandError as error:
        if NO_MEMORY.search(error.log):
            return OutOfMemory(allowed_kb / 1e3)
        raise


def find_plain(stage: str) -> str:
    """The command of the plain way."""
    if stage == "ingest":
        return f"{sys.executable} {HERE}/ingest.py --read plain --folder data/raw/smpd"
    return f"{sys.executable} {HERE}/plain_scale.py {stage.partition('@')[2]}"


def show(name: str, ours: Cost, plain: Cost | OutOfMemory | None) -> str:
    """A line of the table."""
    numbers = [ours.seconds, ours.cpu_seconds, ours.peak_mb, ours.mapped_mb]
    if isinstance(plain, Cost):
        numbers += [plain.seconds, plain.cpu_seconds, plain.peak_mb]
    cells = [f"{number:,.1f}" if number < 100 else f"{number:,.0f}" for number in numbers]
    cells += ["-"] * (7 - len(cells))
    if isinstance(plain, OutOfMemory):
        cells[-1] = f"out of memory at {plain.allowed_mb:,.0f}"
    return f"| {' | '.join([name, *cells])} |"


def watch(command: str, folder: Path) -> Cost:
    """Run a command in ``folder``.

    Raises:
        CommandError: it fails.
    """
    environment = ENVIRONMENT | {"PYTHONPATH": str(folder.resolve() / "src")}
    start, peak = time.perf_counter(), (0.0, 0.0)
    with (folder / LOG).open("w+") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, shell=True, stdout=log, stderr=log
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, measure_memory(process.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise CommandError(command, log.read()[-2000:])
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
    found = [re.search(rf"^{key}:\s+(\d+)", rollup, re.M) for key in ("Pss", "Pss_File")]
    own = [int(match[1]) / 1e3 for match in found]
    below = [measure_memory(int(child)) for child in children]
    return tuple(sum(column) for column in zip(own, *below, strict=True))


if __name__ == "__main__":
    main()
