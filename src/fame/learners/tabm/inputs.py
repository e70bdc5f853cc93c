"""What TabM sees of a post: normal scores of its numbers, standardised columns, 0 and 1.

- A number with many values becomes its rank among the training rows as a normal score, and goes
  through a piecewise-linear embedding whose bins hold equally many of them.
- A column of a plain block (reduced texts, encoders) or with few values is standardised.
- A category is a column of 0 and 1 a frequent value.
- Each pattern of missing numbers that is not rare is a column of 0 and 1 too.

Scores and standardised values are clipped, so no post is far from all others. Nothing but arrays is
kept, and a column's ranks take memory for some columns at a time.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fame.learners.contract import Table
from fame.learners.standardising import Preparation, fit_preparation, prepare_values
from fame.learners.tabm.params import Params

COLUMNS_BYTES = 2**28  # of the columns that are held at a time


@dataclass(frozen=True)
class Inputs:
    """What turns table rows into the network's inputs: fitted on training rows.

    Attributes:
        ranked_column: (e,) positions of the numbers with an embedding.
        quantiles: (q, e) float64 of them, from the smallest value to the largest.
        edges: (b + 1, e) float32 of their bins, as scores; NaN below where there are fewer.
        gap_column: (g,) positions of the columns that stand for a pattern of missing numbers.
        others: the standardised columns and the categories.
    """

    ranked_column: np.ndarray
    quantiles: np.ndarray
    edges: np.ndarray
    gap_column: np.ndarray
    others: Preparation

    @property
    def bins(self) -> list[np.ndarray]:
        """Edges of each ranked column's bins, ascending, two at least."""
        return [edges[np.isfinite(edges)] for edges in self.edges.T]

    @property
    def width(self) -> int:
        """Columns that go in: ranked, others, gaps."""
        return len(self.ranked_column) + self.others.width + len(self.gap_column)

    def prepare(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """(m, width) float32 of some rows, by rows in memory: finite, scores first."""
        values = table.read(rows)
        scores = self.score(values[:, self.ranked_column])
        gaps = np.isnan(values[:, self.gap_column]).astype(np.float32)
        parts = [scores, prepare_values(values, self.others), gaps]
        return np.ascontiguousarray(np.hstack(parts))

    def score(self, values: np.ndarray) -> np.ndarray:
        """(m, e) float32 normal scores of the ranked columns; 0, the median, where missing."""
        return score(values, self.quantiles, float(self.others.clip))


def score(values: np.ndarray, quantiles: np.ndarray, clip: float) -> np.ndarray:
    """(m, e) float32: ranks of values (m, e) among quantiles (q, e), as clipped normal scores.

    Equal quantiles are one value that many posts have; its rank is the middle of theirs.
    """
    from scipy.special import ndtri

    share = np.linspace(0, 1, len(quantiles))
    scores = np.empty(values.shape, np.float32)
    for place, (column, known) in enumerate(zip(values.T, quantiles.T, strict=True)):
        highest = np.interp(column, known, share)
        lowest = 1 - np.interp(-column, -known[::-1], share)
        scores[:, place] = np.clip(ndtri((lowest + highest) / 2), -clip, clip)
    return np.nan_to_num(scores, copy=False, nan=0.0)


def fit_inputs(table: Table, rows: np.ndarray, params: Params) -> Inputs:
    """Inputs fitted on the rows (n,) of a table."""
    ranked, quantiles, gaps, seen = [], [], [], set()
    share = np.linspace(0, 1, count_quantiles(len(rows), params))
    for place, values in _read_columns(table, rows):
        missing = np.isnan(values)
        pattern = hashlib.blake2b(np.packbits(missing).tobytes()).digest()
        if missing.mean() > params.min_gap_share and not missing.all() and pattern not in seen:
            seen.add(pattern)
            gaps.append(place)
        block = table.columns[place].name.split(".")[0]
        known = values[~missing]
        if block not in params.plain_blocks and len(np.unique(known)) >= params.min_values:
            ranked.append(place)
            quantiles.append(np.quantile(known.astype(np.float64), share))
    matrix = np.array(quantiles).reshape(-1, len(share)).T.copy()
    plain = sorted(set(table.numeric) - set(ranked))
    return Inputs(
        ranked_column=np.array(ranked, np.int64),
        quantiles=matrix,
        edges=find_edges(matrix, params),
        gap_column=np.array(gaps, np.int64),
        others=fit_preparation(table, rows, plain, params),
    )


def count_quantiles(rows: int, params: Params) -> int:
    """One for so many training rows, but at least ten, or as many as there are at most."""
    return min(max(rows // params.posts_per_quantile, 10), params.quantiles)


def find_edges(quantiles: np.ndarray, params: Params) -> np.ndarray:
    """(b + 1, e) float32: scores of the quantiles that bound equally many training rows."""
    share = np.linspace(0, 1, len(quantiles))
    wanted = np.linspace(0, 1, params.bins + 1)
    edges = np.full((len(wanted), quantiles.shape[1]), np.nan, np.float32)
    for place, known in enumerate(quantiles.T):
        bounds = np.interp(wanted, share, known)[:, None]
        own = np.unique(score(bounds, known[:, None], params.clip))
        edges[: len(own), place] = own
    return edges


def _read_columns(table: Table, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Position and values (n,) of each numeric column, some columns read at a time."""
    at_once = max(1, COLUMNS_BYTES // (4 * max(1, len(rows))))
    for start in range(0, len(table.numeric), at_once):
        places = table.numeric[start : start + at_once]
        yield from zip(places, table.read(rows, places).T, strict=True)


def list_arrays(inputs: Inputs) -> dict[str, np.ndarray]:
    """All arrays by name, those of the others too."""
    own: dict[str, Any] = dict(vars(inputs))
    others = vars(own.pop("others"))
    return own | {f"others.{name}": array for name, array in others.items()}


def build_inputs(arrays: dict[str, np.ndarray]) -> Inputs:
    """What `list_arrays` listed."""
    others = {name: arrays[f"others.{name}"] for name in Preparation.__dataclass_fields__}
    own = {name: array for name, array in arrays.items() if not name.startswith("others.")}
    return Inputs(**own, others=Preparation(**others))
