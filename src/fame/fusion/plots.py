"""The data of `dvc plots`: densities, predicted against true, calibration, learning curves."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from fame.fusion import scores
from fame.runtime import files
from fame.runtime.errors import InputError

MOST_POINTS = 200  # of a learning curve, its first and last among them


def write(
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


def write_curves(folder: Path, curves: Path, learners: list[str]) -> None:
    """The learning curves of these learners in one file, no more points than can be seen.

    Of the learners that params.yaml names, not of the files that lie there: one that was deleted
    leaves its file behind.
    """
    lines = ["learner,phase,fold,iteration,training_mae,validation_mae"]
    for learner in learners:
        series: dict[tuple[str, str], list[str]] = {}
        path = curves / f"{learner}.csv"
        text = files.read_text(path)
        if not text.endswith("\n"):
            raise InputError(f"{path}: its last line is cut off; {files.MAKE_AGAIN}")
        for row in csv.DictReader(text.splitlines()):
            series.setdefault((row["phase"], row["fold"]), []).append(",".join(row.values()))
        for points in series.values():
            kept = np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).astype(int))
            lines += [f"{learner},{points[place]}" for place in kept]
    files.write_text(folder / "learning_curves.csv", "\n".join(lines) + "\n")
