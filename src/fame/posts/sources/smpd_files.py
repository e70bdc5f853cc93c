"""The challenge's files: where they lie, under which names, their records as columns of text."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.sources import json_stream
from fame.posts.sources.descriptions import WIDTHS, DistinctTexts, TextPlaces
from fame.posts.sources.images import USER_MARK
from fame.posts.sources.values import Origin, drop_missing, to_strings
from fame.runtime.errors import InputError

TRAIN, TEST = "train", "test"
# Role -> the file's names after the part; older ones (2019, 2020) behind.
NAMES = {
    "text": ("text.json", "tags.json"),
    "category": ("category.json",),
    "place": ("temporalspatial_information.json", "temporalspatial.json"),
    "additional": ("additional_information.json", "additional.json"),
    "user": ("user_data.json", "userdata.json"),
    "images": ("img_filepath.txt", "img_path.txt", "img.txt"),
    "labels": ("label.txt",),
}
KEYED = {
    "text": ("Title", "Alltags", "Mediatype"),
    "category": ("Category", "Subcategory", "Concept"),
    "place": ("Postdate", "Longitude", "Latitude", "Geoaccuracy"),
    "additional": ("Pathalias",),
}  # of the files whose records carry Pid and Uid
USER_KEYS = ("photo_count", "ispro", "timezone_offset", "photo_firstdate", "photo_firstdatetaken")
OPTIONAL = ("canbuypro",)  # not in form B
ID_KEYS = ("Pid", "Uid")


@dataclass
class Records:
    """The records of a file in its order.

    Attributes:
        path: the file.
        count: their number.
        texts: key -> (count,) strings, null where the record has none.
        left: key -> where its texts stand, for those that were left in the file.
    """

    path: Path
    count: int
    texts: dict[str, pa.ChunkedArray]
    left: dict[str, TextPlaces] = field(default_factory=dict)

    def origin(self, key: str) -> Origin:
        """Where a column comes from, for errors."""
        return Origin(self.path, key)


def list_folders(root: Path) -> list[Path]:
    """``root`` and the folders below it that can hold files of the data: not those of users."""
    folders = [root]
    for folder in folders:  # grows while it is walked
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if USER_MARK not in e.name and e.is_dir()]
        folders += [folder / name for name in sorted(names) if not name.startswith(".")]
    return folders


def find_files(folders: list[Path], part: str) -> dict[str, Path]:
    """Role -> file of ``train`` or ``test``, for the files that are there.

    Raises:
        InputError: a file is there twice.
    """
    found = {}
    for role, names in NAMES.items():
        candidates = [folder / f"{part}_{name}" for folder in folders for name in names]
        present = [path for path in candidates if path.is_file()]
        if len(present) > 1:
            raise InputError(f"{present[0]}: the same data lies in {present[1]}; keep one of them")
        if present:
            found[role] = present[0]
    return found


def require(files: dict[str, Path], role: str, root: Path, part: str) -> Path:
    """The file of a role.

    Raises:
        InputError: it is not there; names what is allowed.
    """
    if role not in files:
        names = " or ".join(f"{part}_{name}" for name in NAMES[role])
        raise InputError(f"{root}: no file {names}, neither there nor in a folder below it")
    return files[role]


def read_keyed(path: Path, role: str, advance: Callable[[int], None]) -> Records:
    """A file whose records carry Pid and Uid.

    Raises:
        InputError: not a list of records, or a key that no record has.
    """
    return _read_list(path, (*ID_KEYS, *KEYED[role]), advance)


def read_user_data(path: Path, advance: Callable[[int], None] = json_stream.ignore) -> Records:
    """The user data: a list of records (form A) or an object of columns (form B).

    Raises:
        InputError: neither of them, a key that is nowhere, columns of different lengths.
    """
    if json_stream.opening(path) == "{":
        records = _read_columns(path, advance)
    else:
        aside = {key: DistinctTexts() for key in WIDTHS}
        records = _read_list(path, USER_KEYS, advance, optional=OPTIONAL, aside=aside)
    for key, texts in records.texts.items():
        records.texts[key] = pa.chunked_array([texts.combine_chunks()])
    return records


def check_ids(records: Records) -> None:
    """Every record has a post id, and no two the same.

    Raises:
        InputError: names the record, or both.
    """
    post_ids = records.texts["Pid"]
    row = pc.index(pc.fill_null(pc.equal(post_ids, ""), True), True).as_py()
    if row >= 0:
        raise records.origin("Pid").error(row, post_ids[row].as_py(), "a post id")
    if pc.count_distinct(post_ids).as_py() == records.count:
        return
    first_rows: dict[str, int] = {}
    for row, post_id in enumerate(post_ids.to_pylist()):
        first = first_rows.setdefault(post_id, row)
        if first != row:
            raise InputError(
                f"{records.path}: records {first + 1} and {row + 1} both have Pid {post_id!r}; "
                "post ids are unique"
            )


def read_lines(path: Path) -> pa.ChunkedArray:
    """The lines of a text file, null where one is blank; blank lines at the end are none."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace").rstrip()
    lines = pc.list_flatten(pc.split_pattern(pa.array([text] if text else [], pa.string()), "\n"))
    return pa.chunked_array([drop_missing(pc.utf8_trim(lines, " \t\r"), ("",))])


def _read_list(
    path: Path,
    keys: tuple[str, ...],
    advance: Callable[[int], None],
    optional: tuple[str, ...] = (),
    aside: Mapping[str, DistinctTexts] = MappingProxyType({}),
) -> Records:
    pieces: dict[str, list[pa.Array]] = {key: [] for key in (*keys, *optional, *aside)}
    absent = set(keys)
    count = 0
    set_aside = {key: distinct.number for key, distinct in aside.items()}
    for records in json_stream.read_records(path, set_aside=set_aside, advance=advance):
        for key, arrays in pieces.items():
            arrays.append(to_strings(_pick(records, key), Origin(path, key), count))
        absent = {key for key in absent if not any(key in record for record in records)}
        count += len(records)
    if count and absent:
        raise InputError(f"{path}: no record has the key {sorted(absent)[0]!r}")
    texts = {key: pa.chunked_array(arrays, pa.string()) for key, arrays in pieces.items()}
    distinct = {
        key: distinct.place(texts.pop(key), Origin(path, key)) for key, distinct in aside.items()
    }
    return Records(path, count, texts, distinct)


def _pick(records: list[dict[str, Any]], key: str) -> list[Any]:
    """The values of a key, None where a record has no such key."""
    try:
        return list(map(itemgetter(key), records))
    except KeyError:
        return [record.get(key) for record in records]


def _read_columns(path: Path, advance: Callable[[int], None]) -> Records:
    pieces: dict[str, list[pa.Array]] = {}
    counts: dict[str, int] = {}
    for key, column in json_stream.read_columns(path, (*USER_KEYS, *OPTIONAL), advance=advance):
        row = counts.get(key, 0)
        counts[key] = row + len(column)
        pieces.setdefault(key, []).append(to_strings(column, Origin(path, key), row))
    for key in USER_KEYS:
        if key not in counts:
            raise InputError(f"{path}: no column {key!r}")
    count = counts[USER_KEYS[0]]
    for key, other in counts.items():
        if other != count:
            raise InputError(f"{path}: {other} rows in {key!r}, but {count} in {USER_KEYS[0]!r}")
    texts = {key: pa.chunked_array(arrays, pa.string()) for key, arrays in pieces.items()}
    nothing = pa.chunked_array([pa.nulls(count, pa.string())])
    return Records(path, count, dict.fromkeys(OPTIONAL, nothing) | texts)
