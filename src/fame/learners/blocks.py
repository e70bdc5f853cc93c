"""Blocks side by side, rows keyed by post id."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fame.features.contract import Block, Column
from fame.runtime import arrays
from fame.runtime.errors import InputError

ROWS_PER_CHUNK = 1024


@dataclass(frozen=True)
class Part:
    """What a table takes of one block.

    Attributes:
        values: (m, d) of the block, memory-mapped.
        rows: (n,) int64, the block's row of each post.
        keep: positions of the columns with a value for at least one fit post.
        columns: their names in the table, ``block.column``.
        dropped: how many columns hold no value for any fit post.
    """

    values: np.ndarray
    rows: np.ndarray
    keep: np.ndarray
    columns: tuple[Column, ...]
    dropped: int


def select(name: str, block: Block, post_ids: np.ndarray, fit: np.ndarray) -> Part:
    """The part of ``block`` that goes into a table of ``post_ids`` (n,); ``fit`` is (n,) bool.

    Raises:
        InputError: the block's ids are not exactly the posts'.
    """
    position = {post_id: row for row, post_id in enumerate(block.post_ids)}
    same_count = len(position) == len(block.post_ids) == len(post_ids)
    if not (same_count and all(post_id in position for post_id in post_ids)):
        raise InputError(
            f"block {name}: its post ids are not those of the posts "
            f"({len(block.post_ids)} rows, {len(post_ids)} posts); run `dvc repro`"
        )
    rows = np.fromiter((position[post_id] for post_id in post_ids), np.int64, len(post_ids))
    known = np.zeros(len(block.columns), dtype=bool)
    fit_rows = rows[fit]
    for start in range(0, len(fit_rows), ROWS_PER_CHUNK):
        if known.all():
            break
        chunk = arrays.read_rows(block.values, fit_rows[start : start + ROWS_PER_CHUNK])
        known |= ~np.isnan(chunk).all(axis=0)
    keep = np.flatnonzero(known)
    columns = tuple(
        Column(f"{name}.{block.columns[i].name}", block.columns[i].categorical) for i in keep
    )
    return Part(block.values, rows, keep, columns, len(known) - len(keep))


def join(parts: list[Part], dtype: str) -> Iterator[np.ndarray]:
    """Chunks (<= ROWS_PER_CHUNK, d) of the table in the order of the posts.

    A missing value is NaN; in a categorical column, which must hold ids, it is 0.

    Raises:
        InputError: a value does not fit into ``dtype``.
    """
    columns = [column for part in parts for column in part.columns]
    categorical = [i for i, column in enumerate(columns) if column.categorical]
    for start in range(0, len(parts[0].rows), ROWS_PER_CHUNK):
        chunk = np.concatenate(
            [
                arrays.read_rows(part.values, part.rows[start : start + ROWS_PER_CHUNK], part.keep)
                for part in parts
            ],
            axis=1,
        )
        chunk[:, categorical] = np.nan_to_num(chunk[:, categorical], nan=0)
        with np.errstate(over="ignore"):
            converted = chunk.astype(dtype, copy=False)
        if np.isinf(converted).any():
            row, column = np.argwhere(np.isinf(converted))[0]
            raise InputError(
                f"column {columns[column].name}: {chunk[row, column]:g} does not fit into {dtype}"
            )
        yield converted
