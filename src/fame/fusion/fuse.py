"""Predictions of the learners -> fused predictions, metrics and the data of the plots.

Starts in a blink: no torch, no learner's library, no figure. Drawing is the report's. Only learned
weights import SciPy.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame import params
from fame.fusion import (
    combination,
    data_record,
    fusion_file,
    intervals,
    plots,
    scores,
    weights,
    wording,
)
from fame.fusion.combination import Combination, TrainingPosts
from fame.fusion.known import find_known_authors
from fame.learners import table_files
from fame.learners.clipping import find_reach
from fame.posts.contract import FIT, HOLDOUT
from fame.posts.splits import number_users
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.readable import count, show_number
from fame.runtime.stage import run

CLEARLY = 0.02  # share by which fixed weights must be worse before a line says so


def main() -> None:
    """Fuse, score on the holdout, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    inputs = ("posts", "predictions", "records", "features", "curves", "leakage")
    for name in (*inputs, "output", "model", "metrics", "data", "plots"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load(kinds=False)
    if not files.read_json(arguments.leakage)["passed"]:
        raise InputError(f"{arguments.leakage}: a gate found a leak; nothing is scored")
    posts = files.read_table(arguments.posts)
    predictions = {
        name: read_predictions(name, arguments.records, arguments.predictions, posts)
        for name in settings.learners
    }
    split, label = arrays.to_strings(posts["split"]), arrays.to_numbers(posts["popularity"])
    known = find_known_authors(posts, split)
    own, holdout = split == FIT, split == HOLDOUT
    training = TrainingPosts(
        label[own],
        known[own],
        arrays.to_numbers(posts["fold"])[own],
        number_users(arrays.to_strings(posts["user_id"])[own].tolist()),
    )
    chosen, out_of_fold = combine(
        training, {name: values[own] for name, values in predictions.items()}, settings.fusion
    )
    fused = chosen.fuse(predictions, known)
    error = np.abs(label[own] - out_of_fold)
    widths = intervals.fit(error, known[own], settings.fusion.intervals)
    held = {name: values[holdout] for name, values in predictions.items()}
    metrics = scores.score_all(label[holdout], held, known[holdout], chosen)
    record = data_record.describe_posts(posts, label, split)
    if settings.fusion.mode == "learned":
        record["nested"] = scores.score(label[own], out_of_fold)
    record |= data_record.measure_groups(label[holdout], fused[holdout], known[holdout])
    reach = find_reach((label[own].min(), label[own].max()), settings.predictions.margin)
    record |= intervals.score(
        label[holdout], fused[holdout], known[holdout], widths, settings.fusion.intervals, reach
    )
    record["unreadable"] = data_record.count_unreadable(arguments.features, settings.backbones)
    record["posts_digest"] = data_record.digest_posts(posts)
    record["unit"] = settings.data.describe_unit()
    record["same_for_all"] = data_record.is_same_for_all(fused[holdout], label[holdout])
    plotted = {name: values[holdout] for name, values in (predictions | {"fame": fused}).items()}
    table_files.write_predictions(arguments.output, posts, fused)
    with files.replacing_folder(arguments.plots) as folder:
        plots.write(folder, label[holdout], plotted, settings.report)
        plots.write_curves(folder, arguments.curves, list(settings.learners))
    found = {"intervals": widths, "shares": settings.fusion.intervals, "reach": reach}
    found["models"] = fusion_file.list_models(arguments.records, predictions)
    found["holdout"] = fusion_file.list_scores(metrics, record)
    fusion_file.write(arguments.model, chosen.describe() | found)
    files.write_json(arguments.data, record)
    # As it is: the fusion comes first in `dvc exp show`.
    files.write_text(arguments.metrics, json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    fame = metrics["fame"]
    print(
        f"fuse: FAME on {count(int(holdout.sum()), 'held-out post')}: "
        f"SRC {show_number(fame['src'])}, MAE {show_number(fame['mae'])}"
    )


def read_predictions(name: str, records: Path, folder: Path, posts: pa.Table) -> np.ndarray:
    """(n,) predictions of one learner, in the order of the posts.

    Raises:
        InputError: the file is not the one that the learner's record names.
    """
    record = files.read_json(records / f"{name}.json")
    path = folder / f"{name}.parquet"
    if files.digest_file(path) != record["predictions_digest"]:
        raise InputError(f"{path}: not the predictions that its learner wrote; run `dvc repro`")
    return table_files.read_predictions(path, posts["post_id"])


def combine(
    posts: TrainingPosts, predictions: dict[str, np.ndarray], settings: params.FusionParams
) -> tuple[Combination, np.ndarray]:
    """How to fuse, and (n,) fused predictions of the training posts.

    Predictions are out of fold. Where the fusion is learned, each fold is fused by what was learned
    on the other folds: its errors are those of posts that neither a learner nor the fusion saw.
    """
    if settings.mode == "fixed":
        fixed = combination.fix(settings, list(predictions))
        say_if_scaled(settings.weights(), fixed.weights["new"])
        fused = fixed.fuse(predictions, posts.known)
        # Weights alone, for a warning: a learned fusion takes several times as long.
        nested = weights.learn_nested(posts.label, predictions, posts.fold, settings.metric)
        warn_if_worse(posts.label, predictions, fused, nested, settings.metric)
        return fixed, fused
    learned = combination.learn(posts, predictions, settings)
    for line in wording.describe_learned(learned, settings.metric):
        print(f"fusion: {line}")
    return learned, combination.nest(posts, predictions, settings)


def warn_if_worse(
    true: np.ndarray,
    predictions: dict[str, np.ndarray],
    fixed: np.ndarray,
    learned: np.ndarray,
    metric: str,
) -> None:
    """Two lines at most where fixed weights are clearly worse than what could be had.

    All arguments are (n,) of the training posts, out of fold; ``learned`` is nested.
    """
    loss = weights.LOSSES[metric]
    here = loss(true, fixed)
    best = min(predictions, key=lambda name: loss(true, predictions[name]))
    for other, found in (("learned weights", learned), (f"{best} alone", predictions[best])):
        there = loss(true, found)
        if here - there > CLEARLY * abs(there):
            print(
                f"fusion: warning: out of fold the fixed weights have {metric} "
                f"{show_number(abs(here))}, {other} {show_number(abs(there))}; "
                "set fusion.mode: learned in params.yaml"
            )


def say_if_scaled(written: dict[str, float], used: dict[str, float]) -> None:
    """One line where the weights of the learners present do not sum to 1."""
    total = sum(written.get(name, 0) for name in used)
    if abs(total - 1) > 1e-9:
        shares = ", ".join(f"{name} {weight:.3f}" for name, weight in used.items())
        print(
            f"fusion: the weights of the learners present sum to {total:g}, not 1, and are divided "
            f"by it: {shares}"
        )


if __name__ == "__main__":
    run(main)
