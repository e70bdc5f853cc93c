"""`make protocols`: the whole pipeline under each split protocol, with confidence intervals.

Each runs in a copy of the pipeline (`fame.variants.workspace`); frozen features are the same for
all.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from fame import params
from fame.learners import table_files
from fame.posts.contract import HOLDOUT
from fame.report import bootstrap, kept
from fame.runtime import arrays, files
from fame.runtime.readable import count, show_number
from fame.runtime.stage import run
from fame.variants import workspace

PROTOCOLS = ("chronological", "new_users", "user", "random")
OUTPUT = Path("reports/protocols/scores.json")
BLOCKS = ["data", "split", "backbones", "meta", "tables", "learners", "fusion"]
POSTS = Path("data/interim/posts.parquet")


def main() -> None:
    """Run what is missing, score every learner and the fusion under each protocol, write."""
    settings, content = params.load(), workspace.read_params()
    scores, data = {}, {}
    for protocol in PROTOCOLS:
        print(f"protocols: {protocol}", flush=True)
        content["split"]["protocol"] = protocol
        own = protocol == settings.split.protocol  # which the project has finished itself
        folder = workspace.prepare(f"protocol_{protocol}", content, prefer_project=own)
        workspace.reproduce(folder, "fuse")
        data = files.read_json(folder / "metrics/data.json")
        names = [*settings.learners, "fame"]
        scores[protocol] = score(folder, names, settings.report) | {"data": data}
    written = {
        "simulated": data["simulated"],
        "confidence": settings.report.confidence,
        # By it the report knows whether they are of its posts and parameters.
        "made_with": kept.describe(settings, BLOCKS, data["posts_digest"]),
        "protocols": scores,
    }
    files.write_json(OUTPUT, written)
    for protocol, found in scores.items():
        print(describe(protocol, found, settings.report))
    print(f"protocols: in {OUTPUT}")


def score(folder: Path, names: list[str], settings: params.ReportParams) -> dict[str, Any]:
    """SRC and MAE on the holdout with intervals, from the prediction files.

    Returns:
        ``scores``: name -> SRC, MAE and their intervals; ``drawn``: what the bootstrap drew.
    """
    columns = ["post_id", "user_id", "posted_at", "split", "popularity"]
    posts = files.read_table(folder / POSTS, columns)
    holdout = arrays.to_strings(posts["split"]) == HOLDOUT
    true = arrays.to_numbers(posts["popularity"])[holdout]
    predictions = {
        name: table_files.read_predictions(
            folder / "data/predictions" / f"{name}.parquet", posts["post_id"]
        )[holdout]
        for name in names
    }
    drawn, unit = bootstrap.number_drawn(posts.filter(pa.array(holdout)))
    samples = bootstrap.resample_scores(true, predictions, drawn, settings.resamples, settings.seed)
    scores = bootstrap.add_intervals(true, predictions, samples, settings.confidence)
    return {"scores": scores, "drawn": unit}


def describe(protocol: str, found: dict[str, Any], settings: params.ReportParams) -> str:
    """One line: the fusion's scores, and of what its interval is."""
    fame = found["scores"]["fame"]
    low, high = (show_number(bound) for bound in fame["mae_interval"])
    src, mae = show_number(fame["src"]), show_number(fame["mae"])
    resamples = count(settings.resamples, "resample")
    return (
        f"{protocol:<14} FAME: SRC {src}, MAE {mae} ({low} to {high}: "
        f"{settings.confidence:.0%} of {resamples} of {found['drawn']})"
    )


if __name__ == "__main__":
    run(main)
