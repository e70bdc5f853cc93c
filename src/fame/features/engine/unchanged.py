"""Whether a block is what a run would write again: then there is nothing to do.

DVC does not even start a stage with nothing new; this is for those who start it by hand or often.
"""

from pathlib import Path
from typing import Any

from fame.runtime import files


def is_unchanged(note: Path, facts: dict[str, Any], outputs: list[Path]) -> bool:
    """Whether ``note`` says that ``facts`` gave ``outputs`` (files and folders) as they are."""
    return note.exists() and files.read_json(note) == _describe(facts, outputs)


def remember(note: Path, facts: dict[str, Any], outputs: list[Path]) -> None:
    """Note that ``facts`` gave ``outputs``."""
    files.write_json(note, _describe(facts, outputs))


def _describe(facts: dict[str, Any], outputs: list[Path]) -> dict[str, Any]:
    paths = [path for output in outputs for path in (output, *sorted(output.glob("*")))]
    return facts | {"files": {str(f): files.digest_file(f) for f in paths if f.is_file()}}
