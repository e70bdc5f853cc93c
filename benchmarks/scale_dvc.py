"""DVC's own time in a project folder of any size, against a bare repository of as many stages.

`dvc status`, a `dvc repro` with nothing to do, and `dvc exp run -S fusion.alpha=...`; both sides
alternate, the median of each counts. The folder is one that scale.py made, with all its outputs
there. An archive of ARCHIVE_GB in its data (a sparse file: zeros that need no disk) stands for the
images: its digest must be taken once.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from experiment import call, commit, make_bare
from ruamel.yaml import YAML

ARCHIVE_GB = 20
FILES_ALLOWED = 300  # in an output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    enter(arguments.folder)
    print(compare(arguments.folder, arguments.runs))


def enter(folder: Path) -> None:
    """The outputs as they lie there into dvc.lock and the cache, all into a commit."""
    archive = folder / "data/raw/smpd/images.tar"
    if not archive.exists():
        with archive.open("wb") as file:
            file.truncate(ARCHIVE_GB * 10**9)
    for what in ("the first digests", "nothing new"):
        start = time.perf_counter()
        call(folder, "dvc", "commit", "--force")
        print(f"dvc commit, {what}: {time.perf_counter() - start:.1f} s", flush=True)
    commit(folder)
    largest = max(count_files(folder))
    print(f"the largest output has {largest} files")
    if largest > FILES_ALLOWED:
        sys.exit(f"an output has {largest} files, allowed {FILES_ALLOWED}")


def count_files(folder: Path) -> list[int]:
    """Of each output of a stage."""
    found = []
    for name in ("dvc.lock", "reports/dvc.lock"):
        for stage in YAML(typ="safe").load(folder / name)["stages"].values():
            found += [out.get("nfiles", 1) for out in stage.get("outs", [])]
    return found


def compare(folder: Path, runs: int) -> str:
    """A Markdown table: command, seconds in the bare repository, in ours, ratio."""
    with tempfile.TemporaryDirectory() as temporary:
        bare = Path(temporary, "bare")
        names = call(folder, "dvc", "stage", "list", "--all", "--name-only")
        make_bare(bare, len(names.split()))
        found: dict[str, list[tuple[float, float]]] = {}
        for run in range(runs + 1):
            alpha = f"fusion.alpha={0.41 + 0.01 * run:.2f}"
            for command in ("status", "repro", f"exp run -S {alpha}"):
                pair = tuple(measure(side, command) for side in (bare, folder))
                found.setdefault(command.replace(alpha, "fusion.alpha=..."), []).append(pair)
    lines = ["| command | bare repository, s | full size, s | ratio |", "|---|---|---|---|"]
    for command, pairs in found.items():
        # The first of each is not counted: it fills caches.
        plain, ours = (statistics.median(side) for side in zip(*pairs[1:], strict=True))
        lines.append(f"| `dvc {command}` | {plain:.2f} | {ours:.2f} | {ours / plain:.2f} |")
    return "\n".join(lines)


def measure(folder: Path, command: str) -> float:
    """Seconds."""
    start = time.perf_counter()
    call(folder, "dvc", *command.split())
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
