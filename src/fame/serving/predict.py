"""`fame predict FILE -o OUT.csv`: score posts with the trained models, in any form that is read."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.readable import count

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from fame.serving.predictor import Predictor

STDIN = "-"
DECIMALS = 4  # on the screen; files keep every digit
HISTORY = (
    "posts with a label, such as your whole export, added to what is known of their authors: "
    "without it that is the training posts, and not the newer ones, held out too"
)
FORMS = (".csv", ".tsv", ".json", ".jsonl", ".parquet")


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "posts",
        metavar="FILE",
        help="posts as CSV, TSV, JSON, JSON lines, Parquet or Excel, gzipped too; the challenge's "
        "folder; or - for JSON lines from stdin",
    )
    parser.add_argument(
        "-o", "--output", type=Path, help=f"file to write ({', '.join(FORMS)}); none: CSV to stdout"
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder or archive that the pictures lie in (else the file's folder and those below)",
    )
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="folder or archive of a trained run"
    )
    parser.add_argument("--history", type=Path, help=HISTORY)
    parser.add_argument(
        "--rank", action="store_true", help="best first, with the columns rank and title"
    )
    parser.add_argument("--explain", action="store_true", help="add a column of reasons, as JSON")
    parser.add_argument(
        "--any-versions", action="store_true", help="accept other versions of the libraries"
    )


def run(arguments: argparse.Namespace) -> None:
    """Score, write, say how many."""
    started = time.monotonic()
    if arguments.output is not None and arguments.output.suffix not in FORMS:
        raise InputError(
            f"{arguments.output}: ends with {arguments.output.suffix!r}, "
            f"allowed: {', '.join(FORMS)}"
        )
    if arguments.images is not None and not arguments.images.exists():
        raise InputError(f"{arguments.images}: no such file or folder; --images names the pictures")
    lines = sys.stdin.buffer.read() if arguments.posts == STDIN else None
    from fame.serving.predictor import Predictor  # after the arguments: it takes seconds

    predictor = Predictor.load(arguments.models, any_versions=arguments.any_versions)
    if arguments.history is not None:
        add_history(predictor, arguments.history)
    name = "stdin" if lines is not None else arguments.posts
    drafts = predictor.read_file(Path(name), arguments.images, lines=lines)
    for line in drafts.found:
        print(f"read: {line}", file=sys.stderr)
    table = predictor.predict_drafts(drafts, explain=arguments.explain)
    own = Path("." if lines is not None else name)
    tell_missing(table, arguments.images or (own if own.is_dir() else own.parent))
    if arguments.rank:
        table = rank(table, name_posts(drafts.posts))
    write(table, arguments.output)
    print(summarise(table, predictor, time.monotonic() - started), file=sys.stderr)


def tell_missing(table: "pd.DataFrame", place: Path) -> None:
    """Say how many pictures were not found, and where: with another folder they may be."""
    missing = int(table["notes"].str.contains("unreadable picture (missing)", regex=False).sum())
    if missing:
        told = f"{count(missing, 'picture')} not found in {place.resolve()}"
        print(f"{told}; --images names where they lie", file=sys.stderr)


def add_history(predictor: "Predictor", path: Path) -> None:
    """Let the labelled posts of a file be their authors' past; say what of it was taken."""
    new, known, found = predictor.extend_history(path)
    for line in found:
        print(f"history: read: {line}", file=sys.stderr)
    told = f"{count(new, 'labelled post')} added, {known:,} known already"
    print(f"history: {told}", file=sys.stderr)


def name_posts(posts: "pa.Table") -> list[str]:
    """What tells n posts apart for a reader: the title on one line, without one the tags."""
    rows = zip(posts["title"].to_pylist(), posts["tags"].to_pylist(), strict=True)
    return [" ".join((title or " ".join(tags or [])).split()) for title, tags in rows]


def rank(table: "pd.DataFrame", names: list[str]) -> "pd.DataFrame":
    """Best first, with the posts' ``names``; posts of one prediction share a rank."""
    place = table["prediction"].rank(method="min", ascending=False).astype(int)
    table.insert(1, "rank", place)
    table.insert(2, "title", names)
    return table.sort_values("rank", kind="stable", ignore_index=True)


def write(table: "pd.DataFrame", path: Path | None) -> None:
    """In the form that the name says; where there is none CSV to stdout, its numbers rounded."""
    if path is None:
        table.round(DECIMALS).to_csv(sys.stdout, index=False)
        return
    with files.replacing(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        elif path.suffix in (".json", ".jsonl"):
            if "reasons" in table:  # text in a cell, here an object among others
                table = table.assign(reasons=table["reasons"].map(json.loads))
            table.to_json(
                temporary,
                orient="records",
                lines=path.suffix == ".jsonl",
                force_ascii=False,
                double_precision=15,
            )
        else:
            table.to_csv(temporary, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def summarise(table: "pd.DataFrame", predictor: "Predictor", seconds: float) -> str:
    """One line: how many posts, what of them could not be used, what the bundle lacks."""
    noted = int((table["notes"] != "").sum())
    new = int((table["author"] == "new").sum())
    left_out = predictor.bundle.left_out
    without = f", without {', '.join(left_out)}" if left_out else ""
    posts = "post" if len(table) == 1 else "posts"
    unit = f" as {predictor.unit}, with the count beside" if "count" in table else ""
    return (
        f"predict: {len(table)} {posts} scored{without}{unit}; {new} by new authors, "
        f"{noted} with notes; {seconds:.1f} s"
    )
