"""Blocks side by side, rows keyed by post id; the training posts decide which columns there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fame.features.contract import Block, Column
from fame.runtime import arrays, files
from fame.runtime.errors import InputError

ROWS_PER_CHUNK = 1024
RECIPE = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """What makes a table of blocks, for any posts.

    Attributes:
        kept: block -> positions of its columns that have a value for at least one training post.
        columns: the table's columns in order, named ``block.column``.
        dtype: of the table.
    """

    kept: dict[str, list[int]]
    columns: tuple[Column, ...]
    dtype: str

    def join(self, blocks: dict[str, Block], post_ids: np.ndarray) -> Iterator[np.ndarray]:
        """Chunks (<= ROWS_PER_CHUNK, d) of the table, in the order of ``post_ids`` (n,).

        A missing value is NaN; in a categorical column, which must hold ids, it is 0.

        Raises:
            InputError: a block lacks a post, or a value does not fit into ``dtype``.
        """
        rows = {name: find_rows(name, blocks[name], post_ids) for name in self.kept}
        categorical = [i for i, column in enumerate(self.columns) if column.categorical]
        for start in range(0, len(post_ids), ROWS_PER_CHUNK):
            part = slice(start, start + ROWS_PER_CHUNK)
            chunk = np.concatenate(
                [
                    arrays.read_rows(blocks[name].values, rows[name][part], kept)
                    for name, kept in self.kept.items()
                ],
                axis=1,
            )
            chunk[:, categorical] = np.nan_to_num(chunk[:, categorical], nan=0)
            yield self._convert(chunk)

    def save(self, folder: Path) -> None:
        """Write the recipe into ``folder``."""
        content = {
            "kept": list(self.kept.items()),  # in order
            "columns": [[column.name, column.categorical] for column in self.columns],
            "dtype": self.dtype,
        }
        files.write_json(folder / RECIPE, content)

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """What ``save`` wrote."""
        content = files.read_json(folder / RECIPE)
        columns = tuple(Column(*column) for column in content["columns"])
        return cls(dict(content["kept"]), columns, content["dtype"])

    def _convert(self, chunk: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            converted = chunk.astype(self.dtype, copy=False)
        if np.isinf(converted).any():
            row, column = np.argwhere(np.isinf(converted))[0]
            raise InputError(
                f"column {self.columns[column].name}: {chunk[row, column]:g} does not fit into "
                f"{self.dtype}"
            )
        return converted


def decide(blocks: dict[str, Block], fit_ids: np.ndarray, dtype: str) -> Recipe:
    """The recipe of a table of ``blocks`` by their rows of the training posts ``fit_ids`` (n,).

    Raises:
        InputError: a block lacks a training post.
    """
    kept, columns = {}, []
    for name, block in blocks.items():
        kept[name] = find_known(block, find_rows(name, block, fit_ids))
        own = [block.columns[place] for place in kept[name]]
        columns += [Column(f"{name}.{column.name}", column.categorical) for column in own]
    return Recipe(kept, tuple(columns), dtype)


def find_rows(name: str, block: Block, post_ids: np.ndarray) -> np.ndarray:
    """(n,) int64: the block's row of each post.

    Raises:
        InputError: the block has a post twice, or lacks one.
    """
    position = {post_id: row for row, post_id in enumerate(block.post_ids)}
    unique = len(position) == len(block.post_ids)
    if not (unique and all(post_id in position for post_id in post_ids)):
        raise InputError(
            f"block {name}: its post ids are not those of the posts "
            f"({len(block.post_ids)} rows, {len(post_ids)} posts); run `dvc repro`"
        )
    return np.fromiter((position[post_id] for post_id in post_ids), np.int64, len(post_ids))


def find_known(block: Block, rows: np.ndarray) -> list[int]:
    """Positions of the columns with a value in at least one of the rows (m,)."""
    known = np.zeros(len(block.columns), dtype=bool)
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        if known.all():
            break
        chunk = arrays.read_rows(block.values, rows[start : start + ROWS_PER_CHUNK])
        known |= ~np.isnan(chunk).all(axis=0)
    return np.flatnonzero(known).tolist()
