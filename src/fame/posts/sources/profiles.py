"""The users' totals of `user_additional`, crawled by participants after the labels."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from fame.posts.findings import Findings
from fame.posts.sources.values import Origin, drop_missing, to_numbers
from fame.runtime.errors import InputError

FILES = ("user_additional.csv", "user_additional.txt")
ALIAS = "Pathalias"
COLUMNS = {
    "totalViews": "profile_total_views",
    "totalTags": "profile_total_tags",
    "totalGeotagged": "profile_total_geotagged",
    "totalFaves": "profile_total_faves",
    "totalInGroup": "profile_total_in_group",
    "photoCount": "profile_photo_count",
    "followerCount": "profile_followers",
    "followingCount": "profile_following",
}
NO_ALIAS = ("", "None")


def read_profiles(path: Path, findings: Findings) -> pa.Table:
    """Column `Pathalias`, unique and never null, and the profile columns as float64.

    The first row of an alias counts; rows without an alias belong to nobody.

    Raises:
        InputError: a column is absent.
    """
    rows = _read_rows(path)
    table = {
        name: to_numbers(rows[key], Origin(path, key, unit="row"), findings, (0, np.inf), "a count")
        for key, name in COLUMNS.items()
    }
    alias = drop_missing(rows[ALIAS], NO_ALIAS)
    table = pa.table({ALIAS: alias} | table)
    codes = alias.combine_chunks().dictionary_encode().indices
    known = np.flatnonzero(codes.is_valid())
    _, first = np.unique(codes.drop_null(), return_index=True)
    return table.take(np.sort(known[first]))


def join_profiles(alias: pa.ChunkedArray, profiles: pa.Table | None) -> dict[str, pa.ChunkedArray]:
    """Profile columns for n posts by their users' aliases, null where unknown."""
    if profiles is None:
        nothing = pa.chunked_array([pa.nulls(len(alias), pa.float64())])
        return dict.fromkeys(COLUMNS.values(), nothing)
    rows = pc.index_in(drop_missing(alias, NO_ALIAS), profiles[ALIAS], skip_nulls=True)
    return {name: profiles[name].take(rows) for name in COLUMNS.values()}


def _read_rows(path: Path) -> pa.Table:
    """The columns as strings: by the header, or by position where the first line is none."""
    names = [ALIAS, *COLUMNS]
    with path.open("rb") as file:
        first = file.readline()
    delimiter = "\t" if b"\t" in first else ","
    if ALIAS.encode() in first:
        reading = pa_csv.ReadOptions(use_threads=False)
    else:
        # A first column may number the rows.
        has_index = first.count(delimiter.encode()) + 1 > len(names)
        reading = pa_csv.ReadOptions(column_names=["index"] * has_index + names, use_threads=False)
    quote = False if delimiter == "\t" else '"'
    parsing = pa_csv.ParseOptions(delimiter=delimiter, quote_char=quote)
    converting = pa_csv.ConvertOptions(
        include_columns=names, column_types=dict.fromkeys(names, pa.string())
    )
    try:
        return pa_csv.read_csv(path, reading, parsing, converting)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"{path}: {problem}; expected columns {', '.join(names)}") from None
