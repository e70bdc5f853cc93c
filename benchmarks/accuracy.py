"""FAME against what else a user would try, on the same posts and the same split.

The posts go through the whole pipeline with `profiles/posts.yaml` as it comes, in a folder of its
own; the others then learn from the posts as the pipeline read and split them: the median, LightGBM
on the numbers, HyFea's recipe, AutoGluon. SRC, MAE and differences to FAME with intervals: a
bootstrap over the held-out posts' authors, or their weeks where they are few.
"""

import argparse
import csv
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import accuracy_rivals as rivals
import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from fame import params
from fame.learners import table_files
from fame.posts.contract import HOLDOUT
from fame.posts.sources.table_files import read_cells
from fame.report import bootstrap
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.metrics import mean_absolute_error, spearman
from fame.runtime.stage import run
from fame.setup.mapping import Mapping, propose
from fame.variants import profile, workspace

ROOT = Path(__file__).parents[1]
RAW = "data/raw/posts"
COPIED = ("dvc.yaml", ".dvcignore", "src", "deps", ".dvc/plots")
KEYS = ("id", "target", "user", "time", "title", "tags", "split")
HEAD = ("method", "src", "src_low", "src_high", "mae", "mae_low", "mae_high")
HEAD += ("src_difference", "src_difference_low", "src_difference_high")
HEAD += ("mae_difference", "mae_difference_low", "mae_difference_high", "seconds")


class Result(NamedTuple):
    """Predictions (h,) of the held-out posts, and what they took."""

    prediction: np.ndarray
    seconds: float


def main() -> None:
    arguments = parse()
    name = arguments.file.name.split(".")[0]
    folder = (arguments.folder or ROOT / ".workspaces" / f"accuracy_{name}").resolve()
    mapping = map_columns(arguments)
    prepare(folder, arguments, mapping)
    workspace.reproduce(folder, "fuse")
    settings = params.load(folder / "params.yaml")
    posts = files.read_table(folder / "data/interim/posts.parquet")
    results = compare(posts, arguments) | read_fame(folder, posts, settings)
    rows, drawn = score(posts, results, settings.report)
    intervals = describe_intervals(settings.report, drawn)
    write(folder / "accuracy", rows, intervals)
    describe(posts, rows, intervals, folder)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="posts in the form of source table, CSV or other")
    for key in KEYS:
        parser.add_argument(f"--{key}", metavar="COLUMN", help=f"the column that is the {key}")
    for key in ("categories", "numeric"):
        parser.add_argument(f"--{key}", metavar="A,B", help=f"the columns that are {key}")
    parser.add_argument("--images", type=Path, help="folder, zip or tar; the others see no image")
    parser.add_argument("--time-format", help="'day first', 'month first' or '%%d/%%m/%%Y'")
    parser.add_argument("--time-limit", type=int, default=120, help="of AutoGluon, seconds")
    parser.add_argument("--without-autogluon", action="store_true", help="for a quick run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for the pipeline's files and the results")
    return parser.parse_args()


def map_columns(arguments: argparse.Namespace) -> Mapping:
    """What each column is: as named, else as `fame init` would propose."""
    given: dict[str, Any] = {k: getattr(arguments, k) for k in KEYS if getattr(arguments, k)}
    for key in ("categories", "numeric"):
        if getattr(arguments, key) is not None:
            given[key] = [name for name in getattr(arguments, key).split(",") if name]
    cells = read_cells(arguments.file, None)
    mapping = propose(cells, given, arguments.images, arguments.time_format)
    for column, reason in mapping.reasons.items():
        print(f"  {column}: {reason}")
    if mapping.refusals:
        raise InputError("; ".join(mapping.refusals))
    return mapping


def prepare(folder: Path, arguments: argparse.Namespace, mapping: Mapping) -> None:
    """A pipeline of its own; what it finished with the same posts and code stays."""
    shutil.rmtree(folder / RAW, ignore_errors=True)
    copy(arguments.file, folder / RAW / arguments.file.name)
    if arguments.images:
        copy(arguments.images, folder / RAW / arguments.images.name)
    for name in COPIED:
        copy(ROOT / name, folder / name)
    files.write_text(folder / ".dvc/config", workspace.CONFIG.format(cache=folder / ".dvc/cache"))
    text = profile.apply(ROOT / "params.yaml", ROOT / "profiles/posts.yaml")
    content = YAML(typ="safe").load(text)
    # params.yaml may have posts of its own, and how those are read.
    content["data"] |= {"root": RAW, "target_transform": "log2p1" if mapping.counts else "none"}
    content["data"]["table"] |= {"file": arguments.file.name, "encoding": None}
    content["data"]["table"] |= {"images": arguments.images and arguments.images.name}
    content["data"]["table"] |= {"tag_separator": None}
    content["data"]["table"]["columns"] |= mapping.columns
    if mapping.columns["time"] is None:
        content["split"]["protocol"] = "random" if mapping.columns["user"] is None else "user"
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(content, file)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, target, symlinks=True, ignore=ignored)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def compare(posts: pa.Table, arguments: argparse.Namespace) -> dict[str, Result]:
    """The others, on the posts as the pipeline read them."""
    view = rivals.read(posts)
    methods: dict[str, Callable[[], np.ndarray]] = {
        "median of the training posts": lambda: rivals.predict_median(view),
        "HyFea's recipe": lambda: rivals.predict_hyfea(view, arguments.threads),
    }
    if view.numbers:
        methods["LightGBM on the numbers"] = lambda: rivals.predict_lightgbm(
            view, arguments.threads
        )
    if not arguments.without_autogluon:
        methods[f"AutoGluon medium, {arguments.time_limit} s"] = lambda: rivals.predict_autogluon(
            view, arguments.time_limit, arguments.threads
        )
    results = {}
    for name, predict in methods.items():
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        results[name] = Result(predict(), time.perf_counter() - start)
    return results


def read_fame(folder: Path, posts: pa.Table, settings: params.Params) -> dict[str, Result]:
    """The learners alone, and fused; its seconds are those of all stages."""
    held_out = arrays.to_strings(posts["split"]) == HOLDOUT
    seconds = {
        path.stem: files.read_json(path)["seconds"] for path in (folder / "runs").glob("*.json")
    }

    def read(name: str, took: float) -> Result:
        path = folder / "data/predictions" / f"{name}.parquet"
        return Result(table_files.read_predictions(path, posts["post_id"])[held_out], took)

    found = {f"FAME's {name}": read(name, seconds[f"train@{name}"]) for name in settings.learners}
    return found | {"FAME": read("fame", sum(seconds.values()))}


def score(
    posts: pa.Table, results: dict[str, Result], settings: params.ReportParams
) -> tuple[list[dict[str, Any]], str]:
    """A row a method, and what the bootstrap drew.

    A row has scores, their intervals, differences to FAME (FAME's less the method's).
    """
    held_out = arrays.to_strings(posts["split"]) == HOLDOUT
    true = arrays.to_numbers(posts["popularity"])[held_out]
    drawn, unit = bootstrap.number_drawn(posts.filter(pa.array(held_out)))
    predictions = {name: result.prediction for name, result in results.items()}
    samples = bootstrap.resample_scores(true, predictions, drawn, settings.resamples, settings.seed)
    rows = []
    for name, result in results.items():
        row: dict[str, Any] = {"method": name, "seconds": round(result.seconds, 1)}
        for metric, find in (("src", spearman), ("mae", mean_absolute_error)):
            own, fame = samples[name][metric], samples["FAME"][metric]
            row[metric] = find(true, result.prediction)
            row[f"{metric}_low"], row[f"{metric}_high"] = bootstrap.interval(
                own, settings.confidence
            )
            row[f"{metric}_difference"] = find(true, predictions["FAME"]) - row[metric]
            low, high = bootstrap.interval(fame - own, settings.confidence)
            row[f"{metric}_difference_low"], row[f"{metric}_difference_high"] = low, high
        rows.append({key: row[key] for key in HEAD})
    return rows, unit


def describe_intervals(settings: params.ReportParams, drawn: str) -> str:
    """What the intervals are of."""
    return (
        f"In brackets: {settings.confidence:.0%} of {settings.resamples} bootstrap resamples of "
        f"the held-out posts' {drawn}."
    )


def write(stem: Path, rows: list[dict[str, Any]], intervals: str) -> None:
    """The rows as CSV, and as Markdown with a line on their intervals."""
    with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEAD, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    head = ("method", "SRC", "MAE", "FAME's SRC less", "FAME's MAE less", "seconds")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(render(row)) + " |" for row in rows] + ["", intervals]
    files.write_text(stem.with_suffix(".md"), "\n".join(lines) + "\n")


def render(row: dict[str, Any]) -> list[str]:
    """The cells of a row."""
    cells = [row["method"]]
    for key, sign in (("src", ""), ("mae", ""), ("src_difference", "+"), ("mae_difference", "+")):
        value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
        own = row["method"] == "FAME" and sign
        cells.append("" if own else f"{value:{sign}.4f} [{low:{sign}.3f}, {high:{sign}.3f}]")
    return [*cells, f"{row['seconds']:.0f}"]


def describe(posts: pa.Table, rows: list[dict[str, Any]], intervals: str, folder: Path) -> None:
    """The table, and in the last line where FAME is better and where not."""
    split = arrays.to_strings(posts["split"])
    print(f"\n{(split == 'fit').sum()} training posts, {(split == HOLDOUT).sum()} held out")
    head = ("", "SRC", "MAE", "FAME's SRC less", "FAME's MAE less", "s")
    table = [head, *(tuple(render(row)) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    for row in table:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)))
    print(intervals)
    fame, others = rows[-1], rows[:-1]
    src, mae = max(row["src"] for row in others), min(row["mae"] for row in others)
    print(f"\nwritten: {folder}/accuracy.csv, {folder}/accuracy.md")
    print(
        f"FAME: SRC {fame['src']:.4f} (best other {src:.4f}), "
        f"MAE {fame['mae']:.4f} (best other {mae:.4f})"
    )


if __name__ == "__main__":
    run(main)
