"""One learner: a model a fold, a prediction for every post.

The record goes last and holds the digest of the predictions: it says that the others are whole.
"""

import argparse
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame import params, registry
from fame.learners import table_files
from fame.learners.contract import Learner, Table
from fame.learners.folds import read_rows
from fame.posts.contract import FIT
from fame.runtime import files, ids, resume
from fame.runtime.errors import InputError
from fame.runtime.stage import run

SOURCE = Path(__file__).parents[1]
LIBRARIES = ("numpy", "catboost", "lightgbm", "torch")
KEPT = "training"  # beside the features' cache: what trainings that did not end have finished
CURVE_COLUMNS = ("phase", "fold", "iteration", "training_mae", "validation_mae")


def main() -> dict[str, Any]:
    """Fit, predict, write; what is worth keeping of the run's costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("learner")
    for name in ("table", "model", "predictions", "record", "curves"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    started = time.monotonic()
    # Waiting threads sleep, not spin: several times as fast where another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    settings = params.load()
    chosen = params.choose(settings.learners, arguments.learner, "learners")
    table = table_files.read_feature_table(arguments.table)
    check(table, arguments.table)
    kind = registry.resolve(registry.LEARNERS, chosen.kind, f"learners.{arguments.learner}.kind")
    learner = kind(chosen, settings.runtime)
    root = Path(settings.runtime.cache).parent / KEPT / arguments.learner
    facts = describe(arguments.table, settings, chosen)
    with resume.open_folder(root, facts) as folder, files.naming(folder):
        learner.keep_in(folder)
        learner.fit(table)
        record = write(learner, table, chosen, arguments)
    print(summarise(record, int((table.fold >= 0).sum()), time.monotonic() - started))
    return {"fit_seconds": learner.fit_seconds()}


def describe(table: Path, settings: params.Params, chosen: params.LearnerParams) -> dict[str, Any]:
    """All that changes a model: a training goes on where one of the same facts was killed.

    The table by its bytes: reading 5.7 GB takes seconds and is the one proof; DVC may write the
    same table anew, or another one of the same size.
    """
    sources = [path for part in ("learners", "common") for path in (SOURCE / part).rglob("*.py")]
    return {
        "table": {path.name: files.digest_file(path) for path in sorted(table.iterdir())},
        "params": chosen.model_dump(mode="json"),
        "device": settings.runtime.device,
        "code": {
            str(path.relative_to(SOURCE)): files.digest_file(path) for path in sorted(sources)
        },
        "versions": {name: version(name) for name in LIBRARIES},
    }


def write(
    learner: Learner, table: Table, chosen: params.LearnerParams, paths: argparse.Namespace
) -> dict[str, Any]:
    """Models, predictions, curves, and last their record, which is returned."""
    prediction = learner.predict(table)
    with files.replacing_folder(paths.model) as folder:
        learner.save(folder)
    rows = pa.table({"post_id": pa.array(table.post_ids), "split": pa.array(table.split)})
    table_files.write_predictions(paths.predictions, rows, prediction)
    write_curves(paths.curves, learner.curves())
    record = learner.record() | {
        "learner": paths.learner,
        "kind": chosen.kind,
        "seed": chosen.seed,
        "rows": len(table.post_ids),
        "fitted_on": ids.digest(table.post_ids[table.fold >= 0]),
        "predictions_digest": files.digest_file(paths.predictions),
    }
    files.write_json(paths.record, record)
    return record


def check(table: Table, path: Path) -> None:
    """Refuse a table that no learner can be fitted on.

    Raises:
        InputError: fewer than two folds, a fold with fewer than two rows to train on, a label
            that is missing from a fit row, or a negative or missing category.
    """
    fit = table.split == FIT
    if not np.array_equal(fit, table.fold >= 0):
        row = int(np.flatnonzero(fit != (table.fold >= 0))[0])
        raise InputError(
            f"{path}: post {table.post_ids[row]} is in split {table.split[row]!r} and fold "
            f"{table.fold[row]}; fit posts, and only those, are in a fold"
        )
    if len(table.folds) < 2:
        raise InputError(
            f"{path}: {len(table.folds)} folds of posts to fit on; a learner needs at least 2"
        )
    for fold in table.folds:
        if len(table.training_rows(fold)) < 2:
            raise InputError(
                f"{path}: fold {fold} leaves {len(table.training_rows(fold))} post to train on; "
                "a learner needs at least 2"
            )
    unlabelled = np.flatnonzero(fit & ~np.isfinite(table.popularity))
    if len(unlabelled):
        raise InputError(f"{path}: post {table.post_ids[unlabelled[0]]} to fit on has no label")
    if not table.categorical:
        return
    categories = read_rows(table, np.arange(len(table.post_ids)), table.categorical)
    for place, column in zip(table.categorical, categories.T, strict=True):
        wrong = np.flatnonzero(~(column >= 0))
        if len(wrong):
            raise InputError(
                f"{path}: post {table.post_ids[wrong[0]]}: category {table.columns[place].name} "
                f"is {column[wrong[0]]}; allowed: ids >= 0"
            )


def write_curves(path: Path, curves: list[dict[str, Any]]) -> None:
    """Learning curves as CSV, six digits."""
    lines = [",".join(CURVE_COLUMNS)]
    for point in curves:
        phase, fold, iteration, *maes = (point[column] for column in CURVE_COLUMNS)
        lines.append(f"{phase},{fold},{iteration}," + ",".join(f"{mae:.6g}" for mae in maes))
    files.write_text(path, "\n".join(lines) + "\n")


def summarise(record: dict[str, Any], fit_rows: int, seconds: float) -> str:
    """One line for a person."""
    folds = record["folds"]
    best = " ".join(str(fold["best_iteration"]) for fold in folds if "best_iteration" in fold)
    mae = np.mean([fold["validation_mae"] for fold in folds])
    without = (
        f" ({record['without_image']} without a readable image)"
        if "without_image" in record
        else ""
    )
    return (
        f"{record['learner']}: {record['rows']} posts, {fit_rows} to fit on{without}, "
        f"{len(folds)} folds, "
        f"{f'best iterations {best}, ' if best else ''}validation MAE {mae:.4f}, {seconds:.0f} s"
    )


if __name__ == "__main__":
    run(main)
