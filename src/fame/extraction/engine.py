"""Posts through a backbone, batch by batch in the order of the input: one row out for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.archives import ImageReader
from fame.core import ids
from fame.core.contracts import (
    FIT,
    LOCATED,
    NO_IMAGE,
    NO_TEXT,
    UNREADABLE,
    Backbone,
    Batch,
    Block,
)
from fame.errors import InputError
from fame.progress import bar

# What a backbone is given of the file that it reads.
INPUTS = {
    "posts": ["post_id", "title", "tags", "split"],
    "texts": ["post_id", "title", "tags"],
    "images": ["post_id", "status", "container", "member"],
}
POSTS_AT_ONCE = 256  # held in memory with their image files
POSTS_NAMED = 10  # in the error about unreadable images


def extract(backbone: Backbone, table: pa.Table) -> Block:
    """Fit the backbone if it fits, then embed every post of ``table`` (columns of INPUTS).

    A table with a column ``split`` is one to fit on: only its fit rows are shown to ``fit``.

    Raises:
        InputError: an image archive is not whole, or weights are missing.
    """
    fitted_on = None
    if "split" in table.column_names:
        fit_rows = table.filter(pc.equal(table["split"], FIT))
        fitted_on = ids.digest(fit_rows["post_id"].to_pylist())
        backbone.fit(read_batches(fit_rows))
    block = _embed(backbone, table)
    return replace(block, fitted_on=fitted_on, notes=backbone.notes())


def _embed(backbone: Backbone, table: pa.Table) -> Block:
    columns = backbone.columns()
    width = sum(len(names) for names in columns.values())
    values = np.empty((len(table), width), dtype=np.float32)
    status: dict[str, list[str]] = {modality: [] for modality in columns}
    row = 0
    with bar(len(table), "embed", "post") as progress:
        for batch in read_batches(table):
            vectors = backbone.embed(batch)
            count, column = len(batch.post_ids), 0
            for modality, names in columns.items():
                place = values[row : row + count, column : column + len(names)]
                place[:] = vectors[modality].values
                status[modality] += vectors[modality].status
                column += len(names)
            row += count
            progress.update(count)
    return Block(
        post_ids=np.asarray(table["post_id"].to_pylist(), dtype=object),
        values=values,
        columns=tuple(column for names in columns.values() for column in names),
        status={name: np.asarray(rows, dtype=object) for name, rows in status.items()},
    )


def read_batches(table: pa.Table) -> Iterator[Batch]:
    """The posts of ``table`` in its order; image files are read where the table locates them."""
    with ImageReader() as reader:
        for start in range(0, len(table), POSTS_AT_ONCE):
            rows = table.slice(start, POSTS_AT_ONCE).to_pydict()
            if "member" in rows:
                yield _read_images(rows, reader)
            else:
                tags = [post_tags or [] for post_tags in rows["tags"]]
                yield Batch(post_ids=rows["post_id"], titles=rows["title"], tags=tags)


def _read_images(rows: dict[str, list], reader: ImageReader) -> Batch:
    images, status = [], []
    for kind, container, member in zip(
        rows["status"], rows["container"], rows["member"], strict=True
    ):
        image = None
        if kind == LOCATED:
            try:
                image = reader.read(container, member)
            except OSError:  # gone or damaged since the posts were read
                kind = "missing"
        images.append(image)
        status.append(kind)
    return Batch(post_ids=rows["post_id"], images=images, image_status=status)


def count_status(block: Block) -> dict[str, dict[str, int]]:
    """Modality -> status -> posts."""
    return {modality: dict(Counter(status)) for modality, status in block.status.items()}


def describe_unreadable(status: np.ndarray) -> str:
    """`3 unreadable (1 bomb, 2 missing)`; for a modality's statuses (n,)."""
    counts = Counter(kind for kind in status if kind in UNREADABLE)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return f"{counts.total()} unreadable ({kinds})" if counts else "0 unreadable"


def check_readable(block: Block, max_unreadable_fraction: float, place: str) -> None:
    """Refuse a block in which too many of the named images cannot be read.

    Raises:
        InputError: names ``place``, the counts by kind and the first posts.
    """
    for status in block.status.values():
        unreadable = np.isin(status, UNREADABLE)
        named = np.count_nonzero(~np.isin(status, (NO_IMAGE, NO_TEXT)))
        if unreadable.sum() > max_unreadable_fraction * named:
            first = ", ".join(block.post_ids[unreadable][:POSTS_NAMED])
            raise InputError(
                f"{place}: of {named} images {describe_unreadable(status)}, above "
                f"data.max_unreadable_fraction {max_unreadable_fraction:g}; first posts: {first}"
            )
