"""Predictions -> confidence intervals, ways to fuse beside each other, errors by kind of post."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame import params
from fame.fusion import mean, weights
from fame.fusion.known import find_known_authors
from fame.learners import table_files
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT
from fame.report import bootstrap, breakdown, density
from fame.runtime import arrays, files
from fame.runtime.readable import count, show_number
from fame.runtime.stage import run

COLUMNS = ["post_id", "user_id", "split", "fold", "popularity", "category", "posted_at"]
COLUMNS += ["author_hidden"]
LABELS = "labels of the holdout"  # a series beside the models'
DENSITY_POSTS = 20  # of fewer a density is no more than where the posts happen to lie
PAIRS = 200_000  # of held-out posts, drawn for the share that is ordered rightly


def main() -> None:
    """Resample authors, compare fusions, break the errors down."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "metrics", "predictions", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts = files.read_table(arguments.posts, COLUMNS)
    learners = list(files.read_json(arguments.metrics)["weights"])
    predictions = {
        name: table_files.read_predictions(
            arguments.predictions / f"{name}.parquet", posts["post_id"]
        )
        for name in [*learners, "fame"]
    }
    split, label = arrays.to_strings(posts["split"]), arrays.to_numbers(posts["popularity"])
    held, fit = split == HOLDOUT, split == FIT
    on_holdout = {name: values[held] for name, values in predictions.items()}
    users = arrays.to_strings(posts["user_id"])
    drawn, unit = bootstrap.number_drawn(posts.filter(pa.array(held)))
    samples = bootstrap.resample_scores(
        label[held], on_holdout, drawn, settings.report.resamples, settings.report.seed
    )
    confidence = settings.report.confidence
    content: dict[str, Any] = {
        "confidence": confidence,
        "resamples": settings.report.resamples,
        "drawn": unit,
        "scores": bootstrap.add_intervals(label[held], on_holdout, samples, confidence),
        "fusions": compare(
            label, {name: predictions[name] for name in learners}, posts, fit, held, settings
        ),
        "densities": find_densities(predictions, label, split),
        "pairs": order_pairs(label[held], on_holdout["fame"], settings.report.seed),
        "breakdown": {
            "author": breakdown.by_author(
                find_known_authors(posts, split), held, label, predictions["fame"]
            ),
            "category": breakdown.by_category(
                posts["category"].to_pylist(), held, label, predictions["fame"]
            ),
            "posts_per_user": breakdown.by_posts_per_user(
                users.tolist(), held, label, predictions["fame"]
            ),
            "time": breakdown.by_time(
                posts["posted_at"].to_pylist(), held, label, predictions["fame"]
            ),
        },
    }
    files.write_json(arguments.output, content)
    low, high = (show_number(bound) for bound in content["scores"]["fame"]["mae_interval"])
    print(
        f"evaluate: FAME's MAE on the holdout {show_number(content['scores']['fame']['mae'])}, "
        f"{confidence:.0%} interval {low} to {high} "
        f"({count(settings.report.resamples, 'resample')} of {unit})"
    )


def compare(
    label: np.ndarray,
    predictions: dict[str, np.ndarray],
    posts: pa.Table,
    fit: np.ndarray,
    held: np.ndarray,
    settings: params.Params,
) -> dict[str, dict[str, object]]:
    """Way to fuse -> weights, its honest score out of fold, its score on the holdout."""
    fold = posts["fold"].to_numpy()[fit]
    inside = {name: values[fit] for name, values in predictions.items()}
    outside = {name: values[held] for name, values in predictions.items()}
    ways = weights.compare(label[fit], inside, fold, settings.fusion.weights())
    return {
        way: {
            "weights": {name: round(weight, 6) for name, weight in found["weights"].items()},
            "out_of_fold": {metric: round(found[metric], 6) for metric in ("src", "mae")},
            "holdout": weights.score_rows(label[held], mean.fuse(outside, found["weights"])),
        }
        for way, found in ways.items()
    }


def find_densities(
    predictions: dict[str, np.ndarray], label: np.ndarray, split: np.ndarray
) -> dict[str, object]:
    """Predicted densities and their peaks (FAME, Figure 3), on the challenge posts if there are.

    Returns:
        ``posts``: part -> how many. ``part``: the one that is drawn, None where both have fewer
        than DENSITY_POSTS; ``series``: name -> peak and density at the places of ``grid``, of no
        model whose predictions are all the same, and none at all where no other is there.
    """
    posts = {part: int((split == part).sum()) for part in (CHALLENGE, HOLDOUT)}
    part = next((part for part in posts if posts[part] >= DENSITY_POSTS), None)
    if part is None:
        return {"posts": posts, "part": None, "grid": [], "series": {}}
    series = {name: values[split == part] for name, values in predictions.items()}
    if posts[HOLDOUT] >= DENSITY_POSTS:
        series[LABELS] = label[split == HOLDOUT]
    grid = density.make_grid(list(series.values()))
    found = {}
    for name, values in series.items():
        curve = density.estimate(values, grid)
        peak = density.find_peak(curve, grid)
        if peak is not None:
            found[name] = {"peak": _shorten([peak])[0], "density": _shorten(curve[::4])}
    if found.keys() <= {LABELS}:  # nothing tells the posts apart: no density is a prediction's
        found = {}
    return {"posts": posts, "part": part, "grid": _shorten(grid[::4]), "series": found}


def order_pairs(true: np.ndarray, predicted: np.ndarray, seed: int) -> float | None:
    """The share of pairs of (n,) posts with different labels that are ordered rightly.

    A pair with the same prediction counts half; None where there is no pair.
    """
    first, second = np.random.default_rng([seed, 1]).integers(len(true), size=(2, PAIRS))
    order = np.sign(true[first] - true[second])
    told = np.sign(predicted[first] - predicted[second])[order != 0] * order[order != 0]
    return round(float((told + 1).mean() / 2), 4) if len(told) else None


def _shorten(values: Any) -> list[float]:
    """Six digits, wherever the point is: densities of raw counts are tiny."""
    return [float(f"{value:.6g}") for value in values]


if __name__ == "__main__":
    run(main)
