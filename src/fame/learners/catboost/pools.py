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
    from catboost import FeaturesData, Pool

    numeric = table.numeric
    if numbers is None:
        # By columns, as CatBoost holds them: it refers to such an array and copies any other.
        numbers = np.empty((len(rows), len(numeric)), np.float32, order="F")
    categories = np.empty((len(rows), len(table.categorical)), np.int64)
    for positions in table.chunks(np.arange(len(rows))):
        part, values = slice(positions[0], positions[-1] + 1), table.read(rows[positions])
        numbers[part], categories[part] = values[:, numeric], values[:, table.categorical]
    words, places = np.unique(categories, return_inverse=True)
    data = FeaturesData(
        num_feature_data=numbers,
        cat_feature_data=np.char.encode(words.astype(str)).astype(object)[places],
        num_feature_names=[table.columns[i].name for i in numeric],
        cat_feature_names=[table.columns[i].name for i in table.categorical],
    )
    return Pool(data, labels)
