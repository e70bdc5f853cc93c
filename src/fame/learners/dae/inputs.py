"""Rows of a table as the denoising autoencoder takes them, read from the disk batch by batch.

The table is never held: what a training needs of it at a time are some batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import Table
from fame.learners.folds import number_columns, read_rows

if TYPE_CHECKING:
    from torch import Tensor

    Batch = tuple[Tensor, Tensor]  # what goes into a network (m, width) and the labels (m,)

BATCHES_AHEAD = 1  # read while one is computed
CHUNK_ROWS = 512  # read at a time where the batches do not matter


@dataclass(frozen=True)
class Preparation:
    """What turns table rows into X: fitted on training rows.

    Attributes:
        mean, scale: (d,) of the numeric columns; scale is 0 where a column does not vary.
        category_column, category_id: (k,) the columns of 0 and 1, one a frequent value.
    """

    mean: np.ndarray
    scale: np.ndarray
    category_column: np.ndarray
    category_id: np.ndarray

    @property
    def width(self) -> int:
        """Columns of X."""
        return len(self.mean) + len(self.category_id)


@dataclass(frozen=True)
class Inputs:
    """Rows of a table as a network takes them, read from the disk whenever they are asked for.

    Attributes:
        rows: (n,) positions in the table.
        labels: (n,) of them, on the device.
        encoded: (n, e) what stands beside X in phase 2, on the device; None in phase 1.
    """

    table: Table
    rows: np.ndarray
    preparation: Preparation
    labels: Tensor
    encoded: Tensor | None = None

    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        """Each batch (m,) of positions in ``rows``; the next one is read meanwhile."""
        waiting: deque[tuple[Tensor, Future]] = deque()
        with ThreadPoolExecutor(1) as thread:
            for batch in batches:
                rows = self.rows[batch.numpy()]
                waiting.append((batch, thread.submit(prepare, self.table, rows, self.preparation)))
                if len(waiting) > BATCHES_AHEAD:
                    yield self._place(*waiting.popleft())
            while waiting:
                yield self._place(*waiting.popleft())

    def read_in_order(self) -> Iterator[Batch]:
        """All rows, chunk by chunk."""
        import torch

        return self.read(torch.arange(len(self.rows)).split(CHUNK_ROWS))

    def _place(self, batch: Tensor, x: Future) -> Batch:
        import torch

        batch, x = batch.to(self.labels.device), torch.from_numpy(x.result())
        x = x.to(self.labels.device)
        if self.encoded is not None:
            x = torch.cat([self.encoded[batch], x], dim=1)
        return x, self.labels[batch]


def fit_preparation(table: Table, rows: np.ndarray, max_categories: int) -> Preparation:
    """Means and deviations of the numeric columns, and the frequent values of the categories."""
    width = len(number_columns(table))
    count, total, squares = np.zeros((3, width))
    low, high = np.full((2, width), np.nan, np.float32)
    for values in _read_numbers(table, rows):
        count += (~np.isnan(values)).sum(axis=0)
        total += np.nansum(values, axis=0, dtype=np.float64)
        low, high = np.fmin(low, np.fmin.reduce(values)), np.fmax(high, np.fmax.reduce(values))
    mean = (total / np.maximum(count, 1)).astype(np.float32)
    for values in _read_numbers(table, rows):
        squares += np.nansum(np.square(values - mean), axis=0, dtype=np.float64)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    varies = (high > low) & (deviation > 0)  # false where all are missing
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=varies)
    pairs = []
    categories = read_rows(table, rows, table.categorical) if table.categorical else np.empty(0)
    for column, values in zip(table.categorical, categories.T, strict=True):
        ids, counts = np.unique(values, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:max_categories]
        pairs += [(column, int(value)) for value in ids[np.sort(frequent)]]
    columns, ids = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    return Preparation(mean, scale.astype(np.float32), columns, ids)


def prepare(table: Table, rows: np.ndarray, preparation: Preparation) -> np.ndarray:
    """X (m, d + k) float32 of some rows: finite, 0 where a number is missing."""
    values = read_rows(table, rows)
    ids = values[:, preparation.category_column]
    numbers = _take_numbers(table, values)
    numbers -= preparation.mean
    numbers *= preparation.scale
    np.nan_to_num(numbers, copy=False, nan=0.0)
    if not table.categorical:
        return numbers
    return np.hstack([numbers, (ids == preparation.category_id).astype(np.float32)])


def _read_numbers(table: Table, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The numeric columns of the rows, (m, d) a chunk."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield _take_numbers(table, read_rows(table, rows[start : start + CHUNK_ROWS]))


def _take_numbers(table: Table, values: np.ndarray) -> np.ndarray:
    return values[:, number_columns(table)] if table.categorical else values
