"""Loading SMPD at full size: time and peak memory beside the plain way with pandas.

Writes a folder in the challenge's format (random content, no images), then reads it twice, each in
a process of its own: with `pandas.read_json` and joins, and with the `smpd` source, which parses
the description floats too and writes everything to Parquet.

    python benchmarks/ingest.py --form A --posts 60000
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

TRAINING_POSTS, CHALLENGE_POSTS = 305_613, 180_581
CHUNK_POSTS = 20_000
WORDS = ("sunset", "beach", "mountain", "portrait", "street", "night", "city", "festival", "river")
WORDS += ("bird", "dog", "wedding", "snow", "garden", "food", "music", "train", "autumn", "market")
WORDS += ("church", "boat")
SAMPLE_SECONDS = 0.1  # between two looks at the memory
TIME_RATIO_ALLOWED, MEMORY_RATIO_ALLOWED = 1 / 2, 1 / 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=["A", "B"], default="A", help="release of the user data")
    parser.add_argument("--posts", type=int, default=TRAINING_POSTS + CHALLENGE_POSTS)
    parser.add_argument("--users", type=int, default=38_000, help="each with vectors of their own")
    parser.add_argument("--folder", type=Path, help="keep the generated folder here")
    parser.add_argument("--read", choices=["plain", "ours"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        {"plain": read_plainly, "ours": read_with_source}[arguments.read](arguments.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "smpd"
        if not folder.exists():
            write_folder(folder, arguments.posts, arguments.users, arguments.form)
        size = sum(path.stat().st_size for path in folder.rglob("*.*"))
        print(f"form {arguments.form}, {arguments.posts:,} posts, {size / 1e9:.2f} GB")
        compare(folder)


def compare(folder: Path) -> None:
    """Both ways in processes of their own; their time and peak memory, and the ratios."""
    measured = {way: measure(way, folder) for way in ("plain", "ours")}
    for way, (seconds, megabytes) in measured.items():
        print(f"{way:6} {seconds:8.1f} s {megabytes:10,.0f} MB")
    time_ratio, memory_ratio = (
        ours / plain for ours, plain in zip(measured["ours"], measured["plain"], strict=True)
    )
    print(f"time ratio {time_ratio:.2f} (allowed {TIME_RATIO_ALLOWED:.2f})")
    print(f"memory ratio {memory_ratio:.2f} (allowed {MEMORY_RATIO_ALLOWED:.2f})")
    if time_ratio > TIME_RATIO_ALLOWED or memory_ratio > MEMORY_RATIO_ALLOWED:
        sys.exit("slower or larger than allowed")


def measure(way: str, folder: Path) -> tuple[float, float]:
    """Wall seconds and peak megabytes of a process that reads ``folder``, and of its own."""
    command = [sys.executable, __file__, "--read", way, "--folder", str(folder)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum_megabytes(process.pid))
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"the process that reads the {way} way failed")
    return seconds, peak


def sum_megabytes(pid: int) -> float:
    """Resident memory of a process and all below it; a page that some share counts once."""
    process = Path("/proc") / str(pid)
    try:
        rollup = (process / "smaps_rollup").read_text()
        children = (process / "task" / str(pid) / "children").read_text()
    except OSError:  # it has ended
        return 0.0
    kilobytes = int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1])
    return kilobytes / 1e3 + sum(sum_megabytes(int(child)) for child in children.split())


def read_plainly(folder: Path) -> None:
    """`pandas.read_json` of every file, joined."""
    import pandas as pd

    parts = []
    for part in ("train", "test"):
        read = {
            name: pd.read_json(folder / f"{part}_{name}.json")
            for name in (
                "text",
                "category",
                "temporalspatial_information",
                "additional_information",
                "user_data",
            )
        }
        table = read["text"]
        for name in ("category", "temporalspatial_information", "additional_information"):
            table = table.merge(read[name], on=["Uid", "Pid"])
        table = pd.concat([table, read["user_data"]], axis=1)
        table["path"] = pd.read_csv(folder / f"{part}_img_filepath.txt", header=None)[0]
        if part == "train":
            table["label"] = pd.read_csv(folder / "train_label.txt", header=None)[0]
        parts.append(table)
    table = pd.concat(parts)
    table = table.merge(pd.read_csv(folder / "user_additional.csv"), on="Pathalias", how="left")
    print(f"  plain: {len(table):,} rows, {table.shape[1]} columns")


def read_with_source(folder: Path) -> None:
    """The `smpd` source, posts, images and description vectors written as the ingest stage does."""
    from fame import params
    from fame.posts.contract import DESCRIPTIONS
    from fame.posts.sources.smpd import Smpd
    from fame.runtime import files

    posts = Smpd(params.load().data).load(folder)
    with tempfile.TemporaryDirectory() as temporary:
        files.write_batches(
            Path(temporary) / "descriptions.arrow", DESCRIPTIONS, posts.descriptions
        )
        files.write_table(Path(temporary) / "images.parquet", posts.images)
        files.write_table(Path(temporary) / "posts.parquet", posts.table)
    print(f"  ours: {len(posts.table):,} rows, {posts.table.num_columns} columns")


def write_folder(folder: Path, posts: int, users: int, form: str) -> None:
    """Random posts in the challenge's format, the share of training posts as published."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    training = round(posts * TRAINING_POSTS / (TRAINING_POSTS + CHALLENGE_POSTS))
    write_profiles(folder, users, rng)
    descriptions = make_descriptions(rng, users) if form == "A" else []
    for part, ids in (
        ("train", np.arange(1, training + 1)),
        ("test", np.arange(training + 1, posts + 1)),
    ):
        posters = rng.integers(0, users, len(ids))
        write_keyed(folder, part, ids, posters, rng)
        records = make_user_data(posters, descriptions)
        if form == "A":
            write_list(folder / f"{part}_user_data.json", records)
        else:
            write_columns(folder / f"{part}_user_data.json", records)
        paths = (f"{part}/{user}@N75/{post}.jpg\n" for post, user in zip(ids, posters, strict=True))
        (folder / f"{part}_img_filepath.txt").write_text("".join(paths))
    labels = np.clip(rng.normal(6.4, 2.5, training), 1, 16.56)
    np.savetxt(folder / "train_label.txt", labels, fmt="%.2f")


def write_keyed(
    folder: Path, part: str, ids: np.ndarray, users: np.ndarray, rng: np.random.Generator
) -> None:
    """The four files whose records carry Pid and Uid."""
    keys = [
        {"Pid": str(post), "Uid": f"{user}@N75"}
        for post, user in zip(ids.tolist(), users.tolist(), strict=True)
    ]
    words = rng.integers(0, len(WORDS), (len(ids), 12)).tolist()
    numbers = rng.integers(0, 600, len(ids)).tolist()
    seconds = (1_430_000_000 + 100 * ids).tolist()
    write_list(
        folder / f"{part}_text.json",
        (
            key
            | {
                "Title": " ".join(WORDS[i] for i in row[:4]),
                "Alltags": " ".join(WORDS[i] for i in row),
                "Mediatype": "photo",
            }
            for key, row in zip(keys, words, strict=True)
        ),
    )
    write_list(
        folder / f"{part}_category.json",
        (
            key
            | {
                "Category": WORDS[n % 11],
                "Subcategory": f"{WORDS[n % 7]}{n % 77}",
                "Concept": f"{WORDS[n % 5]}{n}",
            }
            for key, n in zip(keys, numbers, strict=True)
        ),
    )
    write_list(
        folder / f"{part}_temporalspatial_information.json",
        (
            key
            | {
                "Postdate": str(second),
                "Longitude": f"{n / 7 - 40:.6f}" if n % 3 else "",
                "Latitude": f"{n / 9:.6f}" if n % 3 else "0",
                "Geoaccuracy": "16" if n % 3 else "0",
            }
            for key, second, n in zip(keys, seconds, numbers, strict=True)
        ),
    )
    write_list(
        folder / f"{part}_additional_information.json",
        (
            key
            | {
                "Pathalias": f"alias{key['Uid'][:-4]}" if n % 4 else "None",
                "Ispublic": "1",
                "Mediastatus": "ready",
            }
            for key, n in zip(keys, numbers, strict=True)
        ),
    )


def make_descriptions(rng: np.random.Generator, users: int) -> list[dict[str, str]]:
    """The description vectors of each user as text: 399 numbers, and 400 with two characters."""
    numbers = [f"{abs(value):.3g}" for value in rng.normal(0, 0.3, 5000).tolist()]

    def draw(width: int) -> str:
        return ",".join([numbers[i] for i in rng.integers(0, len(numbers), width).tolist()])

    return [
        {"user_description": draw(399), "location_description": draw(400) + ",0"}
        for _ in range(users)
    ]


def make_user_data(
    users: np.ndarray, descriptions: list[dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """A record a post: form A where there are ``descriptions``, else form B."""
    for user in users.tolist():
        shared = {"photo_count": str(user % 9000), "ispro": str(user % 2)}
        if descriptions:
            yield shared | {
                "canbuypro": "0",
                "timezone_timezone_id": "8",
                "timezone_offset": "-10:00",
                "photo_firstdate": str(1_200_000_000 + user),
                "photo_firstdatetaken": str(1_100_000_000 + user),
                **descriptions[user % len(descriptions)],
            }
        else:
            yield shared | {
                "timezone_id": "PST8PDT",
                "timezone_offset": "+01:00",
                "photo_firstdate": str(1_200_000_000 + user),
                "photo_firstdatetaken": "2004-11-09 08:06:40",
                "user_description": f"I am number {user} and I like {WORDS[user % 12]} " * 5,
                "location_description": None,
            }


def write_list(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """A JSON list, written in pieces."""
    with path.open("wb") as file:
        opening = b"["
        chunk = []
        for record in records:
            chunk.append(record)
            if len(chunk) == CHUNK_POSTS:
                file.write(opening + orjson.dumps(chunk)[1:-1])
                opening, chunk = b",", []
        file.write(opening + orjson.dumps(chunk)[1:-1] + b"]" if chunk else b"]")


def write_columns(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """A JSON object of columns, each an object of rows."""
    rows = list(records)
    columns = {key: {str(i): row[key] for i, row in enumerate(rows)} for key in rows[0]}
    path.write_text(json.dumps(columns), encoding="utf-8")


def write_profiles(folder: Path, users: int, rng: np.random.Generator) -> None:
    """user_additional.csv."""
    names = "totalViews,totalTags,totalGeotagged,totalFaves,totalInGroup,photoCount"
    lines = [f",Pathalias,{names},followerCount,followingCount"]
    numbers = rng.integers(0, 100_000, (users, 8)).tolist()
    lines += [f"{i},alias{i},{','.join(map(str, row))}" for i, row in enumerate(numbers)]
    (folder / "user_additional.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
