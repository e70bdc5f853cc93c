"""All disk access of the stages but weights and models: atomic writes, ids checked on reading."""

import errno
import glob
import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from fame.common.contracts import Block, Column, Table
from fame.common.processes import runs
from fame.errors import InputError

ROWS, VALUES, MANIFEST = "rows.parquet", "values.npy", "manifest.json"
TEXTS = "texts.parquet"  # only in a table with texts
IMAGES = "images.parquet"  # only in a table with images
BYTES_AT_ONCE = 2**22  # read of a memory-mapped array before its pages are dropped
# Why a place cannot be written to, where a user can mend it: full, read-only or not allowed.
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


def write_block(folder: Path, block: Block) -> None:
    """A feature block into ``folder`` (exists): values, rows with status per modality, manifest."""
    write_values(folder / VALUES, [block.values], block.values.shape, "float32")
    describe_block(folder, block)


def describe_block(folder: Path, block: Block) -> None:
    """All of a feature block but its values, which lie in ``folder`` already."""
    # Lists, not arrays: see `to_numbers`.
    rows = {"post_id": pa.array(block.post_ids.tolist(), pa.string())}
    rows |= {
        f"{modality}_status": pa.array(status.tolist(), pa.string()).dictionary_encode()
        for modality, status in block.status.items()
    }
    write_table(folder / ROWS, pa.table(rows))
    manifest = {
        "columns": [column.name for column in block.columns],
        "categorical": [column.name for column in block.columns if column.categorical],
        "fitted_on": block.fitted_on,
        "notes": block.notes,
        "rows": len(block.post_ids),
    }
    write_json(folder / MANIFEST, manifest)


def read_block(folder: Path) -> Block:
    """A feature block; its values are memory-mapped."""
    manifest = read_json(folder / MANIFEST)
    rows = read_table(folder / ROWS)
    categorical = set(manifest["categorical"])
    columns = tuple(Column(name, name in categorical) for name in manifest["columns"])
    return Block(
        post_ids=to_strings(rows["post_id"]),
        values=_read_values(folder, len(rows), len(columns)),
        columns=columns,
        status={
            name.removesuffix("_status"): to_strings(rows[name])
            for name in rows.column_names
            if name.endswith("_status")
        },
        fitted_on=manifest["fitted_on"],
        notes=manifest["notes"],
    )


def read_feature_table(folder: Path) -> Table:
    """A learner's table; its values are memory-mapped."""
    manifest = read_json(folder / MANIFEST)
    rows = read_table(folder / ROWS)
    categorical = set(manifest["categorical"])
    columns = tuple(Column(name, name in categorical) for name in manifest["columns"])
    return Table(
        post_ids=to_strings(rows["post_id"]),
        values=_read_values(folder, len(rows), len(columns)),
        columns=columns,
        split=to_strings(rows["split"]),
        fold=rows["fold"].to_numpy(),
        popularity=rows["popularity"].to_numpy(),
        texts=_read_beside(folder / TEXTS, rows["post_id"], ("title", "tags")),
        images=_read_beside(folder / IMAGES, rows["post_id"], ("status", "container", "member")),
    )


def write_feature_table(
    folder: Path,
    rows: pa.Table,
    fit: np.ndarray,
    columns: list[Column],
    chunks: Iterable[np.ndarray],
    shape: tuple[int, int],
    dtype: str,
) -> None:
    """A learner's table into ``folder`` (exists), chunk by chunk.

    ``rows`` has post_id, split, fold and popularity; labels outside the fit rows are blanked, so
    that no learner can see one.
    """
    write_values(folder / VALUES, chunks, shape, dtype)
    popularity = np.where(fit, rows["popularity"].to_numpy(), np.nan)
    position = rows.column_names.index("popularity")
    rows = rows.set_column(position, "popularity", pa.array(popularity, pa.float64()))
    write_table(folder / ROWS, rows)
    manifest = {
        "columns": [column.name for column in columns],
        "categorical": [column.name for column in columns if column.categorical],
    }
    write_json(folder / MANIFEST, manifest)


def write_texts(folder: Path, posts: pa.Table) -> None:
    """Title and tags of a table's ``posts`` into its folder; the tags are one text, by spaces."""
    titles = [title or "" for title in posts["title"].to_pylist()]
    tags = [" ".join(tags or ()) for tags in posts["tags"].to_pylist()]
    texts = {"post_id": posts["post_id"], "title": titles, "tags": tags}
    write_table(folder / TEXTS, pa.table(texts))


def write_values(
    path: Path, chunks: Iterable[np.ndarray], shape: tuple[int, int], dtype: str
) -> None:
    """Chunks of rows as one array of numpy's format; its folder is a temporary one."""
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype=dtype).data)


def write_images(folder: Path, images: pa.Table, post_ids: pa.ChunkedArray) -> None:
    """Where the images of a table's posts lie into its folder, digests too: they change with it.

    Raises:
        InputError: ``images`` are not those of the posts.
    """
    if not images["post_id"].equals(post_ids):
        raise InputError("images: their post ids are not those of the posts; run `dvc repro`")
    write_table(folder / IMAGES, images)


def write_predictions(path: Path, rows: pa.Table, prediction: np.ndarray) -> None:
    """post_id and split of ``rows``, and prediction (n,) float64, which must be finite."""
    if not np.isfinite(prediction).all():
        row = int(np.flatnonzero(~np.isfinite(prediction))[0])
        raise InputError(f"{path}: the prediction for post {rows['post_id'][row]} is not finite")
    values = np.ascontiguousarray(prediction, dtype=np.float64)
    # Not pa.array: see `to_numbers`.
    column = pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])
    write_table(path, rows.select(["post_id", "split"]).append_column("prediction", column))


def read_predictions(path: Path, post_ids: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, in the order of ``post_ids``, which must be the file's ids."""
    table = read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the posts; run `dvc repro`")
    return to_numbers(table["prediction"])


def to_numbers(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, null as NaN.

    From Arrow's memory: pyarrow's own conversions, and every use of a number or a list in one of
    its functions, import pandas, for which `fuse` would wait longer than for all that it computes.
    """
    return _read_buffers(column.cast(pa.float64()), np.float64, np.nan)


def to_strings(column: pa.ChunkedArray) -> np.ndarray:
    """(n,) object: text, or None where null; equal texts are one object."""
    encoded = column.dictionary_encode().unify_dictionaries()
    texts = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    indices = [chunk.indices for chunk in encoded.chunks]
    codes = _read_buffers(pa.chunked_array(indices, pa.int32()), np.int32, len(texts))
    return np.array([*texts, None], dtype=object)[codes]


def _read_buffers(column: pa.ChunkedArray, dtype: type, missing: float) -> np.ndarray:
    """(n,) numbers of a column, ``missing`` where null."""
    parts = [np.empty(0, dtype)]
    for chunk in column.chunks:
        values = np.frombuffer(chunk.buffers()[1] or b"", dtype)[chunk.offset :][: len(chunk)]
        if chunk.null_count:
            valid = np.frombuffer(chunk.is_valid().cast(pa.uint8()).buffers()[1], np.uint8)
            values = np.where(valid[: len(chunk)] > 0, values, dtype(missing))
        parts.append(values)
    return np.concatenate(parts)


def read_rows(
    values: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray | list[int] | slice = slice(None),
    dtype: str | None = None,
) -> np.ndarray:
    """(m, d) some rows of an array, or some of their columns, in memory; ``dtype`` None: its own.

    Pages that were read through a memory map count as the process's memory until they are
    dropped, so a large array is read piece by piece and nothing of it stays mapped.
    """
    taken = np.empty((len(rows), values[:0, columns].shape[1]), dtype or values.dtype)
    rows_at_once = max(1, BYTES_AT_ONCE // max(1, values[:1].nbytes))
    for start in range(0, len(rows), rows_at_once):
        part = slice(start, start + rows_at_once)
        taken[part] = values[rows[part]][:, columns]
        if isinstance(values.base, mmap.mmap):
            values.base.madvise(mmap.MADV_DONTNEED)
    return taken


def _read_beside(
    path: Path, post_ids: pa.ChunkedArray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    table = read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the table; run `dvc repro`")
    return {name: to_strings(table[name]) for name in names}


def _read_values(folder: Path, rows: int, columns: int) -> np.ndarray:
    path = folder / VALUES
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: not a readable array: {error}; {MAKE_AGAIN}") from None
    if values.shape != (rows, columns):
        raise InputError(f"{path}: shape {values.shape}, expected {(rows, columns)}; {MAKE_AGAIN}")
    return values
