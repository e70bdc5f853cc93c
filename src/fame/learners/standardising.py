"""A table's columns for a network: standardised numbers, a column of 0 and 1 a frequent category.

A column that hardly varies in the training rows, and a post unlike all of them, would give values
of tens of thousands: a deviation counts as at least a share of the column's largest value, and what
goes into a network is clipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from fame.learners.contract import Table
from fame.learners.torch_inputs import CHUNK_ROWS
from fame.params import LearnerParams, NonNegative, Positive


class ColumnParams(LearnerParams):
    """What a learner's block says of its columns."""

    max_categories: Annotated[int, Field(ge=0)]
    min_deviation: NonNegative
    clip: Positive


@dataclass(frozen=True)
class Preparation:
    """What turns table rows into X: fitted on training rows.

    Attributes:
        number_column: (d,) positions of the numeric columns.
        mean, scale: (d,) of them; scale is 0 where a column does not vary.
        clip: () the largest standardised value, of either sign.
        category_column, category_id: (k,) the columns of 0 and 1, one a frequent value.
    """

    number_column: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    clip: np.ndarray
    category_column: np.ndarray
    category_id: np.ndarray

    @property
    def width(self) -> int:
        """Columns of X."""
        return len(self.mean) + len(self.category_id)


def fit_preparation(
    table: Table, rows: np.ndarray, numbers: list[int], params: ColumnParams
) -> Preparation:
    """Means and deviations of the columns ``numbers``, and the categories' frequent values."""
    width = len(numbers)
    count, total, squares = np.zeros((3, width))
    low, high = np.full((2, width), np.nan, np.float32)
    for values in _read_numbers(table, rows, numbers):
        count += (~np.isnan(values)).sum(axis=0)
        total += np.nansum(values, axis=0, dtype=np.float64)
        low, high = np.fmin(low, np.fmin.reduce(values)), np.fmax(high, np.fmax.reduce(values))
    mean = (total / np.maximum(count, 1)).astype(np.float32)
    for values in _read_numbers(table, rows, numbers):
        squares += np.nansum(np.square(np.subtract(values, mean, dtype=np.float64)), axis=0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    varies = (high > low) & (deviation > 0)  # false where all are missing
    floor = params.min_deviation * np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    least = np.fmax(deviation, floor)
    scale = np.divide(1, least, out=np.zeros_like(deviation), where=varies)
    columns, ids = find_frequent(table, rows, params.max_categories)
    clip = np.array(params.clip, np.float32)
    return Preparation(
        np.array(numbers, np.int64), mean, scale.astype(np.float32), clip, columns, ids
    )


def find_frequent(
    table: Table, rows: np.ndarray, max_categories: int
) -> tuple[np.ndarray, np.ndarray]:
    """Column and id (k,) int64 of each category's most frequent values."""
    pairs = []
    categories = table.read(rows, table.categorical) if table.categorical else np.empty(0)
    for column, values in zip(table.categorical, categories.T, strict=True):
        ids, counts = np.unique(values, return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:max_categories]
        pairs += [(column, int(value)) for value in ids[np.sort(frequent)]]
    columns, ids = np.array(pairs, np.int64).reshape(-1, 2).T.copy()
    return columns, ids


def prepare(table: Table, rows: np.ndarray, preparation: Preparation) -> np.ndarray:
    """X (m, d + k) float32 of some rows: finite, 0 where a number is missing."""
    return prepare_values(table.read(rows), preparation)


def prepare_values(values: np.ndarray, preparation: Preparation) -> np.ndarray:
    """X (m, d + k) float32 of rows (m, all columns of the table) that were read."""
    numbers = _take(values, preparation.number_column)
    with np.errstate(over="ignore", invalid="ignore"):  # what is infinite is clipped
        numbers = numbers - preparation.mean
        numbers *= preparation.scale
    np.clip(numbers, -preparation.clip, preparation.clip, out=numbers)
    np.copyto(numbers, 0, where=np.isnan(numbers))
    if not len(preparation.category_id):
        return numbers
    ids = values[:, preparation.category_column]
    return np.hstack([numbers, (ids == preparation.category_id).astype(np.float32)])


def _read_numbers(table: Table, rows: np.ndarray, numbers: list[int]) -> Iterator[np.ndarray]:
    """The columns ``numbers`` of the rows, (m, d) a chunk."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield _take(table.read(rows[start : start + CHUNK_ROWS]), np.array(numbers, np.int64))


def _take(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Some columns, in order; all of them without a copy."""
    return values if len(columns) == values.shape[1] else values[:, columns]
