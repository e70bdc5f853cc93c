"""Blocks side by side, rows keyed by post id; the training posts decide which columns there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fame.features.blocks import Block, Column
from fame.learners.reduction import Reduction, reduce_block
from fame.runtime import arrays, files
from fame.runtime.errors import InputError

ROWS_PER_CHUNK = 1024
RECIPE, MEAN, BASIS = "recipe.json", "pca_{:02d}_mean.npy", "pca_{:02d}_basis.npy"


@dataclass(frozen=True)
class Recipe:
    """What makes a table of blocks, for any posts.

    Attributes:
        kept: block -> positions of its columns that have a value for at least one training post.
        columns: the table's columns in order, named ``block.column``.
        dtype: of the table.
        reductions: block -> what its numeric columns are reduced to, behind those of ``kept``.
    """

    kept: dict[str, list[int]]
    columns: tuple[Column, ...]
    dtype: str
    reductions: dict[str, list[Reduction]] = field(default_factory=dict)

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
            parts = [self._read(name, blocks[name], rows[name][part]) for name in self.kept]
            chunk = np.concatenate(parts, axis=1)
            chunk[:, categorical] = np.nan_to_num(chunk[:, categorical], nan=0)
            yield self._convert(chunk)

    def count_used(self, name: str) -> int:
        """How many columns of a block have a part in the table."""
        reduced = self.reductions.get(name, [])
        return len(self.kept[name]) + sum(len(reduction.places) for reduction in reduced)

    def save(self, folder: Path) -> None:
        """Write the recipe into ``folder``: JSON, and two arrays for each reduction."""
        content = {
            "kept": list(self.kept.items()),  # in order
            "columns": [[column.name, column.categorical] for column in self.columns],
            "dtype": self.dtype,
        }
        reductions = [
            (block, reduction) for block, own in self.reductions.items() for reduction in own
        ]
        if reductions:
            content["reductions"] = [[block, own.places, own.names] for block, own in reductions]
        files.write_json(folder / RECIPE, content)
        for number, (_, reduction) in enumerate(reductions):
            arrays.write_array(folder / MEAN.format(number), reduction.mean)
            arrays.write_array(folder / BASIS.format(number), reduction.basis)

    @classmethod
    def load(cls, folder: Path) -> "Recipe":
        """What ``save`` wrote."""
        content = files.read_json(folder / RECIPE)
        columns = tuple(Column(*column) for column in content["columns"])
        reductions: dict[str, list[Reduction]] = {}
        for number, (block, places, names) in enumerate(content.get("reductions", [])):
            mean = np.load(folder / MEAN.format(number), allow_pickle=False)
            basis = np.load(folder / BASIS.format(number), allow_pickle=False)
            reductions.setdefault(block, []).append(Reduction(places, names, mean, basis))
        return cls(dict(content["kept"]), columns, content["dtype"], reductions)

    def _read(self, name: str, block: Block, rows: np.ndarray) -> np.ndarray:
        """(m, d) a block's part of the table for some of its rows."""
        if name not in self.reductions:
            return arrays.read_rows(block.values, rows, self.kept[name])
        values = arrays.read_rows(block.values, rows)
        reduced = [reduction.project(values) for reduction in self.reductions[name]]
        return np.concatenate([values[:, self.kept[name]], *reduced], axis=1)

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


def decide(
    blocks: dict[str, Block],
    fit_ids: np.ndarray,
    dtype: str,
    reduce: Mapping[str, int] | None = None,
) -> Recipe:
    """The recipe of a table of ``blocks`` by their rows of the training posts ``fit_ids`` (n,).

    ``reduce`` names blocks and the components that their numbers are reduced to; a block's
    categories stay as they are.

    Raises:
        InputError: a block lacks a training post.
    """
    kept: dict[str, list[int]] = {}
    columns: list[Column] = []
    reductions: dict[str, list[Reduction]] = {}
    for name, block in blocks.items():
        rows = find_rows(name, block, fit_ids)
        kept[name], reduced = find_known(block, rows), []
        if reduce and name in reduce:
            numeric = [place for place in kept[name] if not block.columns[place].categorical]
            kept[name] = [place for place in kept[name] if block.columns[place].categorical]
            reduced = reductions[name] = reduce_block(block, rows, numeric, reduce[name])
        own = [block.columns[place] for place in kept[name]]
        own += [Column(column) for reduction in reduced for column in reduction.names]
        columns += [Column(f"{name}.{column.name}", column.categorical) for column in own]
    return Recipe(kept, tuple(columns), dtype, reductions)


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
