"""The challenge's folder (SMPD) as downloaded, in any of its releases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.params import DataParams
from fame.posts.contract import ASSIGNED, POSTS
from fame.posts.findings import Findings
from fame.posts.sources import smpd_files, values
from fame.posts.sources.contract import Posts, Source
from fame.posts.sources.descriptions import Descriptions, Places
from fame.posts.sources.images import find_places, locate
from fame.posts.sources.profiles import ALIAS, FILES, join_profiles, read_profiles
from fame.posts.sources.smpd_files import TEST, TRAIN, Records
from fame.posts.sources.smpd_types import TYPES, type_user
from fame.posts.sources.values import Origin
from fame.runtime import ids
from fame.runtime.errors import InputError
from fame.runtime.progress import bar

OWN_PROCESS_BYTES = 64 << 20  # a process costs as much as reading so much
POSTS_SCHEMA = pa.schema([column for column in POSTS if column.name not in ASSIGNED])
DAY = 86_400
_PAGE_ADDRESS = r"^.*?(?:^|/)photos/([^/]+)/(\d+)/?$"
_USER_AND_POST = r"(?:^|/)(?P<user>[^/]+)/(?P<post>[^/]+?)(?:\.[^./]*)?$"


class Smpd(Source):
    """Reads metadata, labels, profiles and images; see `load`."""

    def __init__(self, data: DataParams) -> None:
        self._data = data

    def load(self, root: Path) -> Posts:
        """Training posts, then test posts, in the order of the files.

        Files are joined by Pid; user data, labels and image paths, which carry none, by position
        with equal counts. Test posts without `test_label.txt` are challenge posts. A value that
        cannot be is masked and noted, as data.on_bad and data.max_bad_fraction allow.

        Raises:
            InputError: a file is missing, damaged, or does not align with the others; names the
                file, the record or line, what was found and what is expected.
        """
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; expected the challenge's files")
        folders = smpd_files.list_folders(root)
        files = {part: smpd_files.find_files(folders, part) for part in (TRAIN, TEST)}
        findings = Findings(root, "record")
        with (
            _giving_memory_back(),
            _reading_user_data(files) as read_user_data,
            _progress(files) as advance,
        ):
            parts = [
                _read_part(root, part, files[part], read_user_data, advance, findings)
                for part in (TRAIN, TEST)
                if part == TRAIN or files[part]
            ]
        _check_disjoint(parts)
        posts = pa.concat_tables([part.posts for part in parts])
        places = [part.descriptions for part in parts if part.descriptions]
        table = _complete(posts, _find_profiles(folders, findings))
        allowed = self._data.on_bad, self._data.max_bad_fraction
        findings.settle(*allowed)
        return Posts(
            table=table,
            images=_locate(root, parts),
            findings=findings,
            descriptions=Descriptions(places, findings, *allowed),
        )


@dataclass(frozen=True)
class _Part:
    """Training or test posts.

    Attributes:
        path: the file that gives the order of the posts.
        posts: columns of POSTS, and `Pathalias`.
        image_paths: (n,) listed paths, or None where there is no list.
        descriptions: where the description texts stand, None if there are none.
    """

    path: Path
    posts: pa.Table
    image_paths: pa.ChunkedArray | None
    descriptions: Places | None


@dataclass(frozen=True)
class _Typed:
    """A file's columns as POSTS has them, in its own order."""

    path: Path
    count: int
    columns: dict[str, pa.ChunkedArray]


@dataclass(frozen=True)
class _Keyed(_Typed):
    """One with ids."""

    post_ids: pa.ChunkedArray
    user_ids: pa.ChunkedArray


def _read_part(
    root: Path,
    part: str,
    files: dict[str, Path],
    read_user_data: Callable[[Path, Callable[[int], None]], Records],
    advance: Callable[[int], None],
    findings: Findings,
) -> _Part:
    keyed: list[_Keyed] = []
    for role, to_columns in TYPES.items():
        records = smpd_files.read_keyed(smpd_files.require(files, role, root, part), role, advance)
        if not keyed or not keyed[0].post_ids.equals(records.texts["Pid"]):
            smpd_files.check_ids(records)
        user_ids = values.drop_missing(records.texts["Uid"], ("",))
        keyed.append(
            _Keyed(
                records.path,
                records.count,
                to_columns(records, findings),
                records.texts["Pid"],
                user_ids,
            )
        )
    order = _choose_order(keyed)
    records = read_user_data(smpd_files.require(files, "user", root, part), advance)
    latest = _find_latest(keyed)
    user_data = _Typed(records.path, records.count, type_user(records, findings, latest))
    _check_count(user_data, order)
    columns = {"post_id": order.post_ids} | user_data.columns
    for file in keyed:
        columns |= _align(file, order)
    columns["popularity"] = _read_labels(root, part, files, order)
    descriptions = None
    if any(len(texts.spans) for texts in records.left.values()):
        post_ids = pa.concat_arrays(order.post_ids.chunks)
        descriptions = Places(records.path, post_ids, records.left)
    return _Part(order.path, pa.table(columns), _read_image_paths(part, files, order), descriptions)


def _find_latest(keyed: list[_Keyed]) -> int:
    """The second that no account's first photo is later than: a year behind the last post."""
    times = [file.columns["posted_at"] for file in keyed if "posted_at" in file.columns]
    last = pc.max(pc.cast(times[0], pa.int64())).as_py()
    return values.LATEST_SECOND if last is None else last + 366 * DAY


def _choose_order(keyed: list[_Keyed]) -> _Keyed:
    """The file whose order is that of the files without ids: where they differ, ascending Pid.

    Raises:
        InputError: the counts differ, or the orders do and none is ascending.
    """
    first = keyed[0]
    for file in keyed:
        _check_count(file, first)
    if all(file.post_ids.equals(first.post_ids) for file in keyed):
        return first
    for file in keyed:
        if (np.diff(ids.order(file.post_ids.to_pylist())) == 1).all():
            return file
    other = next(file for file in keyed if not file.post_ids.equals(first.post_ids))
    raise InputError(
        f"{other.path}: its posts are in another order than those of {first.path.name} and neither "
        "is in ascending order of Pid, so labels and user data cannot be joined by position"
    )


def _check_count(file: _Typed, order: _Typed) -> None:
    if file.count != order.count:
        raise InputError(
            f"{file.path}: {file.count} records, expected {order.count} as in {order.path.name}"
        )


def _align(file: _Keyed, order: _Keyed) -> dict[str, pa.ChunkedArray]:
    """The columns of a file with ids in the given order.

    Raises:
        InputError: another Pid, or another Uid for a Pid.
    """
    columns = file.columns | {"user_id": file.user_ids}
    if not file.post_ids.equals(order.post_ids):
        rows = pc.index_in(order.post_ids, value_set=file.post_ids)
        row = pc.index(rows.is_null(), True).as_py()
        if row >= 0:
            found = file.post_ids.filter(pc.invert(pc.is_in(file.post_ids, order.post_ids)))[0]
            raise InputError(
                f"{file.path}: has Pid {found.as_py()!r}, expected {order.post_ids[row].as_py()!r} "
                f"as in record {row + 1} of {order.path.name}"
            )
        columns = {name: column.take(rows) for name, column in columns.items()}
    user_ids = columns["user_id"]
    is_same = pc.equal(pc.fill_null(user_ids, ""), pc.fill_null(order.user_ids, ""))
    row = pc.index(is_same, False).as_py()
    if row >= 0:
        raise InputError(
            f"{file.path}: Pid {order.post_ids[row].as_py()!r} has Uid {user_ids[row].as_py()!r}, "
            f"expected {order.user_ids[row].as_py()!r} as in {order.path.name}"
        )
    return columns


def _read_labels(root: Path, part: str, files: dict[str, Path], order: _Typed) -> pa.ChunkedArray:
    if part == TEST and "labels" not in files:
        return pa.chunked_array([pa.nulls(order.count, pa.float64())])
    path = smpd_files.require(files, "labels", root, part)
    lines = _read_aligned_lines(path, order)
    origin = Origin(path, "the label", unit="line")
    labels = values.to_numbers(lines, origin)
    row = pc.index(labels.is_null(), True).as_py()
    if row >= 0:
        raise origin.error(row, lines[row].as_py(), "a number")
    return labels


def _read_image_paths(part: str, files: dict[str, Path], order: _Keyed) -> pa.ChunkedArray | None:
    """Listed paths; the page addresses of 2019 and 2020 become the paths of their pictures.

    Raises:
        InputError: another count, or a line that names another post than its own.
    """
    if "images" not in files:
        return None
    lines = _read_aligned_lines(files["images"], order)
    paths = lines
    if pc.any(pc.match_substring(lines, "photos/")).as_py():
        paths = pc.replace_substring_regex(lines, _PAGE_ADDRESS, rf"{part}/\1/\2.jpg")
    own = pc.binary_join_element_wise(order.user_ids, order.post_ids, "/")
    row = _find_path_of_another(paths, part, own)
    if row is not None:
        origin = Origin(files["images"], "the path", unit="line")
        raise origin.error(row, lines[row].as_py(), f"one of post {own[row].as_py()}")
    return paths


def _find_path_of_another(paths: pa.ChunkedArray, part: str, own: pa.ChunkedArray) -> int | None:
    """Position of a path that belongs to another post of the part; ``own`` is user/post."""
    expected = pc.binary_join_element_wise(part, own, "/")
    expected = pc.binary_join_element_wise(expected, ".jpg", "")
    odd = np.flatnonzero(pc.fill_null(pc.not_equal(paths, expected), False))
    named = pc.extract_regex(paths.take(odd), _USER_AND_POST)
    named = pc.binary_join_element_wise(
        pc.struct_field(named, "user"), pc.struct_field(named, "post"), "/"
    )
    is_other = pc.and_(pc.not_equal(named, own.take(odd)), pc.is_in(named, value_set=own))
    row = pc.index(is_other, True).as_py()
    return int(odd[row]) if row >= 0 else None


def _read_aligned_lines(path: Path, order: _Typed) -> pa.ChunkedArray:
    lines = smpd_files.read_lines(path)
    if len(lines) != order.count:
        raise InputError(
            f"{path}: {len(lines)} lines, expected {order.count}, one for each record of "
            f"{order.path.name}"
        )
    return lines


def _check_disjoint(parts: list[_Part]) -> None:
    """No post is in both parts."""
    if len(parts) < 2:
        return
    train, test = (part.posts["post_id"] for part in parts)
    row = pc.index(pc.is_in(test, value_set=train), True).as_py()
    if row >= 0:
        post_id = test[row].as_py()
        raise InputError(
            f"{parts[1].path}: record {row + 1}: Pid {post_id!r} is also record "
            f"{pc.index(train, post_id).as_py() + 1} of {parts[0].path.name}; "
            "post ids are unique"
        )


def _find_profiles(folders: list[Path], findings: Findings) -> pa.Table | None:
    paths = [folder / name for folder in folders for name in FILES]
    path = next((path for path in paths if path.is_file()), None)
    return None if path is None else read_profiles(path, findings)


def _complete(posts: pa.Table, profiles: pa.Table | None) -> pa.Table:
    """Exactly the columns of POSTS, but for split and fold."""
    columns = {name: posts[name] for name in posts.column_names}
    columns |= join_profiles(columns.pop(ALIAS), profiles)
    columns["simulated_truth"] = pa.chunked_array([pa.nulls(len(posts), pa.float64())])
    return pa.table({name: columns[name] for name in POSTS_SCHEMA.names}).cast(POSTS_SCHEMA)


def _locate(root: Path, parts: list[_Part]) -> pa.Table:
    """Without images every post has none; with images every part needs its list.

    Raises:
        InputError: there are images, but a part has no list.
    """
    post_ids = pa.chunked_array(
        [chunk for part in parts for chunk in part.posts["post_id"].chunks], pa.string()
    )
    places = find_places(root)
    if not places:
        return locate(post_ids, (), ())
    paths = []
    for part in parts:
        if part.image_paths is None:
            raise InputError(
                f"{part.path.parent}: images in {places[0]}, but no list of their paths; "
                "expected " + " or ".join(smpd_files.NAMES["images"])
            )
        paths += part.image_paths.to_pylist()
    return locate(post_ids, paths, places)


@contextmanager
def _giving_memory_back() -> Iterator[None]:
    """What is freed goes to the system: Arrow's own allocator keeps as much as the posts take."""
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


@contextmanager
def _reading_user_data(
    files: dict[str, dict[str, Path]],
) -> Iterator[Callable[[Path, Callable[[int], None]], Records]]:
    """A reader of the user data: large ones are read in a process beside that of all other files.

    In form A they are nine tenths of the bytes.
    """
    paths = [found["user"] for found in files.values() if "user" in found]
    if sum(path.stat().st_size for path in paths) < OWN_PROCESS_BYTES:
        yield smpd_files.read_user_data
        return
    with ProcessPoolExecutor(len(paths), mp_context=get_context("fork")) as pool:
        pending = {path: pool.submit(smpd_files.read_user_data, path) for path in paths}
        pool.shutdown(wait=False)  # so that they end, and their memory goes, when they have read

        def take(path: Path, advance: Callable[[int], None]) -> Records:
            records = pending.pop(path).result()
            advance(path.stat().st_size)
            return records

        yield take


@contextmanager
def _progress(files: dict[str, dict[str, Path]]) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of the JSON files."""
    paths = [path for found in files.values() for path in found.values() if path.suffix == ".json"]
    with bar(sum(path.stat().st_size for path in paths), "reading JSON", "bytes") as progress:
        progress.unit_scale = True

        def advance(count: int) -> None:
            progress.update(count)

        yield advance
