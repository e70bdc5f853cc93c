"""The noise-free popularity of simulated posts, a file beside the challenge's: written and read."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from fame.posts.sources.values import Origin, to_numbers
from fame.runtime.errors import InputError

FILE = "simulated_truth.csv"
COLUMNS = ("Pid", "popularity")


def write_truth(folder: Path, post_ids: Iterable[int], truth: Iterable[float]) -> None:
    """Write the truth of the posts into ``folder``, two decimals."""
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(
            (post_id, f"{value:.2f}") for post_id, value in zip(post_ids, truth, strict=True)
        )


def read_truth(folder: Path, post_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """The truth (n,) float64 of each post, in the order of ``post_ids``.

    Raises:
        InputError: no such file, a column or number that is none, or ids that are not the posts'.
    """
    path = folder / FILE
    texts = _read_columns(path)
    ids, truth = (
        texts["Pid"],
        to_numbers(texts["popularity"], Origin(path, "popularity", "data row")),
    )
    row = pc.index(pc.is_valid(truth), False).as_py()
    if row >= 0:
        raise InputError(f"{path}: data row {row + 1}: popularity is empty, expected a number")
    for known, asked, problem in (
        (ids, post_ids, "has no row for post"),
        (post_ids, ids, "has a row for a post that the other files lack:"),
    ):
        row = pc.index(pc.is_in(asked, value_set=known), False).as_py()
        if row >= 0:
            raise InputError(f"{path}: {problem} {asked[row].as_py()!r}")
    if len(ids) != len(post_ids):
        raise InputError(f"{path}: {len(ids)} rows for {len(post_ids)} posts, expected one each")
    return truth.take(pc.index_in(post_ids, value_set=ids))


def _read_columns(path: Path) -> pa.Table:
    """Both columns as strings."""
    converting = pa_csv.ConvertOptions(
        include_columns=COLUMNS, column_types=dict.fromkeys(COLUMNS, pa.string())
    )
    try:
        return pa_csv.read_csv(path, convert_options=converting)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; the simulator writes it, run `dvc repro simulate`"
        ) from None
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"{path}: {problem}; expected columns {', '.join(COLUMNS)}") from None
