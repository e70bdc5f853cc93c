"""Learners' tables and predictions on disk, rows keyed by post id."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame.features.block_files import MANIFEST, ROWS, VALUES
from fame.features.contract import Column
from fame.learners.contract import Table
from fame.runtime import arrays, files
from fame.runtime.errors import InputError

TEXTS = "texts.parquet"  # only in a table with texts
IMAGES = "images.parquet"  # only in a table with images


def read_feature_table(folder: Path) -> Table:
    """A learner's table; its values are memory-mapped."""
    manifest = files.read_json(folder / MANIFEST)
    rows = files.read_table(folder / ROWS)
    categorical = set(manifest["categorical"])
    columns = tuple(Column(name, name in categorical) for name in manifest["columns"])
    return Table(
        post_ids=arrays.to_strings(rows["post_id"]),
        values=arrays.read_values(folder / VALUES, len(rows), len(columns)),
        columns=columns,
        split=arrays.to_strings(rows["split"]),
        fold=rows["fold"].to_numpy(),
        popularity=rows["popularity"].to_numpy(),
        texts=_read_beside(folder / TEXTS, rows["post_id"], ("title", "tags")),
        images=_read_beside(folder / IMAGES, rows["post_id"], ("status", "container", "member")),
    )


def write_feature_table(
    folder: Path,
    rows: pa.Table,
    fit: np.ndarray,
    columns: list[Column],
    chunks: Iterable[np.ndarray],
    shape: tuple[int, int],
    dtype: str,
) -> None:
    """A learner's table into ``folder`` (exists), chunk by chunk.

    ``rows`` has post_id, split, fold and popularity; labels outside the fit rows are blanked, so
    that no learner can see one.
    """
    arrays.write_values(folder / VALUES, chunks, shape, dtype)
    popularity = np.where(fit, rows["popularity"].to_numpy(), np.nan)
    position = rows.column_names.index("popularity")
    rows = rows.set_column(position, "popularity", pa.array(popularity, pa.float64()))
    files.write_table(folder / ROWS, rows)
    manifest = {
        "columns": [column.name for column in columns],
        "categorical": [column.name for column in columns if column.categorical],
    }
    files.write_json(folder / MANIFEST, manifest)


def write_texts(folder: Path, posts: pa.Table) -> None:
    """Title and tags of a table's ``posts`` into its folder; the tags are one text, by spaces."""
    titles = [title or "" for title in posts["title"].to_pylist()]
    tags = [" ".join(tags or ()) for tags in posts["tags"].to_pylist()]
    texts = {"post_id": posts["post_id"], "title": titles, "tags": tags}
    files.write_table(folder / TEXTS, pa.table(texts))


def write_images(folder: Path, images: pa.Table, post_ids: pa.ChunkedArray) -> None:
    """Where the images of a table's posts lie into its folder, digests too: they change with it.

    Raises:
        InputError: ``images`` are not those of the posts.
    """
    if not images["post_id"].equals(post_ids):
        raise InputError("images: their post ids are not those of the posts; run `dvc repro`")
    files.write_table(folder / IMAGES, images)


def write_predictions(path: Path, rows: pa.Table, prediction: np.ndarray) -> None:
    """post_id and split of ``rows``, and prediction (n,) float64, which must be finite."""
    if not np.isfinite(prediction).all():
        row = int(np.flatnonzero(~np.isfinite(prediction))[0])
        raise InputError(f"{path}: the prediction for post {rows['post_id'][row]} is not finite")
    values = np.ascontiguousarray(prediction, dtype=np.float64)
    # Not pa.array: see `to_numbers`.
    column = pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])
    files.write_table(path, rows.select(["post_id", "split"]).append_column("prediction", column))


def read_predictions(path: Path, post_ids: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, in the order of ``post_ids``, which must be the file's ids."""
    table = files.read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the posts; run `dvc repro`")
    return arrays.to_numbers(table["prediction"])


def _read_beside(
    path: Path, post_ids: pa.ChunkedArray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    table = files.read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the table; run `dvc repro`")
    return {name: arrays.to_strings(table[name]) for name in names}
