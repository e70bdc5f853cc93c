"""Learners' tables and predictions on disk, rows keyed by post id."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features.block_files import MANIFEST, ROWS, VALUES
from fame.features.blocks import Column
from fame.learners.contract import FitTable, ScoreTable
from fame.runtime import arrays, files, ids
from fame.runtime.errors import InputError

FIT_FOLDER, SCORE_FOLDER = "fit", "score"
TEXTS = "texts.parquet"  # only in a table with texts
IMAGES = "images.parquet"  # only in a table with images


def write_table(
    folder: Path,
    rows: pa.Table,
    columns: list[Column],
    chunks: Iterable[np.ndarray],
    dtype: str,
) -> None:
    """A learner's table into ``folder`` (exists), chunk by chunk.

    ``rows`` has post_id, and fold and popularity (training posts) or split (all others).
    """
    arrays.write_values(folder / VALUES, chunks, (len(rows), len(columns)), dtype)
    files.write_table(folder / ROWS, rows)
    manifest = {
        "columns": [column.name for column in columns],
        "categorical": [column.name for column in columns if column.categorical],
    }
    files.write_json(folder / MANIFEST, manifest)


def read_fit_table(folder: Path) -> FitTable:
    """The training posts; their values are memory-mapped."""
    rows = files.read_table(folder / ROWS)
    return FitTable(
        **_read_common(folder, rows),
        fold=rows["fold"].to_numpy(),
        popularity=rows["popularity"].to_numpy(),
    )


def read_score_table(folder: Path) -> ScoreTable:
    """All other posts; their values are memory-mapped."""
    rows = files.read_table(folder / ROWS)
    return ScoreTable(**_read_common(folder, rows), split=arrays.to_strings(rows["split"]))


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


def write_out_of_fold(path: Path, table: FitTable, prediction: np.ndarray) -> None:
    """post_id and prediction (n,) float64 of the training posts, which must be finite."""
    columns = {"post_id": pa.array(table.post_ids, pa.string())}
    files.write_table(path, pa.table(columns | _check_finite(path, table.post_ids, prediction)))


def join_predictions(
    path: Path, out_of_fold: Path, score: ScoreTable, prediction: np.ndarray
) -> None:
    """All posts' predictions in the order of their ids: post_id, split, prediction."""
    own = files.read_table(out_of_fold)
    post_ids = np.array([*own["post_id"].to_pylist(), *score.post_ids], dtype=object)
    order = ids.order(post_ids)
    post_ids = post_ids[order]
    split = np.concatenate([np.full(len(own), FIT_FOLDER, dtype=object), score.split])
    columns = {
        "post_id": pa.array(post_ids, pa.string()),
        "split": pa.array(split[order], pa.string()),
    }
    both = np.concatenate([arrays.to_numbers(own["prediction"]), prediction])[order]
    files.write_table(path, pa.table(columns | _check_finite(path, post_ids, both)))


def write_predictions(path: Path, rows: pa.Table, prediction: np.ndarray) -> None:
    """post_id and split of ``rows``, and prediction (n,) float64, which must be finite."""
    finite = _check_finite(path, rows["post_id"], prediction)
    table = rows.select(["post_id", "split"])
    files.write_table(path, table.append_column("prediction", finite["prediction"]))


def read_predictions(path: Path, post_ids: pa.ChunkedArray) -> np.ndarray:
    """(n,) float64, in the order of ``post_ids``, which must be the file's ids."""
    table = files.read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the posts; run `dvc repro`")
    return arrays.to_numbers(table["prediction"])


def _check_finite(path: Path, post_ids: Any, prediction: np.ndarray) -> dict[str, pa.Array]:
    if not np.isfinite(prediction).all():
        row = int(np.flatnonzero(~np.isfinite(prediction))[0])
        raise InputError(f"{path}: the prediction for post {post_ids[row]} is not finite")
    values = np.ascontiguousarray(prediction, dtype=np.float64)
    # Not pa.array: see `to_numbers`.
    column = pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(values)])
    return {"prediction": column}


def _read_common(folder: Path, rows: pa.Table) -> dict[str, Any]:
    manifest = files.read_json(folder / MANIFEST)
    categorical = set(manifest["categorical"])
    columns = tuple(Column(name, name in categorical) for name in manifest["columns"])
    places = ("status", "container", "member")
    return {
        "post_ids": arrays.to_strings(rows["post_id"]),
        "values": arrays.read_values(folder / VALUES, len(rows), len(columns)),
        "columns": columns,
        "texts": _read_beside(folder / TEXTS, rows["post_id"], ("title", "tags")),
        "images": _read_beside(folder / IMAGES, rows["post_id"], places),
    }


def _read_beside(
    path: Path, post_ids: pa.ChunkedArray, names: tuple[str, ...]
) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    table = files.read_table(path)
    if not table["post_id"].equals(post_ids):
        raise InputError(f"{path}: its post ids are not those of the table; run `dvc repro`")
    return {name: arrays.to_strings(table[name]) for name in names}
