"""Wide blocks made narrow: principal components of a modality's numbers, by the training posts.

Hundreds of columns of an embedding hide the few that matter from learners that draw columns; on
some thousand posts they are also more than can be learned from.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fame.features.blocks import Block
from fame.runtime import arrays
from fame.runtime.directions import find_basis

ROWS_PER_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class Reduction:
    """Principal components of some columns of a block.

    Attributes:
        places: d positions of the columns in the block.
        names: of the m components.
        mean: (d,) float64, of the training posts that have all of the columns.
        basis: (m, d) float64, one component a row, the first with most variance.
    """

    places: list[int]
    names: list[str]
    mean: np.ndarray
    basis: np.ndarray

    def project(self, values: np.ndarray) -> np.ndarray:
        """(n, m) float32 of a block's rows (n, all columns); NaN where one of the d is missing.

        A row's components do not depend on the rows beside it.
        """
        own = values[:, self.places].astype(np.float64)
        known = ~np.isnan(own).any(axis=1)
        projected = np.full((len(values), len(self.names)), np.nan, np.float32)
        projected[known] = arrays.multiply_rows(own[known] - self.mean, self.basis.T)
        return projected


def reduce_block(
    block: Block, rows: np.ndarray, places: list[int], components: int
) -> list[Reduction]:
    """A reduction to ``components`` at most for each modality among the columns at ``places``.

    Args:
        block: its values may be memory-mapped; they are read chunk by chunk, twice.
        rows: (m,) positions of the training posts.
        places: of numeric columns.
        components: fewer where the training posts vary in fewer directions.
    """
    modalities: dict[str, list[int]] = {}
    for place in places:
        modalities.setdefault(name_modality(block.columns[place].name), []).append(place)
    reductions, digits = [], len(str(components - 1))
    for modality, own in modalities.items():
        mean, basis = find_components(block, rows, own, components)
        prefix = f"{modality}_pca" if modality and len(modalities) > 1 else "pca"
        names = [f"{prefix}_{i:0{digits}d}" for i in range(len(basis))]
        reductions.append(Reduction(own, names, mean, basis))
    return reductions


def name_modality(column: str) -> str:
    """``title`` of ``title_017``: columns of one modality are numbered; "" of any other name."""
    modality, _, number = column.rpartition("_")
    return modality if number.isdecimal() else ""


def find_components(
    block: Block, rows: np.ndarray, places: list[int], components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and principal components (m, d), m <= components, of complete rows."""
    total, count = np.zeros(len(places)), 0
    for chunk in _read_known(block, rows, places):
        total += chunk.sum(axis=0)
        count += len(chunk)
    mean = total / max(count, 1)
    product = np.zeros((len(places), len(places)))
    for chunk in _read_known(block, rows, places):
        centred = chunk - mean
        product += centred.T @ centred
    return mean, find_basis(product, components)


def _read_known(block: Block, rows: np.ndarray, places: list[int]) -> Iterator[np.ndarray]:
    """Chunks (<= ROWS_PER_CHUNK, d) float64 of the rows without a missing value."""
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        part = rows[start : start + ROWS_PER_CHUNK]
        chunk = arrays.read_rows(block.values, part, places, "float64")
        yield chunk[~np.isnan(chunk).any(axis=1)]
