"""Vectors of items -> the feature block of the posts, written shard by shard.

A block may be larger than memory: its values are a file that is mapped anew for each shard, so that
no more of it is held than a shard touches.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame import io
from fame.core import ids
from fame.core.contracts import (
    FIT,
    MISSING,
    NO_IMAGE,
    NO_TEXT,
    UNREADABLE,
    Backbone,
    Block,
)
from fame.errors import InputError
from fame.extraction.contents import NOWHERE, STATUSES, Contents, Items
from fame.extraction.engine import Features
from fame.extraction.store import Store

POSTS_AT_ONCE = 16_384
POSTS_NAMED = 10  # in the error about unreadable images
FITTED = "fitted.npy"  # the vectors that a fit reads, gone when the values are written

Places = dict[str, slice]  # modality -> its columns
Codes = dict[str, np.ndarray]  # modality -> (n,) int8 codes of STATUSES


def publish(backbone: Backbone, table: pa.Table, features: Features, folder: Path) -> Block:
    """Write the values of a block into ``folder``, one row for each post of ``table``.

    A table with a column ``split`` is one to fit on: only its fit rows are shown to ``fit``.
    """
    fitted_on = None
    path = folder / io.VALUES
    if "split" in table.column_names:
        vectors, places = folder / FITTED, _place(backbone.widths())
        codes = _write_vectors(features, vectors, places, len(table))
        rows = np.flatnonzero(pc.equal(table["split"], FIT).to_numpy())
        post_ids = table["post_id"].take(pa.array(rows)).to_pylist()
        fitted_on = ids.digest(post_ids)
        rows = rows[ids.order(post_ids)]
        for modality, place in places.items():
            ready = rows[codes[modality][rows] == 0]
            backbone.fit(modality, _read_rows(vectors, ready, place))
        _project(backbone, vectors, places, codes, path)
        vectors.unlink()
    else:
        codes = _write_vectors(features, path, _place(backbone.widths()), len(table))
    names = np.array(STATUSES, dtype=object)
    columns = backbone.columns()
    return Block(
        post_ids=io.to_strings(table["post_id"]),
        values=np.load(path, mmap_mode="r"),
        columns=tuple(column for part in columns.values() for column in part),
        status={modality: names[codes[modality]] for modality in columns},
        fitted_on=fitted_on,
        notes=backbone.notes(),
    )


def _place(widths: dict[str, int]) -> Places:
    """Columns of each modality, side by side."""
    bounds = [0, *np.cumsum(list(widths.values())).tolist()]
    return dict(zip(widths, map(slice, bounds[:-1], bounds[1:]), strict=True))


def _create(path: Path, posts: int, places: Places) -> None:
    shape = (posts, max(place.stop for place in places.values()))
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _write_vectors(features: Features, path: Path, places: Places, posts: int) -> Codes:
    """All modalities' vectors into ``path``, NaN where a row is masked."""
    _create(path, posts, places)
    codes: Codes = {}
    for items, store in features.kinds:
        codes |= _write_kind(items, store, features.contents, path, places)
    for modality, place in places.items():
        masked = np.flatnonzero(codes[modality])
        for start in range(0, len(masked), POSTS_AT_ONCE):
            np.load(path, mmap_mode="r+")[masked[start : start + POSTS_AT_ONCE], place] = np.nan
    return codes


def _write_kind(
    items: Items, store: Store, contents: Contents, path: Path, places: Places
) -> Codes:
    """The vectors of one kind into ``path``: a shard is read once for all passes and posts."""
    codes: Codes = {}
    shard_of, row_of = store.find(items.keys)
    shards = store.finished
    groups = [_group_posts(rows, shard_of, len(shards)) for _, rows in items.rows]
    for shown, rows in items.rows:
        status = contents.explain_missing(shown)
        if len(shard_of):
            status[(rows != NOWHERE) & (shard_of[rows] == NOWHERE)] = STATUSES.index(MISSING)
        codes |= {modality: status.copy() for modality in shown.gives.values()}
    for position, shard in enumerate(shards):
        if not any(len(group[position]) for group in groups):
            continue
        embedded = store.read(shard)
        values = np.load(path, mmap_mode="r+")
        for (shown, rows), group in zip(items.rows, groups, strict=True):
            posts = group[position]
            taken = row_of[rows[posts]]
            for output, modality in shown.gives.items():
                codes[modality][posts] = embedded.status[taken]
                if output in embedded.vectors:  # there is none where no item is OK
                    values[posts, places[modality]] = embedded.vectors[output][taken]
    return codes


def _group_posts(rows: np.ndarray, shard_of: np.ndarray, shards: int) -> list[np.ndarray]:
    """For each shard, the positions of the posts whose item (``rows``) lies in it."""
    if not len(shard_of):
        return [rows[:0]] * shards
    position = np.where(rows == NOWHERE, NOWHERE, shard_of[rows])
    order = np.argsort(position, kind="stable")
    bounds = np.searchsorted(position[order], np.arange(shards + 1))
    return [order[start:stop] for start, stop in pairwise(bounds)]


def _read_rows(path: Path, rows: np.ndarray, place: slice) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), POSTS_AT_ONCE):
        yield np.load(path, mmap_mode="r")[rows[start : start + POSTS_AT_ONCE], place]


def _project(backbone: Backbone, vectors: Path, places: Places, codes: Codes, path: Path) -> None:
    """What was fitted, applied to all rows; a row of which nothing is left is masked."""
    columns = _place({modality: len(part) for modality, part in backbone.columns().items()})
    posts = len(next(iter(codes.values())))
    _create(path, posts, columns)
    for start in range(0, posts, POSTS_AT_ONCE):
        rows = slice(start, start + POSTS_AT_ONCE)
        given, values = np.load(vectors, mmap_mode="r"), np.load(path, mmap_mode="r+")
        for modality, place in places.items():
            projected = backbone.project(modality, given[rows, place])
            values[rows, columns[modality]] = projected
            left = np.isnan(projected).all(axis=1) & (codes[modality][rows] == 0)
            codes[modality][rows][left] = STATUSES.index(NO_TEXT)


def count_status(block: Block) -> dict[str, dict[str, int]]:
    """Modality -> status -> posts."""
    return {modality: dict(Counter(status)) for modality, status in block.status.items()}


def describe_unreadable(status: np.ndarray) -> str:
    """`3 unreadable (1 bomb, 2 missing)`; for a modality's statuses (n,)."""
    counts = Counter(kind for kind in status if kind in UNREADABLE)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"{counts.total()} unreadable ({kinds})" if counts else "0 unreadable"


def check_readable(
    post_ids: np.ndarray, status: np.ndarray, max_unreadable_fraction: float, place: str
) -> None:
    """Refuse posts of which too many named images cannot be read.

    Args:
        post_ids, status: (n,) of the posts.
        max_unreadable_fraction: of the posts that name an image.
        place: named in the error.

    Raises:
        InputError: names ``place``, the counts by kind and the first posts.
    """
    unreadable = np.isin(status, UNREADABLE)
    named = np.count_nonzero(~np.isin(status, (NO_IMAGE, NO_TEXT)))
    if unreadable.sum() > max_unreadable_fraction * named:
        first = ", ".join(post_ids[unreadable][:POSTS_NAMED])
        raise InputError(
            f"{place}: of {named} images {describe_unreadable(status)}, above "
            f"data.max_unreadable_fraction {max_unreadable_fraction:g}; first posts: {first}"
        )
