"""A linear model of a table's columns, as plain arrays.

- A number goes in standardised, and once more as its logarithm with the sign: counts span orders
  of magnitude. Both are clipped, so no post is far from all others; a missing one is their mean.
- A category, and a number with few values (an hour, a flag), is a column of 0 and 1 for each value
  of enough posts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import FitTable, Table
from fame.runtime import arrays

if TYPE_CHECKING:
    from pathlib import Path

    from fame.learners.ridge.params import Params

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Regression:
    """Fitted on training rows.

    Attributes:
        number: (d,) int64 positions of the numeric columns.
        mean, scale: (2 d,) float64 of them and of their logarithms; 0 where one does not vary.
        clip: () the largest standardised value, of either sign.
        level_column, level: (k,) the columns of 0 and 1: position int64, value float32.
        level_weight: () that stands for 1.
        centre: (2 d + k,) float64 means over the training rows of what goes in.
        coefficient: (2 d + k,) float64.
        intercept: () float64.
    """

    number: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    clip: np.ndarray
    level_column: np.ndarray
    level: np.ndarray
    level_weight: np.ndarray
    centre: np.ndarray
    coefficient: np.ndarray
    intercept: np.ndarray

    def prepare(self, values: np.ndarray) -> np.ndarray:
        """(m, 2 d + k) float64 of rows (m, all columns of the table)."""
        spread = (widen(values[:, self.number]) - self.mean) * self.scale
        spread = np.nan_to_num(np.clip(spread, -self.clip, self.clip), nan=0.0)
        levels = (values[:, self.level_column] == self.level) * self.level_weight
        return np.hstack([spread, levels])

    def predict(self, values: np.ndarray) -> np.ndarray:
        """(m,) float64; a row's does not depend on the rows beside it."""
        product = arrays.multiply_rows(self.prepare(values), self.coefficient[:, None])
        return product[:, 0] + self.intercept

    def explain(self, values: np.ndarray) -> np.ndarray:
        """SHAP values (m, columns of the table): exact for what adds up."""
        added = (self.prepare(values) - self.centre) * self.coefficient
        found = np.zeros(values.shape, np.float64)
        for place, column in enumerate([*self.number, *self.number, *self.level_column]):
            found[:, column] += added[:, place]
        return found

    def write(self, path: Path) -> None:
        """The arrays as safetensors; the same are the same bytes."""
        from safetensors.numpy import save

        path.write_bytes(save(vars(self)))

    @classmethod
    def read(cls, path: Path) -> Regression:
        """What ``write`` wrote."""
        from safetensors.numpy import load_file

        return cls(**load_file(path))


def widen(numbers: np.ndarray) -> np.ndarray:
    """(m, 2 d) float64: numbers (m, d), and their logarithms with the sign."""
    numbers = numbers.astype(np.float64)
    return np.hstack([numbers, np.sign(numbers) * np.log1p(np.abs(numbers))])


def fit_columns(table: Table, rows: np.ndarray, params: Params) -> Regression:
    """What goes in, fitted on the rows (n,); coefficients are 0."""
    number = np.array(table.numeric, np.int64)
    count, total, squares = np.zeros((3, 2 * len(number)))
    high = np.zeros(2 * len(number))
    for part in table.chunks(rows):
        values = widen(table.read(part, table.numeric))
        count += (~np.isnan(values)).sum(axis=0)
        total += np.nansum(values, axis=0)
        high = np.fmax(high, np.fmax.reduce(np.abs(values)))
    mean = total / np.maximum(count, 1)
    for part in table.chunks(rows):
        squares += np.nansum((widen(table.read(part, table.numeric)) - mean) ** 2, axis=0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    least = np.maximum(deviation, params.min_deviation * high)
    scale = np.divide(1, least, out=np.zeros_like(least), where=deviation > 0)
    column, level = find_levels(table, rows, params)
    width = 2 * len(number) + len(column)
    return Regression(
        **{"number": number, "mean": mean, "scale": scale, "clip": np.array(params.clip)},
        **{"level_column": column, "level": level, "level_weight": np.array(params.level_weight)},
        **{"centre": np.zeros(width), "coefficient": np.zeros(width), "intercept": np.zeros(())},
    )


def find_levels(table: Table, rows: np.ndarray, params: Params) -> tuple[np.ndarray, np.ndarray]:
    """Column and value (k,) of the columns of 0 and 1: the most frequent values of enough posts."""
    pairs: list[tuple[int, float]] = []
    for place, column in enumerate(table.columns):
        values = table.read(rows, [place])[:, 0]
        levels, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        if column.categorical or 2 < len(levels) <= params.max_values:
            common = np.argsort(-counts, kind="stable")[: params.max_categories]
            common = np.sort(common[counts[common] >= params.min_posts])
            pairs += [(place, float(value)) for value in levels[common]]
    columns, found = np.array(pairs, np.float64).reshape(-1, 2).T.copy()
    return columns.astype(np.int64), found.astype(np.float32)


def solve(
    table: FitTable, rows: np.ndarray, columns: Regression, penalties: list[float]
) -> list[Regression]:
    """The regression on the rows' labels for each penalty on the squared coefficients."""
    width = len(columns.coefficient)
    gram, product, total = np.zeros((width, width)), np.zeros(width), np.zeros(width)
    label = table.popularity[rows]
    middle = label.mean()
    for part in table.chunks(rows):
        x = columns.prepare(table.read(part))
        gram += x.T @ x
        product += x.T @ (table.popularity[part] - middle)
        total += x.sum(axis=0)
    centre = total / len(rows)
    values, vectors = np.linalg.eigh(gram - len(rows) * np.outer(centre, centre))
    turned = vectors.T @ product  # the labels are centred, so the columns need not be
    found = []
    for penalty in penalties:
        coefficient = vectors @ (turned / (np.maximum(values, 0) + penalty))
        intercept = np.array(middle - centre @ coefficient)
        solved = {"centre": centre, "coefficient": coefficient, "intercept": intercept}
        found.append(replace(columns, **solved))
    return found
