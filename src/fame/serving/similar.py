"""The training posts most like a post: nearest by the frozen embeddings of text and picture.

An index in the bundle holds float32 vectors of up to POSTS_AT_MOST training posts, drawn by their
ids, each block's centred and of length one. The similarity of two posts is the mean cosine over the
blocks that the scored post has. It explains; no prediction depends on it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features.blocks import Block
from fame.runtime import arrays, files
from fame.runtime.draws import draw

POSTS_AT_MOST = 20_000  # with vectors; 40 MB for each 500 numbers
LEAST_WIDTH = 16  # numbers of a block that says what a post is about
PROBES = 500  # posts whose own nearest neighbours tell what is near
LEVELS = 101
POSTS, VECTORS, PLACES = "posts.parquet", "vectors.npy", "places.json"
COLUMNS = ("post_id", "user_id", "posted_at", "popularity", "title")


@dataclass(frozen=True)
class Neighbour:
    """A training post with its real popularity; ``similarity`` is a cosine, at most 1."""

    post_id: str
    title: str | None
    popularity: float
    similarity: float


@dataclass(frozen=True)
class Neighbours:
    """The nearest training posts of a post.

    Attributes:
        nearest: most similar first; none where the post has nothing to compare.
        farther_than: share of the training posts whose own nearest one is nearer than this post's;
            None where there is nothing to compare.
    """

    nearest: list[Neighbour]
    farther_than: float | None


def write_index(folder: Path, training: pa.Table, blocks: dict[str, Block]) -> None:
    """The training posts (POSTS), and vectors of some of them; ``blocks`` of all posts."""
    files.write_table(folder / POSTS, training.select(COLUMNS))
    post_ids = training["post_id"].to_pylist()
    chosen = np.sort(np.argsort(draw(post_ids, 0), kind="stable")[:POSTS_AT_MOST])
    parts, facts = [], {}
    for name, block in blocks.items():
        places = find_places(block)
        if len(places) < LEAST_WIDTH:
            continue
        position = {post_id: row for row, post_id in enumerate(block.post_ids)}
        rows = np.array([position[post_ids[row]] for row in chosen], np.int64)
        values = arrays.read_rows(block.values, rows, places)
        known = ~np.isnan(values).all(axis=1)
        mean = np.nan_to_num(values[known]).mean(axis=0) if known.any() else np.zeros(len(places))
        facts[name] = {"places": places, "mean": np.asarray(mean, np.float64).tolist()}
        parts.append(to_unit(values, mean))
    vectors = np.concatenate([np.empty((len(chosen), 0), np.float32), *parts], axis=1)
    arrays.write_array(folder / VECTORS, vectors.astype(np.float32))
    files.write_json(
        folder / PLACES,
        {"blocks": list(facts.items()), "rows": chosen.tolist(), "levels": find_levels(vectors)},
    )


def find_places(block: Block) -> list[int]:
    """The numeric columns of a block."""
    return [place for place, column in enumerate(block.columns) if not column.categorical]


def to_unit(values: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(n, d) float32 around ``mean`` (d,), each row of length one; 0 where nothing is known."""
    centred = np.nan_to_num(values - mean)
    centred[np.isnan(values).all(axis=1)] = 0
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return (centred / np.where(length == 0, 1, length)).astype(np.float32)


def find_levels(vectors: np.ndarray) -> list[float]:
    """(LEVELS,) quantiles of the training posts' similarity to their own nearest one."""
    probes = np.unique(np.linspace(0, len(vectors) - 1, min(PROBES, len(vectors))).astype(int))
    if vectors.shape[1] == 0 or len(vectors) < 2:
        return []
    similarity = multiply(vectors[probes], vectors)
    similarity[np.arange(len(probes)), probes] = -np.inf
    blocks = np.maximum((vectors[probes] ** 2).sum(axis=1), 1e-9)  # a block with a value adds 1
    nearest = similarity.max(axis=1) / blocks
    return np.quantile(nearest, np.linspace(0, 1, LEVELS)).round(6).tolist()


def multiply(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, m) products of rows (n, d) and rows (m, d)."""
    return one @ other.T


class Index:
    """The index of a bundle, as far as its blocks are among ``there``.

    A bundle without all learners makes only the blocks that the others need.
    """

    def __init__(self, folder: Path, there: Collection[str]) -> None:
        self.posts = files.read_table(folder / POSTS)
        content = files.read_json(folder / PLACES)
        whole: list[tuple[str, dict[str, Any]]] = content["blocks"]
        self._blocks = [(name, facts) for name, facts in whole if name in there]
        self._rows, self._levels = content["rows"], content["levels"]
        self._vectors = np.load(folder / VECTORS, allow_pickle=False)
        if len(self._blocks) < len(whole):
            width = [len(facts["places"]) for _, facts in whole]
            kept = np.repeat([name in there for name, _ in whole], width)
            self._vectors = self._vectors[:, kept]
            self._levels = find_levels(self._vectors)

    def find(self, blocks: dict[str, Block], count: int) -> list[Neighbours]:
        """The ``count`` nearest of each of n posts; ``blocks`` hold a row a post."""
        posts = len(next(iter(blocks.values())).post_ids)
        parts = [
            to_unit(blocks[name].values[:, facts["places"]], np.array(facts["mean"]))
            for name, facts in self._blocks
        ]
        own = np.concatenate([np.empty((posts, 0), np.float32), *parts], axis=1)
        return [self._find(row, count) for row in own]

    def _find(self, vector: np.ndarray, count: int) -> Neighbours:
        blocks = round(float(vector @ vector))
        if not blocks or not self._levels:
            return Neighbours([], None)
        similarity = multiply(vector[None], self._vectors)[0] / blocks
        order = np.argsort(-similarity, kind="stable")[:count]
        nearest = [self._describe(int(place), float(similarity[place])) for place in order]
        near = np.searchsorted(self._levels, similarity[order[0]], side="left")
        return Neighbours(nearest, 1 - float(near) / len(self._levels))

    def _describe(self, place: int, similarity: float) -> Neighbour:
        row = self._rows[place]
        post_id, title, popularity = (
            self.posts[name][row].as_py() for name in ("post_id", "title", "popularity")
        )
        return Neighbour(post_id, title, popularity, round(similarity, 4))
