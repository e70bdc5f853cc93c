"""What long work has finished, kept outside DVC's outputs until all of it is: a kill loses little.

A folder belongs to everything that changes the result, so the next run finds what a killed one with
the same inputs left, and never what another left.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fame.runtime import files

DIGITS = 32  # of a digest in a folder's name
FOLDERS = 3  # of work to resume, this one included; older ones go
FACTS = "facts.json"
CONTENT, DIGEST = "content", "digest"


@contextmanager
def open_folder(root: Path, facts: dict[str, Any]) -> Iterator[Path]:
    """The folder in ``root`` of work with ``facts`` (JSON-able), for this process alone.

    It goes when the block ends well, and stays when it does not: with an exception, or a kill.
    """
    root.mkdir(parents=True, exist_ok=True)
    name = _digest(json.dumps(facts, sort_keys=True))[:DIGITS]
    with _lock(root / name) as folder:
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        files.write_json(folder / FACTS, facts)
        _remove_older(folder)
        yield folder
        shutil.rmtree(folder)


def write_note(path: Path, content: Any) -> None:
    """A JSON file that knows its digest; numbers that are not finite too."""
    text = json.dumps(content, sort_keys=True)
    files.write_text(path, json.dumps({CONTENT: text, DIGEST: _digest(text)}))


def read_note(path: Path) -> Any:
    """What ``write_note`` wrote; None if there is no such file or it is not as written."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        whole = note[DIGEST] == _digest(note[CONTENT])
        return json.loads(note[CONTENT]) if whole else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def _lock(folder: Path) -> Iterator[Path]:
    """The folder, locked: a lock ends with its process, killed or not."""
    while True:
        folder.mkdir(exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        try:
            if not _try_lock(lock):
                print(f"{folder}: another run does the same work; waiting for it", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(lock, folder):  # not removed by the run that was waited for
                yield folder
                return
        finally:
            os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(lock: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), folder.stat())
    except FileNotFoundError:
        return False


def _remove_older(folder: Path) -> None:
    """All but the newest of the folders beside it, unless another run works there."""
    beside = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
    beside.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in beside[FOLDERS - 1 :]:
        lock = os.open(old, os.O_RDONLY)
        try:
            if _try_lock(lock):
                shutil.rmtree(old, ignore_errors=True)
        finally:
            os.close(lock)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
