"""One learner: a model a fold on the training posts, and out-of-fold predictions of them.

The record goes last: it says that the others are whole.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from fame import params
from fame.learners import table_files
from fame.learners.clipping import clip_out_of_fold
from fame.learners.contract import FitTable, Trainer
from fame.registry import LEARNERS, resolve_learner
from fame.runtime import files, ids, resume
from fame.runtime.errors import InputError
from fame.runtime.imports import SOURCE, list_files
from fame.runtime.stage import count, run
from fame.runtime.versions import list_versions

CHECKPOINTS = "training"  # beside the features' cache: what killed trainings have finished
CURVE_COLUMNS = ("phase", "fold", "iteration", "training_mae", "validation_mae")


def main() -> dict[str, Any]:
    """Fit, write; what is worth keeping of the run's costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("learner")
    for name in ("table", "model", "out-of-fold", "record", "curves"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    started = time.monotonic()
    # Waiting threads sleep, not spin: several times as fast where another process wants a core.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    settings = params.load()
    chosen = params.choose(settings.learners, arguments.learner, "learners")
    table = table_files.read_fit_table(arguments.table)
    check(table, arguments.table)
    where = f"learners.{arguments.learner}.kind"
    trainer = resolve_learner(chosen.kind, "Trainer", where)(chosen, settings.runtime)
    root = Path(settings.runtime.cache).parent / CHECKPOINTS / arguments.learner
    facts = describe(arguments.table, settings, chosen)
    with resume.open_folder(root, facts) as folder, files.naming(folder):
        trainer.fit(table, folder)
        record = write(trainer, table, settings, arguments)
    print(summarise(record, len(table.fold), time.monotonic() - started))
    return {"fit_seconds": trainer.fit_seconds()}


def describe(table: Path, settings: params.Params, chosen: params.LearnerParams) -> dict[str, Any]:
    """All that changes a model: a training is resumed where one of the same facts was killed.

    The table by its bytes: reading 5.7 GB takes seconds and is the one proof; DVC may write the
    same table anew, or another one of the same size.
    """
    code = list_files(["fame.learners.train", f"{LEARNERS[chosen.kind]}.training"])
    return {
        "table": {path.name: files.digest_file(path) for path in sorted(table.iterdir())},
        "params": chosen.model_dump(mode="json"),
        "device": settings.runtime.device,
        "code": {os.path.relpath(path, SOURCE): files.digest_file(path) for path in code},
        "versions": list_versions(),
    }


def write(
    trainer: Trainer, table: FitTable, settings: params.Params, paths: argparse.Namespace
) -> dict[str, Any]:
    """Models, out-of-fold predictions, curves, and last their record, which is returned."""
    chosen = settings.learners[paths.learner]
    with files.replacing_folder(paths.model) as folder:
        trainer.save(folder)
    margin = settings.predictions.margin
    prediction, clipped = clip_out_of_fold(trainer.out_of_fold(), table, margin)
    table_files.write_out_of_fold(paths.out_of_fold, table, prediction)
    write_curves(paths.curves, trainer.curves())
    record = trainer.record() | {
        "learner": paths.learner,
        "kind": chosen.kind,
        "seed": chosen.seed,
        "rows": len(table.post_ids),
        "clipped": clipped,  # out of fold; the folds' validation MAE is the models' own
        "fitted_on": ids.digest(table.post_ids),
    }
    files.write_json(paths.record, record)
    return record


def check(table: FitTable, path: Path) -> None:
    """Refuse a table that no learner can be fitted on.

    Raises:
        InputError: no column, fewer than two folds, a fold with fewer than two rows to train on, a
            label that is missing, a row in no fold, or a negative or missing category.
    """
    if not table.columns:
        raise InputError(
            f"{path}: no column, as the table's blocks hold no value for any training post; name "
            "a block that the data has input for (tables in params.yaml)"
        )
    outside = np.flatnonzero(table.fold < 0)
    if len(outside):
        raise InputError(f"{path}: training post {table.post_ids[outside[0]]} is in no fold")
    if len(table.folds) < 2:
        found = count(len(table.folds), "fold")
        raise InputError(f"{path}: {found} of training posts; a learner needs at least 2")
    for fold in table.folds:
        if len(table.training_rows(fold)) < 2:
            raise InputError(
                f"{path}: fold {fold} leaves {len(table.training_rows(fold))} post to train on; "
                "a learner needs at least 2"
            )
    unlabelled = np.flatnonzero(~np.isfinite(table.popularity))
    if len(unlabelled):
        raise InputError(f"{path}: training post {table.post_ids[unlabelled[0]]} has no label")
    if not table.categorical:
        return
    categories = table.read(table.all_rows, table.categorical)
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
    clipped = (
        f", {record['clipped']} clipped to the range of the training labels"
        if record["clipped"]
        else ""
    )
    return (
        f"{record['learner']}: {count(fit_rows, 'training post')}{without}, "
        f"{count(len(folds), 'fold')}, "
        f"{f'best iterations {best}, ' if best else ''}"
        f"validation MAE {mae:,.4f}{clipped}, {seconds:.0f} s"
    )


if __name__ == "__main__":
    run(main)
