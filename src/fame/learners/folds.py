"""What the learners with one model a fold share: the loop over folds, their files, their record."""

import shutil
import sys
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fame.learners.contract import Learner, Table
from fame.runtime import arrays, files, ids, resume
from fame.runtime.errors import InputError

MANIFEST = "learner.json"
NOTE = ".note.json"  # beside a kept model: its digest, record and curve
CURVE_POINTS = 200  # kept of a learning curve, so that a long training still draws
CHUNK_ROWS = 2048  # predicted at a time, so that a large table stays on disk


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
        model: whatever the learner predicts with.
        best_iteration: trees or epochs kept, counted from 1.
        validation_mae: of the model as kept, on the fold's rows.
        curve: every step of the training, phase after phase.
        notes: further facts for the fold's record.
    """

    model: Any
    best_iteration: int
    validation_mae: float
    curve: list[Step]
    notes: dict[str, Any] = field(default_factory=dict)


class Finished(NamedTuple):
    """What stays of a fold: its model, its entry in the record, its thinned curve."""

    model: Any
    record: dict[str, Any]
    curve: list[dict[str, Any]]


class FoldLearner(Learner):
    """Trains on the other folds' rows, stops on the fold's rows; files are one a fold."""

    suffix: ClassVar[str]  # of a fold's model file

    def __init__(self, params: Any, runtime: Any) -> None:
        self.params = params
        self.runtime = runtime
        self._manifest: dict[str, Any] = {}
        self._models: dict[int, Any] = {}
        self._curves: list[dict[str, Any]] = []
        self._finished: dict[int, Finished] = {}

    @abstractmethod
    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """One model: trained on ``table.training_rows``, stopped on ``table.validation_rows``."""

    @abstractmethod
    def predict_model(self, model: Any, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,) of ``rows`` (m,); at least one row."""

    @abstractmethod
    def write_model(self, model: Any, path: Path) -> None:
        """The same model is the same bytes."""

    @abstractmethod
    def read_model(self, path: Path) -> Any:
        """What ``write_model`` wrote."""

    def fit(self, table: Table) -> None:
        """Fit one model a fold, but for the folds that are kept."""
        self._finished = self._read_kept(table)
        for fold in table.folds:
            if fold not in self._finished:
                self._finished[fold] = self._finish_fold(table, fold)
        finished = [self._finished[fold] for fold in table.folds]
        self._models = dict(zip(table.folds, (part.model for part in finished), strict=True))
        self._curves = [point for part in finished for point in part.curve]
        self._manifest = {
            "kind": self.params.kind,
            "columns": [column.name for column in table.columns],
            "categorical": [column.name for column in table.columns if column.categorical],
            "folds": [part.record for part in finished],
        }

    def predict_fold(self, fold: int, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,) float64 of the fold's model for ``rows`` (m,).

        Raises:
            InputError: the table's columns are not those that the model was fitted on.
        """
        check_columns(table, self._manifest["columns"])
        prediction = np.empty(len(rows))
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            prediction[part] = self.predict_model(self._models[fold], table, rows[part])
        return prediction

    def predict(self, table: Table) -> np.ndarray:
        """(n,) float64: out of fold for fit rows, the mean of the folds' models for all others."""
        prediction = np.empty(len(table.post_ids))
        others = np.flatnonzero(table.fold < 0)
        for fold in table.folds:
            rows = table.validation_rows(fold)
            prediction[rows] = self.predict_fold(fold, table, rows)
        prediction[others] = np.mean(
            [self.predict_fold(fold, table, others) for fold in self._models], axis=0
        )
        return prediction

    def explain_model(
        self,
        model: Any,  # noqa: ARG002
        table: Table,  # noqa: ARG002
        rows: np.ndarray,  # noqa: ARG002
    ) -> np.ndarray | None:
        """SHAP values (m, d) of ``rows`` (m,); None where the kind has none."""
        return None

    def explain(self, table: Table, rows: np.ndarray) -> np.ndarray | None:
        """(m, d) mean of the folds' models.

        Raises:
            InputError: the table's columns are not those that the model was fitted on.
        """
        check_columns(table, self._manifest["columns"])
        parts = [self.explain_model(model, table, rows) for model in self._models.values()]
        return None if any(part is None for part in parts) else np.mean(parts, axis=0)

    def save(self, folder: Path) -> None:
        """One file a fold, and a manifest with the columns and the files' digests."""
        digests = {}
        for fold, model in self._models.items():
            path = folder / f"fold_{fold}{self.suffix}"
            if self._kept is None:
                self.write_model(model, path)
            else:  # a CatBoost model that was read is written as other bytes
                shutil.copyfile(self._kept / path.name, path)
            digests[path.name] = files.digest_file(path)
        files.write_json(folder / MANIFEST, self._manifest | {"files": digests})

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote.

        Raises:
            InputError: a file is missing, or not the one that was saved.
        """
        manifest = read_manifest(folder, self.params.kind)
        models = {}
        for record in manifest["folds"]:
            path = folder / f"fold_{record['fold']}{self.suffix}"
            check_digest(path, manifest)
            models[record["fold"]] = self.read_model(path)
        del manifest["files"]
        self._manifest, self._models, self._curves = manifest, models, []

    def record(self) -> dict[str, Any]:
        """Folds with rows, best iteration and validation MAE; how many columns were used."""
        return {
            "folds": self._manifest["folds"],
            "columns": len(self._manifest["columns"]),
            "categorical": self._manifest["categorical"],
        }

    def curves(self) -> list[dict[str, Any]]:
        """The learning curves of the last ``fit``, thinned; empty after ``load``."""
        return self._curves

    def _finish_fold(self, table: Table, fold: int) -> Finished:
        fitted = self.fit_fold(table, fold)
        record = {
            "fold": fold,
            "rows_trained": len(table.training_rows(fold)),
            "rows_validated": len(table.validation_rows(fold)),
            "fitted_on": ids.digest(table.post_ids[table.training_rows(fold)]),
            "best_iteration": fitted.best_iteration,
            "validation_mae": round(fitted.validation_mae, 6),
            **fitted.notes,
        }
        curve = [{"fold": fold} | vars(step) for step in thin(fitted.curve)]
        if self._kept is not None:
            path = self._kept / f"fold_{fold}{self.suffix}"
            self.write_model(fitted.model, path)
            # Last, and all or nothing: without it the model does not count.
            note = {"record": record, "curve": curve, "model": files.digest_file(path)}
            resume.write_note(path.with_suffix(NOTE), note)
        return Finished(fitted.model, record, curve)

    def _read_kept(self, table: Table) -> dict[int, Finished]:
        """The folds that a killed training finished; a damaged one is trained again."""
        found = {}
        for fold in table.folds if self._kept else []:
            path = self._kept / f"fold_{fold}{self.suffix}"
            if not path.with_suffix(NOTE).exists():
                continue
            note = resume.read_note(path.with_suffix(NOTE))
            if note and path.exists() and note["model"] == files.digest_file(path):
                found[fold] = Finished(self.read_model(path), note["record"], note["curve"])
            else:
                print(f"{path}: damaged; the fold is trained again", file=sys.stderr)
        if found:
            names = ", ".join(map(str, found))
            rest = ", ".join(str(fold) for fold in table.folds if fold not in found) or "none"
            print(
                f"{self._kept}: {f'folds {names} are' if len(found) > 1 else f'fold {names} is'} "
                f"taken over from a training that did not end; {rest} to train",
                file=sys.stderr,
            )
        return found


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """What a learner's ``save`` wrote beside its models.

    Raises:
        InputError: there is none, or it is of another kind.
    """
    manifest = files.read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        raise InputError(f"{folder / MANIFEST}: expected models of kind {kind!r}, found {found!r}")
    return manifest


def check_digest(path: Path, manifest: dict[str, Any]) -> None:
    """Refuse a file of models before anything of it is read.

    Raises:
        InputError: it is missing, or not the one that was saved.
    """
    if files.digest_file(path) != manifest["files"][path.name]:
        raise InputError(
            f"{path}: not the file that was saved (its digest differs from {MANIFEST}); train again"
        )


def check_columns(table: Table, fitted: list[str]) -> None:
    """Refuse a table whose columns are not the ``fitted`` ones.

    Raises:
        InputError: names the first that differs.
    """
    found = [column.name for column in table.columns]
    if found != fitted:
        place = next(
            (i for i, pair in enumerate(zip(found, fitted, strict=False)) if pair[0] != pair[1]),
            min(len(found), len(fitted)),
        )
        names = [
            repr(column[place]) if place < len(column) else "none" for column in (found, fitted)
        ]
        raise InputError(
            f"table: column {place} is {names[0]}, but the model was fitted with {names[1]} "
            f"there ({len(found)} columns, fitted {len(fitted)}); train again"
        )


def thin(curve: list[Step]) -> list[Step]:
    """At most CURVE_POINTS steps of each phase, evenly spread, the first and the last included."""
    phases: dict[str, list[Step]] = {}
    for step in curve:
        phases.setdefault(step.phase, []).append(step)
    return [step for steps in phases.values() for step in _spread(steps)]


def number_columns(table: Table) -> list[int]:
    """Positions of the columns that hold numbers, not categories."""
    return [place for place, column in enumerate(table.columns) if not column.categorical]


def read_rows(table: Table, rows: np.ndarray, columns: list[int] | None = None) -> np.ndarray:
    """(m, d) float32: some rows of a table, or some of their columns, in memory."""
    chosen = slice(None) if columns is None else columns
    return arrays.read_rows(table.values, rows, chosen, "float32")


def _spread(steps: list[Step]) -> Iterator[Step]:
    places = np.linspace(0, len(steps) - 1, min(len(steps), CURVE_POINTS))
    return (steps[int(place)] for place in places.round())
