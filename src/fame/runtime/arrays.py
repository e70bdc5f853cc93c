"""Arrays on disk and in Arrow's memory, read without holding what is not needed."""

import mmap
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame.runtime.errors import InputError
from fame.runtime.files import MAKE_AGAIN

BLOCK_ROWS = 256  # of a product at a time, so that they stay in the processor's cache
BYTES_AT_ONCE = 2**22  # read of a memory-mapped array before its pages are dropped


def write_values(
    path: Path, chunks: Iterable[np.ndarray], shape: tuple[int, ...], dtype: str
) -> None:
    """Chunks of rows as one array of numpy's format; its folder is a temporary one."""
    with path.open("wb") as file:
        header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype=dtype).data)


def write_array(path: Path, values: np.ndarray) -> None:
    """An array in numpy's format, by rows however it lies in memory; its folder is a temporary one.

    Where a disk takes only a part, np.save does not say why: its error has no number.
    """
    write_values(path, [values], values.shape, values.dtype.str)


def multiply_rows(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, m) float64 product of rows (n, k) and a matrix (k, m).

    A row's product depends on nothing but the row and the matrix's numbers, and is the same on
    every processor. BLAS adds up in another order at the edge of its tiles: its last digits change
    with the number of rows, a row's position and how the matrix lies in memory.
    """
    product = np.zeros((len(values), matrix.shape[1]))
    for start in range(0, len(values), BLOCK_ROWS):
        columns = values[start : start + BLOCK_ROWS].T.astype(np.float64)
        block = product[start : start + BLOCK_ROWS]
        term = np.empty_like(block)
        for column, row in zip(columns, matrix, strict=True):
            block += np.multiply.outer(column, row, out=term)
    return product


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


def _read_buffers(
    column: pa.ChunkedArray, dtype: type[np.float64] | type[np.int32], missing: float
) -> np.ndarray:
    """(n,) numbers of a column, ``missing`` where null."""
    parts: list[np.ndarray] = [np.empty(0, dtype)]
    for chunk in column.chunks:
        values: np.ndarray = np.frombuffer(chunk.buffers()[1] or b"", dtype)[chunk.offset :][
            : len(chunk)
        ]
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


def read_values(path: Path, rows: int, columns: int) -> np.ndarray:
    """An array (rows, columns) that a stage wrote, memory-mapped."""
    values = read_array(path)
    if values.shape != (rows, columns):
        raise InputError(f"{path}: shape {values.shape}, expected {(rows, columns)}; {MAKE_AGAIN}")
    return values


def read_array(path: Path) -> np.ndarray:
    """An array of whatever shape that a stage wrote, memory-mapped."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `dvc repro`") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: not a readable array: {error}; {MAKE_AGAIN}") from None
