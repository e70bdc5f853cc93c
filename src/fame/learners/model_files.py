"""A learner's saved models: their manifest, with the digests that are checked before opening."""

from pathlib import Path
from typing import Any

from fame.learners.contract import Table
from fame.runtime import files
from fame.runtime.errors import InputError

MANIFEST = "learner.json"


def describe_columns(table: Table) -> dict[str, list[str]]:
    """The columns of a training for its manifest; a model refuses others."""
    return {
        "columns": [column.name for column in table.columns],
        "categorical": [column.name for column in table.columns if column.categorical],
    }


def write_manifest(folder: Path, manifest: dict[str, Any], paths: list[Path]) -> None:
    """The manifest, with the digest of each of the models' files."""
    digests = {path.name: files.digest_file(path) for path in paths}
    files.write_json(folder / MANIFEST, manifest | {"files": digests})


def read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """What ``write_manifest`` wrote, after the digest of every file was checked.

    Raises:
        InputError: there is none, it is of another kind, or a file is not the one that was saved.
    """
    manifest = files.read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        raise InputError(f"{folder / MANIFEST}: expected models of kind {kind!r}, found {found!r}")
    for name, digest in manifest["files"].items():
        if files.digest_file(folder / name) != digest:
            raise InputError(
                f"{folder / name}: not the file that was saved (its digest differs from "
                f"{MANIFEST}); train again"
            )
    return manifest


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
