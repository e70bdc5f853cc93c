"""X of the denoising autoencoder: standardised numbers, a column of 0 and 1 a frequent category."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fame.learners.contract import Table
from fame.learners.torch_inputs import CHUNK_ROWS


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


def fit_preparation(table: Table, rows: np.ndarray, max_categories: int) -> Preparation:
    """Means and deviations of the numeric columns, and the frequent values of the categories."""
    width = len(table.numeric)
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
    categories = table.read(rows, table.categorical) if table.categorical else np.empty(0)
    for column, values in zip(table.categorical, categories.T, strict=True):
        ids, counts = np.unique(values, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:max_categories]
        pairs += [(column, int(value)) for value in ids[np.sort(frequent)]]
    columns, ids = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    return Preparation(mean, scale.astype(np.float32), columns, ids)


def prepare(table: Table, rows: np.ndarray, preparation: Preparation) -> np.ndarray:
    """X (m, d + k) float32 of some rows: finite, 0 where a number is missing."""
    values = table.read(rows)
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
        yield _take_numbers(table, table.read(rows[start : start + CHUNK_ROWS]))


def _take_numbers(table: Table, values: np.ndarray) -> np.ndarray:
    return values[:, table.numeric] if table.categorical else values
