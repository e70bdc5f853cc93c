"""Training of the learners with one model a fold: the loop over folds, checkpoints, the record."""

import shutil
import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fame.learners import growth
from fame.learners.contract import FitTable, Trainer
from fame.learners.model_files import describe_columns, write_manifest
from fame.runtime import files, ids, resume

NOTE = ".note.json"  # beside a finished model: its digest, record, curve and predictions
CURVE_POINTS = 200  # kept of a learning curve, so that a long training still draws


@dataclass(frozen=True)
class Step:
    """A point of a learning curve: ``iteration`` counts trees or epochs from 1."""

    phase: str
    iteration: int
    training_mae: float
    validation_mae: float


@dataclass(frozen=True)
class Fitted:
    """A fold's model and how it came about.

    Attributes:
        model: whatever ``write_model`` writes.
        best_iteration: trees or epochs kept, counted from 1; None where none stops the training.
        prediction: (m,) float64 of the model as kept, for the fold's validation rows.
        curve: every step of the training, phase after phase.
        notes: further facts for the fold's record.
    """

    model: Any
    best_iteration: int | None
    prediction: np.ndarray
    curve: list[Step]
    notes: dict[str, Any] = field(default_factory=dict)


class Finished(NamedTuple):
    """What stays of a fold: its entry in the record, its thinned curve, its predictions (m,)."""

    record: dict[str, Any]
    curve: list[dict[str, Any]]
    prediction: list[float]


class FoldTrainer(Trainer):
    """Trains on the other folds' rows, stops on the fold's rows; files are one a fold."""

    suffix: ClassVar[str]  # of a fold's model file

    def __init__(self, params: Any, runtime: Any) -> None:
        self.params = params
        self.settings = params  # as they are for the posts of the last `fit`
        self.runtime = runtime

    @abstractmethod
    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """One model: trained on ``table.training_rows``, stopped on ``table.validation_rows``."""

    @abstractmethod
    def write_model(self, model: Any, path: Path) -> None:
        """The same model is the same bytes."""

    def fit(self, table: FitTable, checkpoints: Path) -> None:
        """Fit one model a fold, but for the folds that are finished in ``checkpoints``."""
        self.settings = growth.settle(self.params, len(table.fold))
        self._checkpoints = checkpoints.absolute()
        finished = self._resume(table)
        for fold in table.folds:
            if fold not in finished:
                finished[fold] = self._finish_fold(table, fold)
        self._finished = {fold: finished[fold] for fold in table.folds}
        self._out_of_fold = np.empty(len(table.fold))
        for fold, part in self._finished.items():
            self._out_of_fold[table.validation_rows(fold)] = part.prediction
        low, high = table.popularity.min(), table.popularity.max()
        self._manifest = {
            "kind": self.params.kind,
            **describe_columns(table),
            "folds": [part.record for part in self._finished.values()],
            "label_range": [float(low), float(high)],
            "grown": growth.list_grown(self.params, len(table.fold)),
        }

    def out_of_fold(self) -> np.ndarray:
        """(n,) float64 predictions, each by the model of the row's fold."""
        return self._out_of_fold

    def save(self, folder: Path) -> None:
        """One file a fold, and a manifest with the columns and the files' digests."""
        paths = [folder / self._find_model(fold).name for fold in self._finished]
        for path in paths:  # copied: a CatBoost model that is written again is other bytes
            shutil.copyfile(self._checkpoints / path.name, path)
        write_manifest(folder, self._manifest, paths)

    def record(self) -> dict[str, Any]:
        """Folds with rows, best iteration and validation MAE; columns; parameters that grew."""
        return {
            "folds": self._manifest["folds"],
            "columns": len(self._manifest["columns"]),
            "categorical": self._manifest["categorical"],
            "grown": self._manifest["grown"],
        }

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves of the last ``fit``, thinned."""
        return [point for part in self._finished.values() for point in part.curve]

    def _find_model(self, fold: int) -> Path:
        return self._checkpoints / f"fold_{fold}{self.suffix}"

    def _finish_fold(self, table: FitTable, fold: int) -> Finished:
        fitted = self.fit_fold(table, fold)
        error = np.abs(fitted.prediction - table.popularity[table.validation_rows(fold)])
        record = {
            "fold": fold,
            "rows_trained": len(table.training_rows(fold)),
            "rows_validated": len(table.validation_rows(fold)),
            "fitted_on": ids.digest(table.post_ids[table.training_rows(fold)]),
            "validation_mae": round(float(error.mean()), 6),
            **fitted.notes,
        }
        if fitted.best_iteration is not None:
            record["best_iteration"] = fitted.best_iteration
        curve = [{"fold": fold} | vars(step) for step in thin(fitted.curve)]
        finished = Finished(record, curve, fitted.prediction.tolist())
        path = self._find_model(fold)
        self.write_model(fitted.model, path)
        # Last, and all or nothing: without it the model does not count.
        note = finished._asdict() | {"model": files.digest_file(path)}
        resume.write_note(path.with_suffix(NOTE), note)
        return finished

    def _resume(self, table: FitTable) -> dict[int, Finished]:
        """The folds that a killed training finished; a damaged one is trained again."""
        found = {}
        for fold in table.folds:
            path = self._find_model(fold)
            if not path.with_suffix(NOTE).exists():
                continue
            note = resume.read_note(path.with_suffix(NOTE))
            if note and path.exists() and note.pop("model") == files.digest_file(path):
                found[fold] = Finished(**note)
            else:
                print(f"{path}: damaged; the fold is trained again", file=sys.stderr)
        if found:
            names = ", ".join(map(str, found))
            rest = ", ".join(str(fold) for fold in table.folds if fold not in found) or "none"
            folds = f"folds {names} are" if len(found) > 1 else f"fold {names} is"
            print(
                f"{self._checkpoints}: resumed; {folds} finished, {rest} to train", file=sys.stderr
            )
        return found


def thin(curve: list[Step]) -> list[Step]:
    """At most CURVE_POINTS steps of each phase, evenly spread, the first and the last included."""
    phases: dict[str, list[Step]] = {}
    for step in curve:
        phases.setdefault(step.phase, []).append(step)
    return [step for steps in phases.values() for step in _spread(steps)]


def _spread(steps: list[Step]) -> Iterator[Step]:
    places = np.linspace(0, len(steps) - 1, min(len(steps), CURVE_POINTS))
    return (steps[int(place)] for place in places.round())
