"""Rows of a table as CatBoost holds them: numbers by columns, categories as words."""

from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import Table

if TYPE_CHECKING:
    from catboost import Pool

SUFFIX = ".cbm"


def make_pool(
    table: Table,
    rows: np.ndarray,
    numbers: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> "Pool":
    """The rows (m,), and their labels (m,) if they have any; ``numbers`` (m, d) is filled."""
    numeric = table.numeric
    if numbers is None:
        # By columns, as CatBoost holds them: it refers to such an array and copies any other.
        numbers = np.empty((len(rows), len(numeric)), np.float32, order="F")
    categories = np.empty((len(rows), len(table.categorical)), np.int64)
    for positions in table.chunks(np.arange(len(rows))):
        part, values = slice(positions[0], positions[-1] + 1), table.read(rows[positions])
        numbers[part], categories[part] = values[:, numeric], values[:, table.categorical]
    words, places = np.unique(categories, return_inverse=True)
    return _pack(table, numbers, np.char.encode(words.astype(str)).astype(object)[places], labels)


def make_varied_pool(table: Table, labels: np.ndarray) -> "Pool":
    """As many rows as labels, with the columns of the table, whose first one differs in all."""
    numbers = np.zeros((len(labels), len(table.numeric)), np.float32, order="F")
    words = np.full((len(labels), len(table.categorical)), b"", object)
    if len(table.numeric):
        numbers[:, 0] = np.arange(len(labels))
    else:
        words[:, 0] = [str(row).encode() for row in range(len(labels))]
    return _pack(table, numbers, words, labels)


def _pack(
    table: Table, numbers: np.ndarray, words: np.ndarray, labels: np.ndarray | None
) -> "Pool":
    from catboost import FeaturesData, Pool

    data = FeaturesData(
        num_feature_data=numbers,
        cat_feature_data=words,
        num_feature_names=[table.columns[i].name for i in table.numeric],
        cat_feature_names=[table.columns[i].name for i in table.categorical],
    )
    return Pool(data, labels)
