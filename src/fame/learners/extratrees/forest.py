"""A forest as plain arrays: written as safetensors, walked with NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from sklearn.ensemble import ExtraTreesRegressor

SUFFIX = ".safetensors"
LARGEST = np.finfo(np.float32).max  # what is infinite counts as it: scikit-learn takes none


@dataclass(frozen=True)
class Forest:
    """All nodes of all trees, one tree behind the other.

    Attributes:
        root: (t,) int64 positions of the trees' first nodes.
        left, right: (k,) int64 positions of a node's branches; a leaf is its own.
        column: (k,) int64 that a node compares.
        threshold: (k,) float64; values up to it go left.
        gap_left: (k,) bool, whether a missing value goes left.
        value: (k,) float64 mean label of a node.
    """

    root: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    gap_left: np.ndarray
    value: np.ndarray

    def predict_trees(self, values: np.ndarray) -> np.ndarray:
        """(n, t) float64 of table rows (n, d) float32: what each tree says."""
        values = bound(values)
        place = np.tile(self.root, (len(values), 1))
        while True:
            following = self._follow(values, place)
            if np.array_equal(following, place):
                return self.value[place]
            place = following

    def explain(self, values: np.ndarray) -> np.ndarray:
        """(n, d) float64: what the splits on the trees' paths change, by the column of each.

        With the mean of the trees' first nodes it sums to the prediction. No SHAP values: their
        time grows with the leaves, of which there are as many as posts.
        """
        values = bound(values)
        count, width = values.shape
        found = np.zeros(count * width)
        place = np.tile(self.root, (count, 1))
        while True:
            following = self._follow(values, place)
            if np.array_equal(following, place):
                return found.reshape(count, width) / len(self.root)
            split = np.arange(count)[:, None] * width + self.column[place]
            change = self.value[following] - self.value[place]
            found += np.bincount(split.ravel(), change.ravel(), count * width)
            place = following

    def _follow(self, values: np.ndarray, place: np.ndarray) -> np.ndarray:
        """The nodes behind nodes ``place`` (n, t); a leaf's is itself."""
        found = values[np.arange(len(values))[:, None], self.column[place]]
        left = np.where(np.isnan(found), self.gap_left[place], found <= self.threshold[place])
        return np.where(left, self.left[place], self.right[place])

    def write(self, path: Path) -> None:
        """The arrays as safetensors; the same are the same bytes."""
        from safetensors.numpy import save

        path.write_bytes(save(vars(self)))

    @classmethod
    def read(cls, path: Path) -> Forest:
        """What ``write`` wrote."""
        from safetensors.numpy import load_file

        return cls(**load_file(path))


def bound(values: np.ndarray) -> np.ndarray:
    """Values without infinite ones; missing ones stay."""
    return np.clip(values, -LARGEST, LARGEST)


def copy_forest(fitted: ExtraTreesRegressor) -> Forest:
    """The trees of scikit-learn as arrays."""
    trees = [tree.tree_ for tree in fitted.estimators_]
    counts = np.array([tree.node_count for tree in trees], np.int64)
    root = np.cumsum(counts) - counts
    starts = list(zip(trees, root, strict=True))
    left, right = (
        np.concatenate([_point(getattr(tree, side), start) for tree, start in starts])
        for side in ("children_left", "children_right")
    )
    return Forest(
        root=root,
        left=left,
        right=right,
        column=np.concatenate([np.maximum(tree.feature, 0) for tree in trees]).astype(np.int64),
        threshold=np.concatenate([tree.threshold for tree in trees]).astype(np.float64),
        gap_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(bool),
        value=np.concatenate([tree.value[:, 0, 0] for tree in trees]).astype(np.float64),
    )


def _point(children: np.ndarray, start: int) -> np.ndarray:
    """Positions among all nodes; a leaf points to itself."""
    own = np.arange(len(children))
    return np.where(children < 0, own, children).astype(np.int64) + start
