"""Wall time of `dvc exp run -S fusion.alpha=...` against a bare DVC repository of trivial stages.

Run in a repository whose last commit is reproduced (`make repro`): it is cloned into a temporary
folder, so that nothing here changes. All sides alternate in one run; the median of each counts.

What a part of the project costs: clone it, edit its dvc.yaml, `dvc commit --force`, commit, and
name the clone with `--beside`.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
}


def call(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_bare(folder: Path, stages: int) -> None:
    """A repository of `stages` stages that echo a number; the last one reads the others."""
    folder.mkdir()
    call(folder, "git", "init", "-q")
    call(folder, "dvc", "init", "-q")
    for key in ("analytics", "check_update"):
        call(folder, "dvc", "config", f"core.{key}", "false")
    lines = ["stages:"]
    for i in range(stages - 1):
        lines += [
            f"  s{i}:",
            f"    cmd: echo {i} > o{i}",
            f"    params: [p{i}]",
            f"    outs: [o{i}]",
        ]
    outs = ", ".join(f"o{i}" for i in range(stages - 1))
    lines += ["  fuse:", "    cmd: cat o* > fused", "    params: [fusion.alpha]"]
    lines += [f"    deps: [{outs}]", "    outs: [fused]"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n")
    params = [f"p{i}: {i}" for i in range(stages - 1)] + ["fusion: {alpha: 0.4}"]
    (folder / "params.yaml").write_text("\n".join(params) + "\n")
    call(folder, "dvc", "repro", "-q")
    commit(folder)


def make_clone(folder: Path) -> None:
    """A clone of this repository with its cache linked, everything checked out."""
    call(ROOT, "git", "clone", "-q", str(ROOT), str(folder))
    shutil.copytree(ROOT / ".dvc/cache", folder / ".dvc/cache", copy_function=os.link)
    call(folder, "dvc", "checkout", "-q")
    if "up to date" not in call(folder, "dvc", "status"):
        sys.exit("the last commit is not reproduced here: run `make repro` and commit first")


def commit(folder: Path) -> None:
    call(folder, "git", "add", "-A")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
    call(folder, "git", *identity, "commit", "-qm", "state")


def measure(folder: Path, alpha: float) -> float:
    start = time.perf_counter()
    call(folder, "dvc", "exp", "run", "-S", f"fusion.alpha={alpha}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--beside", nargs="*", type=Path, default=[], help="further repositories, reproduced"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        bare, clone = Path(temporary, "bare"), Path(temporary, "clone")
        make_clone(clone)
        stages = len(call(clone, "dvc", "stage", "list", "--all", "--name-only").split())
        make_bare(bare, stages)
        sides = {"bare repository": bare, "this one": clone} | {
            str(folder): folder for folder in arguments.beside
        }
        alphas = [0.41 + 0.01 * run for run in range(arguments.runs + 1)]
        # The first of each is not counted: it fills caches.
        rounds = [[measure(side, alpha) for side in sides.values()] for alpha in alphas][1:]
    print(f"dvc exp run -S fusion.alpha=..., median of {arguments.runs} runs, {stages} stages each")
    medians = [statistics.median(side) for side in zip(*rounds, strict=True)]
    for name, seconds in zip(sides, medians, strict=True):
        print(f"{name} {seconds:.2f} s: {seconds / medians[0]:.2f} times")


if __name__ == "__main__":
    main()
