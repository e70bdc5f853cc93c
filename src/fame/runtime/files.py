"""Files of the stages: atomic writes, digests, errors that name the file."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fame.runtime.errors import InputError
from fame.runtime.processes import runs

# Why a place cannot be written to, where a user can fix it: full, read-only or not allowed.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM),
}
MAKE_AGAIN = "run `dvc repro`, which makes it again"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it at the end: all of it or nothing.

    Raises:
        OSError: names ``path``, not the temporary one.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _find_temporary(path)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that replaces it at the end: all of it or nothing.

    Raises:
        OSError: names ``path``, not the temporary one.
    """
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _find_temporary(path)
        temporary.mkdir()
        try:
            yield temporary
            if path.exists():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of writing name ``path``: a stream's name nothing, or a temporary file.

    A copy's error names two files: first the one that is read.
    """
    try:
        yield
    except OSError as error:
        written = error.filename2 or error.filename
        own = written is None or f".{path.name}." in str(written)
        if error.errno in UNWRITABLE and own:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def _find_temporary(path: Path) -> Path:
    """A path beside ``path``; what killed processes left of theirs goes."""
    own = path.parent / f".{path.name}.{os.getpid()}.tmp"
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = leftover.name.split(".")[-2]
        if leftover == own or (process.isdecimal() and not runs(int(process))):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    return own


def write_json(path: Path, content: Any) -> None:
    """Sorted keys, finite numbers, a line end: the same content is the same bytes."""
    with replacing(path) as temporary:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file that a stage wrote."""
    try:
        return json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}; {MAKE_AGAIN}") from None


def write_text(path: Path, text: str) -> None:
    """Text with the line ends as given."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def read_text(path: Path) -> str:
    """The text of a file that a stage wrote."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8: {error}; {MAKE_AGAIN}") from None


def write_table(path: Path, table: pa.Table) -> None:
    """An Arrow table as Parquet."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file that a stage wrote, or some columns of it."""
    try:
        # Not pq.read_table: it imports pandas, which takes longer than the reading.
        with pq.ParquetFile(path, memory_map=True) as file:
            return file.read(columns=columns)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}; {MAKE_AGAIN}") from None


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Batches as an Arrow file, one at a time: what is too large to hold is never held."""
    with replacing(path) as temporary, pa.ipc.new_file(temporary, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def read_batches(path: Path) -> pa.Table:
    """An Arrow file that a stage wrote, memory-mapped."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Arrow file: {error}; {MAKE_AGAIN}") from None


def digest_file(path: Path) -> str:
    """A hex digest of the file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
