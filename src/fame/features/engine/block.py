"""Vectors of items -> the feature block of the posts, written from front to back.

A block may be larger than memory: some rows at a time are put together from the shards that hold
them, and written.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features import block_files
from fame.features.backbones.contract import Backbone
from fame.features.blocks import Block
from fame.features.engine.contents import NOWHERE, STATUSES
from fame.features.engine.embed import Features
from fame.posts.contract import FIT, NO_IMAGE, NO_TEXT, UNREADABLE
from fame.runtime import arrays, ids
from fame.runtime.errors import InputError

BYTES_AT_ONCE = 512 << 20  # of rows; a shard is read again for each such part
POSTS_NAMED = 10  # in the error about unreadable images
FITTED = "fitted.npy"  # the vectors that a fit reads, gone when the values are written

Places = dict[str, slice]  # modality -> its columns
Codes = dict[str, np.ndarray]  # modality -> (n,) int8 codes of STATUSES


def publish(backbone: Backbone, table: pa.Table, features: Features, folder: Path) -> Block:
    """Write the values of a block into ``folder``, one row for each post of ``table``.

    A table with a column ``split`` is fitted on: only its training posts are shown to ``fit``.
    """
    columns = backbone.columns()
    places, codes = _place(backbone.widths()), _list_codes(features)
    path, fitted_on = folder / block_files.VALUES, None
    if "split" in table.column_names:
        vectors = folder / FITTED
        _write(vectors, _join(features, places, codes), len(table), places)
        fitted_on = _fit(backbone, table, vectors, places, codes)
        final = _place({modality: len(part) for modality, part in columns.items()})
        projected = _project(backbone, vectors, places, codes)
        _write(path, projected, len(table), final)
        vectors.unlink()
    else:
        _write(path, _join(features, places, codes), len(table), places)
    names = np.array(STATUSES, dtype=object)
    return Block(
        post_ids=arrays.to_strings(table["post_id"]),
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


def _width(places: Places) -> int:
    return max(place.stop for place in places.values())


def _write(path: Path, chunks: Iterator[np.ndarray], posts: int, places: Places) -> None:
    arrays.write_values(path, chunks, (posts, _width(places)), "float32")


def _list_codes(features: Features) -> Codes:
    """Of each post: why it has no item, or the status of the item that it has."""
    codes: Codes = {}
    for items, store in features.kinds:
        found = store.find(items.keys)
        for shown, rows in items.rows:
            status = features.contents.explain_missing(shown)
            there = rows != NOWHERE
            status[there] = found.status[rows[there]]
            codes |= {modality: status.copy() for modality in shown.gives.values()}
    return codes


def _join(features: Features, places: Places, codes: Codes) -> Iterator[np.ndarray]:
    """All modalities' vectors side by side, rows after rows, NaN where they are masked."""
    posts = len(next(iter(codes.values())))
    rows_at_once = max(1, BYTES_AT_ONCE // (4 * _width(places)))
    found = [store.find(items.keys) for items, store in features.kinds]
    for start in range(0, posts, rows_at_once):
        count = min(rows_at_once, posts - start)
        chunk = np.empty((count, _width(places)), dtype=np.float32)
        for (items, store), where in zip(features.kinds, found, strict=True):
            shards = store.finished
            groups = [
                _group_rows(rows[start : start + count], where.shard, len(shards))
                for _, rows in items.rows
            ]
            for shard, *parts in zip(shards, *groups, strict=True):
                if not any(map(len, parts)):
                    continue
                vectors = store.read(shard).vectors
                for (shown, rows), part in zip(items.rows, parts, strict=True):
                    taken = where.row[rows[start + part]]
                    for output, modality in shown.gives.items():
                        if output in vectors:  # there is none where no item is OK
                            chunk[part, places[modality]] = vectors[output][taken]
        for modality, place in places.items():
            chunk[codes[modality][start : start + count] != 0, place] = np.nan
        yield chunk


def _group_rows(rows: np.ndarray, shard: np.ndarray, shards: int) -> list[np.ndarray]:
    """For each shard, the positions in ``rows`` of the items that lie in it."""
    position = np.append(shard, NOWHERE)[rows]  # NOWHERE is the last place, too
    order = np.argsort(position, kind="stable")
    bounds = np.searchsorted(position[order], np.arange(shards + 1))
    return [order[start:stop] for start, stop in pairwise(bounds)]


def _fit(backbone: Backbone, table: pa.Table, vectors: Path, places: Places, codes: Codes) -> str:
    """Show the training posts' vectors to the backbone, by their ids; the digest of the ids."""
    rows = np.flatnonzero(np.asarray(table["split"].to_pylist(), dtype=object) == FIT)
    post_ids = table.filter(pc.equal(table["split"], FIT))["post_id"].to_pylist()
    rows = rows[ids.order(post_ids)]
    for modality, place in places.items():
        ready = rows[codes[modality][rows] == 0]
        backbone.fit(modality, _read(vectors, ready, place))
    return ids.digest(post_ids)


def _read(path: Path, rows: np.ndarray, place: slice) -> Iterator[np.ndarray]:
    values = np.load(path, mmap_mode="r")
    rows_at_once = max(1, BYTES_AT_ONCE // (4 * values.shape[1]))
    for start in range(0, len(rows), rows_at_once):
        yield values[rows[start : start + rows_at_once], place]


def _project(
    backbone: Backbone, vectors: Path, places: Places, codes: Codes
) -> Iterator[np.ndarray]:
    """What was fitted, applied to all rows; a row of which nothing is left is masked."""
    start = 0
    for chunk in _read(vectors, np.arange(len(next(iter(codes.values())))), slice(None)):
        parts = []
        for modality, place in places.items():
            parts.append(backbone.project(modality, chunk[:, place]))
            part = codes[modality][start : start + len(chunk)]
            part[np.isnan(parts[-1]).all(axis=1) & (part == 0)] = STATUSES.index(NO_TEXT)
        start += len(chunk)
        yield np.concatenate(parts, axis=1)


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
