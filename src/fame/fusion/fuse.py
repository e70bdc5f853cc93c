"""Predictions of the learners -> fused predictions, metrics and the data of the plots.

Starts in a blink: no torch, no learner's library, no figure. Drawing is the report's. Only learned
weights import SciPy.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame import params
from fame.fusion import mean, results, scores
from fame.fusion import weights as learned
from fame.learners import table_files
from fame.posts.contract import FIT, HOLDOUT, SPLITS, UNREADABLE
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.stage import run


def main() -> None:
    """Fuse, score on the holdout, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    inputs = ("posts", "predictions", "records", "features", "leakage")
    for name in (*inputs, "output", "metrics", "plots"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load(kinds=False)
    if not files.read_json(arguments.leakage)["passed"]:
        raise InputError(f"{arguments.leakage}: a gate found a leak; nothing is scored")
    columns = ["post_id", "user_id", "split", "fold", "popularity", "simulated_truth"]
    posts = files.read_table(arguments.posts, columns)
    predictions = {
        name: read_predictions(name, arguments.records, arguments.predictions, posts)
        for name in settings.learners
    }
    split = arrays.to_strings(posts["split"])
    nested = {}
    if settings.fusion.mode == "learned":
        weights, nested = learn(posts, split, predictions, settings.fusion)
    else:
        weights = mean.normalise(settings.fusion.weights(), list(predictions))
        say_if_scaled(settings.fusion.weights(), weights)
    fused = mean.fuse(predictions, weights)
    metrics = measure(posts, split, predictions, weights) | nested
    metrics["data"]["unreadable"] = count_unreadable(arguments.features, settings.backbones)
    holdout = split == HOLDOUT
    plotted = {name: values[holdout] for name, values in (predictions | {"fame": fused}).items()}
    true = arrays.to_numbers(posts["popularity"])[holdout]
    table_files.write_predictions(arguments.output, posts, fused)
    with files.replacing_folder(arguments.plots) as folder:
        write_plots(folder, true, plotted, settings.report)
    files.write_json(arguments.metrics, metrics)
    print(results.render(metrics))


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


def learn(
    posts: pa.Table, split: np.ndarray, predictions: dict[str, np.ndarray], settings: Any
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Weights learned on the fit rows' out-of-fold predictions, and their nested score there.

    ``nested`` fuses each fold by weights that were learned on the other folds: an estimate that
    did not see what it is scored on, from the fit rows alone.
    """
    fit = split == FIT
    true, fold = arrays.to_numbers(posts["popularity"])[fit], arrays.to_numbers(posts["fold"])[fit]
    own = {name: values[fit] for name, values in predictions.items()}
    weights = learned.learn(true, own, settings.metric, settings.weights())
    fused = learned.learn_nested(true, own, fold, settings.metric, settings.weights())
    shares = ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items())
    print(f"fusion: learned on out-of-fold predictions, best {settings.metric}: {shares}")
    return weights, {"nested": scores.score(true, fused)}


def say_if_scaled(written: dict[str, float], used: dict[str, float]) -> None:
    """One line where the weights of the learners present do not sum to 1."""
    total = sum(written.get(name, 0) for name in used)
    if abs(total - 1) > 1e-9:
        shares = ", ".join(f"{name} {weight:.3f}" for name, weight in used.items())
        print(
            f"fusion: the weights of the learners present sum to {total:g}, not 1; used: {shares}"
        )


def measure(
    posts: pa.Table,
    split: np.ndarray,
    predictions: dict[str, np.ndarray],
    weights: dict[str, float],
) -> dict[str, Any]:
    """The content of metrics.json but for the unreadable images."""
    popularity = arrays.to_numbers(posts["popularity"])
    truth = arrays.to_numbers(posts["simulated_truth"])
    holdout = split == HOLDOUT
    true = popularity[holdout]
    metrics: dict[str, Any] = scores.score_all(
        true, {name: values[holdout] for name, values in predictions.items()}, weights
    )
    median = np.full(len(true), np.median(popularity[split == FIT]))
    metrics["median"] = scores.score(true, median)
    metrics["weights"] = {name: round(value, 6) for name, value in weights.items()}
    simulated = not np.isnan(truth[holdout]).any()
    if simulated:
        metrics["simulated_best"] = scores.score(true, truth[holdout])
    counts = Counter(split.tolist())
    metrics["data"] = {
        "simulated": simulated,
        **{f"posts_{part}": counts[part] for part in SPLITS},
        **scores.count_users(arrays.to_strings(posts["user_id"]).tolist(), split),
    }
    return metrics


def count_unreadable(folder: Path, backbones: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Backbone that reads images -> kind -> posts whose image could not be read."""
    counts = {}
    for name, settings in backbones.items():
        if settings.reads == "images":
            status = files.read_json(folder / f"{name}.json")["status"]["image"]
            counts[name] = {kind: status.get(kind, 0) for kind in UNREADABLE}
    return counts


def write_plots(
    folder: Path, true: np.ndarray, predictions: dict[str, np.ndarray], settings: Any
) -> None:
    """The data of the plots: densities, predicted against true, calibration by decile."""
    series = {"true": true} | predictions
    edges = scores.bin_edges(list(series.values()), settings.density_bin_width)
    centres = (edges[:-1] + edges[1:]) / 2
    lines = ["model,popularity,density"]
    for name, values in series.items():
        density = scores.bin_density(values, edges)
        lines += [f"{name},{x:.6g},{y:.6g}" for x, y in zip(centres, density, strict=True)]
    files.write_text(folder / "densities.csv", "\n".join(lines) + "\n")
    rows = np.unique(np.linspace(0, len(true) - 1, settings.scatter_posts).astype(int))
    lines = ["true,predicted"]
    lines += [f"{true[row]:.6g},{predictions['fame'][row]:.6g}" for row in rows]
    files.write_text(folder / "predicted_true.csv", "\n".join(lines) + "\n")
    lines = ["model,predicted,true"]
    for name, values in predictions.items():
        lines += [f"{name},{x:.6g},{y:.6g}" for x, y in scores.calibrate(true, values)]
    files.write_text(folder / "calibration.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    run(main)
