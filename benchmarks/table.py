"""Reading own posts at a million rows: time and peak memory beside `pandas.read_csv`.

Writes a CSV as a platform exports it (random content), then reads it in turns, each time in a
process of its own: with `pandas.read_csv`, which leaves texts as texts, and with the `table`
source, which reads ids, times, tags and numbers, checks them and joins nothing.

    python benchmarks/table.py --posts 1000000
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

WORDS = np.array(["sunset", "café", 'a "big" day', "street, night", "river", "bird", "dog", "art"])
START = pd.Timestamp("2020-01-01")
TIME_RATIO_ALLOWED = 2.0
COLUMNS = {
    **{"id": "id", "user": "user_id", "time": "posted_at", "title": "caption", "tags": "hashtags"},
    **{"target": "likes", "categories": ["kind"], "numeric": ["followers", "duration", "verified"]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--posts", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3, help="of each way, in turns")
    parser.add_argument("--read", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        print(*read(arguments.read, arguments.file))
        return
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "posts.csv"
        write(file, arguments.posts)
        print(f"{arguments.posts:,} posts, {file.stat().st_size / 1e6:,.0f} MB")
        compare(file, arguments.runs)


def write(file: Path, posts: int) -> None:
    """A CSV of ten columns."""
    rng = np.random.default_rng(0)
    times = START + pd.to_timedelta(rng.integers(0, 10**8, posts), "s")
    words = WORDS[rng.integers(0, len(WORDS), (posts, 10))]
    table = {
        "id": np.arange(posts) + 10**17,
        "user_id": rng.integers(0, posts // 20 + 2, posts),
        "posted_at": times.strftime("%Y-%m-%dT%H:%M:%S"),
        "caption": [" ".join(row) for row in words[:, :7]],
        "hashtags": [" ".join(f"#{word[:4].strip()}" for word in row) for row in words[:, 7:]],
        "kind": WORDS[rng.integers(0, 5, posts)],
        "followers": rng.integers(0, 10**6, posts),
        "duration": (100 * rng.random(posts)).round(1),
        "verified": rng.random(posts) < 0.1,
        "likes": np.round(2 ** rng.normal(8, 2, posts)).astype(int),
    }
    pd.DataFrame(table).to_csv(file, index=False)


def read(way: str, file: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak megabytes of reading, without the imports."""
    if way == "ours":
        from fame import params
        from fame.posts.sources.table import TableFile

        data = params.load().data
        columns = data.table.columns.model_copy(update=COLUMNS)
        table = data.table.model_copy(update={"file": file.name, "columns": columns})
        source = TableFile(data.model_copy(update={"table": table}))
    wall, cpu = time.perf_counter(), time.process_time()
    count = len(pd.read_csv(file) if way == "plain" else source.load(file.parent).table)
    used = time.perf_counter() - wall, time.process_time() - cpu
    assert count > 0
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return *used, int(peak[1]) / 1e3


def compare(file: Path, runs: int) -> None:
    """Medians of both ways, and the ratio of their times."""
    measured: dict[str, list[list[float]]] = {"plain": [], "ours": []}
    for _ in range(runs):
        for way, found in measured.items():
            command = [sys.executable, __file__, "--read", way, "--file", str(file)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append([float(number) for number in done.stdout.split()])
    medians = {
        way: [median(run) for run in zip(*found, strict=True)] for way, found in measured.items()
    }
    for way, (wall, cpu, megabytes) in medians.items():
        print(f"{way:6} {wall:6.1f} s {cpu:6.1f} CPU s {megabytes:8,.0f} MB")
    ratio = medians["ours"][1] / medians["plain"][1]
    print(f"CPU time ratio {ratio:.2f} (allowed {TIME_RATIO_ALLOWED:.2f})")
    if ratio > TIME_RATIO_ALLOWED:
        sys.exit("slower than allowed")


if __name__ == "__main__":
    main()
