"""Posts in whatever form -> what the models are given: the posts table and where pictures lie.

Everything goes the way of the user's own posts (`posts.sources.table`), one way of reading and one
set of errors for files, records and frames alike. The columns are those of the bundle's mapping, or
the names of NAMES where the run had the challenge's folder.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fame.params import ColumnParams, DataParams
from fame.posts import schema
from fame.posts.contract import ASSIGNED, CHALLENGE, IMAGES, LOCATED, OWN_NUMBER_PREFIX, POSTS
from fame.posts.findings import SHOWN, Findings
from fame.posts.sources.images import BOMB, DIGEST_BYTES, EMPTY, MAX_IMAGE_BYTES, locate
from fame.posts.sources.table import TableFile, note_by_name
from fame.posts.sources.table_encoding import decode
from fame.posts.sources.table_files import Cells, read_cells
from fame.posts.sources.table_ids import CONTENT, list_columns, take_posts
from fame.posts.sources.table_json import read_json
from fame.registry import SOURCES, resolve
from fame.runtime.errors import InputError
from fame.serving.records import KINDS, is_there, list_records, to_plain

CATEGORIES = ("category", "subcategory", "concept")
# What a column or key may be called where the bundle maps none.
NAMES = {
    "id": ("id", "post_id"),
    "target": ("popularity",),
    "user": ("user", "user_id", "author"),
    "time": ("time", "posted_at"),
    "title": ("title",),
    "tags": ("tags",),
    "image": ("image",),
}
NUMBERS = (
    *("longitude", "latitude", "geo_accuracy", "photo_count", "is_pro", "can_buy_pro"),
    *(f"profile_{name}" for name in ("total_views", "total_tags", "total_geotagged")),
    *(f"profile_{name}" for name in ("total_faves", "total_in_group", "photo_count")),
    *("profile_followers", "profile_following"),
)
# What an error says of params.yaml: no matter of a draft.
SWITCHES = {
    re.compile(r"; data\.(max_bad_fraction is|on_bad: mask)[^;]*$", re.MULTILINE): "",
    re.compile(r"; say data\.table\.columns\.time_format: .*$", re.MULTILINE): (
        "; write the year first, like 2016-03-01T12:00:00"
    ),
}
# A time that needs no format.
ISO = r"^\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?)?\s*$"
NAMED = 20  # unknown columns that a line names
CONTENTS = ("title", "tags", "image")
POSITION = "row"  # names a post without an id by its place


@dataclass(frozen=True)
class Drafts:
    """n posts to score.

    Attributes:
        posts: the columns of the bundle's posts table, in its order.
        images: IMAGES, n rows.
        descriptions: DESCRIPTIONS of form A of the challenge; None elsewhere.
        found: what reading decided and left out, a line each.
        doubts: those lines of ``found`` that may tell of a slip: a column that no model knows, a
            picture that lay elsewhere.
    """

    posts: pa.Table
    images: pa.Table
    descriptions: pa.Table | None
    found: list[str]
    doubts: list[str]

    def __len__(self) -> int:
        return len(self.posts)

    def slice(self, start: int, count: int) -> "Drafts":
        """Some of them."""
        images = self.images.slice(start, count)
        return Drafts(self.posts.slice(start, count), images, self.descriptions, [], [])


class DraftReader:
    """Reads posts as the run of a bundle did.

    Args:
        data: the block of the bundle's parameters.
        columns: name and Arrow type of the bundle's posts table.
    """

    def __init__(self, data: DataParams, columns: list[tuple[str, str]]) -> None:
        self._data = data
        self._columns = columns
        self._names = {key: self._list_names(key) for key in NAMES}

    def read_file(self, path: Path, images: Path | None = None, *, labels: bool = False) -> Drafts:
        """A file of posts.

        Args:
            path: CSV, TSV, JSON, JSON lines, Parquet or Excel, also gzipped.
            images: folder or archive that the listed pictures start from; None: where the run had
                them, beside the file, or the file's own folder.
            labels: keep the labels of a file, transformed as those of the training posts, and look
                for no picture.

        Raises:
            InputError: all that cannot be read, in one sentence each.
        """
        beside = path.parent / (self._data.table.images or "")
        with _without_switches():
            cells = read_cells(path, self._data.table.encoding)
            nearby = beside if beside.exists() else path.parent
            return self._read_cells(cells, images, nearby, labels=labels)

    def read_lines(self, content: bytes, name: str, images: Path | None = None) -> Drafts:
        """JSON lines, or one JSON array of objects.

        Args:
            content: UTF-8, or what `decode` finds it to be.
            name: in errors.
            images: see `read_file`; None: the current folder.

        Raises:
            InputError: no JSON, or values that cannot be read.
        """
        with _without_switches():
            return self._read_cells(_read_lines(content, name), images, Path())

    def read_records(
        self, records: Iterable[Mapping[str, Any]], folder: Path, images: Path | None = None
    ) -> Drafts:
        """Posts as mappings; a picture is bytes, or a path as `read_file` takes it.

        Args:
            records: one a post.
            folder: exists; the bytes of pictures are put there, and must stay while posts are
                scored.
            images: see `read_lines`.

        Raises:
            InputError: no mappings, or values that cannot be read.
        """
        lines, given = [], {}
        ids: set[str] = set()
        for place, record in enumerate(list_records(records)):
            plain = {str(key): to_plain(value) for key, value in record.items()}
            self._check_kinds(place, plain)
            for name in (name for name in self._names["image"] if name in plain):
                if isinstance(plain[name], bytes):
                    given[place] = plain.pop(name)
                    break
            if not any(is_there(plain.get(name)) for name in self._names["id"]):
                plain[self._names["id"][0]] = f"{POSITION}-{place + 1}"
            own = str(next(plain[n] for n in self._names["id"] if is_there(plain.get(n))))
            if own in ids:
                raise InputError(f"posts: id {own!r} stands twice; ids are unique")
            ids.add(own)
            lines.append(json.dumps(plain, default=str, ensure_ascii=False))
        if not lines:
            raise InputError("no post given, expected at least one")
        content = "\n".join(lines).encode(errors="replace")
        with _without_switches():
            cells = _read_lines(content, "posts")
            cells.findings.unit = "post"
            drafts = self._read_cells(cells, images, Path(), on_bad="stop", has_totals=False)
        return _put_pictures(drafts, given, folder) if given else drafts

    def _check_kinds(self, place: int, plain: dict[str, Any]) -> None:
        """Refuse what would be read as its own text: a list as a title, an array as a picture."""
        keys = {name: key for key, names in self._names.items() for name in names}
        keys |= {name: "" for names in self.list_columns() for name in names}
        for name, value in plain.items():
            is_nested = isinstance(value, dict) and any(n.startswith(f"{name}.") for n in keys)
            if name not in keys or value is None or is_nested:
                continue
            is_read, allowed = KINDS.get(keys[name], KINDS[""])
            if not is_read(value):
                kind = type(value).__name__
                if isinstance(value, (list, tuple)) and value:
                    kind += f" of {type(value[0]).__name__}"
                raise InputError(
                    f"posts: post {place + 1}: {name}: is of the type {kind}, allowed: {allowed}"
                )

    def list_contents(self) -> list[str]:
        """The columns of a post's contents, by the names that the training had; maybe none."""
        return list(map_contents(self._data).values())

    def list_columns(self) -> tuple[list[str], list[str]]:
        """The columns of categories and of own numbers, as files and records name them."""
        of_run = self._data.table.columns
        if self._data.source == "table":
            return list(of_run.categories), list(of_run.numeric)
        return list(CATEGORIES), list(NUMBERS)

    def knows(self, key: str) -> bool:
        """Whether the training posts had what NAMES calls ``key``; an id can always be given."""
        return bool(self._names[key])

    def describe_columns(self) -> str:
        """All names that are read, but for the label's; short names of NAMES in brackets."""
        shown = []
        for key, names in self._names.items():
            mapped = self._find_mapped(key)
            if key == "target" or not names:
                continue
            own = " and ".join([mapped] if isinstance(mapped, str) else mapped or [NAMES[key][0]])
            shown.append(own if own == NAMES[key][0] else f"{own} ({NAMES[key][0]})")
        categories, numbers = self.list_columns()
        return ", ".join([*shown, *categories, *numbers])

    def _find_mapped(self, key: str) -> str | list[str] | None:
        """The column of a key as the run's data.table maps it."""
        return getattr(self._data.table.columns, key) if self._data.source == "table" else None

    def _list_names(self, key: str) -> list[str]:
        """What the column of a key may be called; none where the run has no such column."""
        mapped = self._find_mapped(key)
        if self._data.source == "table" and mapped is None and key != "id":
            return []
        own = [mapped] if isinstance(mapped, str) else mapped or []
        return [*own, *(name for name in NAMES[key] if name not in own)]

    def read_folder(self, path: Path) -> Drafts:
        """The unlabelled posts of a folder in the challenge's format.

        Raises:
            InputError: a file is missing or cannot be read, or every post has a label.
        """
        kind = self._data.source if self._data.source != "table" else "smpd"
        loaded = resolve(SOURCES, kind, "data.source")(self._data).load(path)
        challenge = pc.is_null(loaded.table["popularity"])
        if not pc.any(challenge).as_py():
            raise InputError(f"{path}: every post has a label; none is left to score")
        posts = loaded.table.filter(challenge)
        rows = pc.index_in(posts["post_id"], value_set=loaded.images["post_id"])
        wanted = set(posts["post_id"].to_pylist())
        batches = [
            batch.filter(pa.array([post_id in wanted for post_id in batch["post_id"].to_pylist()]))
            for batch in loaded.descriptions
        ]
        descriptions = pa.Table.from_batches(batches) if batches else None
        found = [note.describe(loaded.findings.unit) for note in loaded.findings.notes]
        return Drafts(self._complete(posts), loaded.images.take(rows), descriptions, found, [])

    def _read_cells(
        self,
        cells: Cells,
        images: Path | None,
        nearby: Path,
        *,
        labels: bool = False,
        on_bad: str | None = None,
        has_totals: bool = True,
    ) -> Drafts:
        """Posts of cells; their pictures lie in ``images``, or where none is given ``nearby``."""
        mapping = self._map(cells.names)
        wanted = _list_wanted(mapping)
        unread = [name for name in cells.names if name not in wanted]
        if _may_be_other(mapping.time_format) and _are_iso(cells, list_columns(mapping)["time"]):
            mapping = mapping.model_copy(update={"time_format": None})
        cells = _add_missing(cells, mapping)
        table = self._data.table.model_copy(update={"columns": mapping})
        reader = TableFile(self._data.model_copy(update={"table": table}))
        cells, post_ids = take_posts(cells, mapping, has_totals=has_totals)
        read = reader._read_columns(cells, post_ids)
        cells.findings.settle(on_bad or self._data.on_bad, self._data.max_bad_fraction)
        paths = read.pop("image", None)
        read = _name_own(read, self._data.source)
        named = [] if paths is None or labels else paths.to_pylist()
        located = locate(post_ids, named, [images or nearby] if any(named) else [])
        doubts = []
        if any(named) and images is None and nearby.is_dir():
            doubts += _tell_elsewhere(located, named, nearby, cells)
        elif any(named):
            note_by_name(located, paths, cells)
        posts = pa.table(read)
        if labels:
            place = posts.column_names.index("popularity")
            learned = transform(posts["popularity"], self._data.target_transform)
            posts = posts.set_column(place, "popularity", learned)
        else:
            posts = posts.drop_columns("popularity")
        found = [note.describe(cells.findings.unit) for note in cells.findings.notes]
        if unread:
            more = f" and {len(unread) - NAMED:,} more" if unread[NAMED:] else ""
            doubts.append(
                f"not used, as the models know no such columns: {', '.join(unread[:NAMED])}{more}; "
                f"known: {self.describe_columns()}"
            )
        completed = self._complete(posts)
        if self._data.source != "table" and set(NUMBERS) & set(posts.column_names):
            _check_numbers(completed)
        return Drafts(completed, located, None, found + doubts, doubts)

    def _map(self, names: list[str]) -> ColumnParams:
        """Which of a file's columns is what: as in the run, without those that are not there."""
        of_run, is_table = self._data.table.columns, self._data.source == "table"
        categories, numeric = self.list_columns()

        def find(key: str) -> str | list[str] | None:
            mapped = self._find_mapped(key)
            if isinstance(mapped, list) and set(mapped) <= set(names):  # a date and a clock
                return mapped
            others = NAMES[key] if isinstance(mapped, list) else self._names[key]
            return next((name for name in others if name in names), None)

        chosen: dict[str, Any] = {key: find(key) for key in NAMES}
        # As in the run, posts without ids have those of their content, if they have any.
        is_digest = is_table and of_run.id is None and any(chosen.get(key) for key in CONTENT)
        return ColumnParams(
            **chosen
            | {
                "id": chosen["id"] or (None if is_digest else POSITION),
                "target": chosen["target"] or "popularity",
            },
            time_format=of_run.time_format if is_table else None,
            categories=categories,
            numeric=[name for name in numeric if is_table or name in names],
            split=None,
        )

    def _complete(self, posts: pa.Table) -> pa.Table:
        """The columns of the bundle's posts table, null where the posts have none; no label."""
        fixed = {
            "split": pa.repeat(CHALLENGE, len(posts)),
            "fold": pa.repeat(pa.scalar(-1, pa.int8()), len(posts)),
            "author_hidden": pa.repeat(False, len(posts)),
        }
        columns = {}
        for name, kind in self._columns:
            of_type = parse_type(kind)
            if name in fixed:
                columns[name] = fixed[name]
            elif name in posts.column_names:
                columns[name] = posts[name].cast(of_type)
            else:
                columns[name] = pa.nulls(len(posts), of_type)
        return pa.table(columns)


def map_contents(data: DataParams) -> dict[str, str]:
    """Which of CONTENTS the training posts had -> the column's name."""
    of_run, is_table = data.table.columns, data.source == "table"
    mapped = {key: getattr(of_run, key) if is_table else NAMES[key][0] for key in CONTENTS}
    return {key: name for key, name in mapped.items() if name is not None}


def _check_numbers(posts: pa.Table) -> None:
    """Refuse numbers that no post of the challenge has: a latitude of 999."""
    fields = [field for field in POSTS if field.name not in ASSIGNED]
    columns = {field.name: posts[field.name].cast(field.type) for field in fields}
    # The schema asks for labels.
    columns["popularity"] = pa.chunked_array([pa.repeat(pa.scalar(0.0), len(posts))])
    schema.validate(pa.table(columns))


@contextmanager
def _without_switches() -> Iterator[None]:
    """Errors without what a run's params.yaml could change: of a bundle nothing can."""
    try:
        yield
    except InputError as error:
        message = str(error)
        for switch, instead in SWITCHES.items():
            message = switch.sub(instead, message)
        raise InputError(message) from None


def _read_lines(content: bytes, name: str) -> Cells:
    findings = Findings(Path(name), "record")
    names, numbers, columns = read_json(decode(content, None, findings), findings)
    if not len(numbers):
        findings.settle("stop", 0)
        raise InputError(f"{name}: holds no post, expected at least one")
    return Cells(names, numbers, columns, findings)


def _may_be_other(time_format: str | None) -> bool:
    """Whether a time in ISO 8601 means the same, but has not the form of the run's file."""
    return time_format is not None and "%Y-%d" not in time_format


def _are_iso(cells: Cells, names: list[str]) -> bool:
    """Whether the times are all ISO 8601, which a format of the run's file would not read."""
    columns = [cells.columns[name] for name in names]
    if len(columns) != 1 or not pa.types.is_string(columns[0].type):
        return False
    filled = columns[0].filter(pc.not_equal(pc.utf8_trim_whitespace(columns[0]), ""))
    return bool(len(filled)) and pc.all(pc.match_substring_regex(filled, ISO)).as_py()


def _tell_elsewhere(
    located: pa.Table, paths: list[str | None], place: Path, cells: Cells
) -> list[str]:
    """A line on the pictures of the folder ``place`` that are in another folder than as written."""
    found = [
        f"{cells.findings.unit} {number}: {path!r} is {Path(member)}"
        for number, path, member in zip(
            cells.numbers, paths, located["member"].to_pylist(), strict=True
        )
        if path and member and not _is_in_place(path, Path(member), place)
    ]
    if not found:
        return []
    return [
        f"pictures found elsewhere than at the path as written: {len(found):,} "
        f"({', '.join(found[:SHOWN])}); name the folder of the pictures to look there alone"
    ]


def _is_in_place(path: str, member: Path, place: Path) -> bool:
    """Whether a file is in the folder that a path names; the reader drops a slash before it."""
    written = (place / path, place.parent / path, Path("/", path))
    return member.resolve().parent in [one.resolve().parent for one in written]


def transform(labels: pa.ChunkedArray, how: str) -> pa.ChunkedArray:
    """Labels as the models learned them; null where a count is negative."""
    if how == "none":
        return labels
    counts = pc.if_else(pc.less(labels, 0), pa.scalar(None, pa.float64()), labels)
    return pc.log2(pc.add(counts, 1))


def parse_type(kind: str) -> pa.DataType:
    """The Arrow type that `str` of it names, of those that a posts table has."""
    known = (
        *(pa.string(), pa.int8(), pa.bool_(), pa.float32(), pa.float64(), pa.list_(pa.string())),
        *(pa.timestamp("s", tz="UTC"), pa.timestamp("ms", tz="UTC")),
    )
    for candidate in known:
        if str(candidate) == kind or str(candidate).replace("item", "element") == kind:
            return candidate
    raise InputError(f"manifest: column type {kind!r} is unknown; train again")


def _add_missing(cells: Cells, mapping: ColumnParams) -> Cells:
    """Ids for posts without any, and empty columns for what the file has none of."""
    count, columns = len(cells.numbers), dict(cells.columns)
    if mapping.id is not None and mapping.id not in columns:
        own = [f"{POSITION}-{number}" for number in cells.numbers.tolist()]
        columns[mapping.id] = pa.chunked_array([pa.array(own, pa.string())])
    for name in (mapping.target, *mapping.categories, *mapping.numeric):
        if name not in columns:
            columns[name] = pa.chunked_array([pa.nulls(count, pa.string())])
    wanted = _list_wanted(mapping)
    kept = {name: column for name, column in columns.items() if name in wanted}
    return Cells(list(kept), cells.numbers, kept, cells.findings)


def _list_wanted(mapping: ColumnParams) -> set[str]:
    """The columns that are read."""
    return {name for names in list_columns(mapping).values() for name in names}


def _name_own(read: dict[str, pa.ChunkedArray], source: str) -> dict[str, pa.ChunkedArray]:
    """The challenge's own numbers have columns of the schema."""
    if source == "table":
        return read
    own = {name: read.pop(OWN_NUMBER_PREFIX + name, None) for name in NUMBERS}
    return read | {name: column for name, column in own.items() if column is not None}


def _put_pictures(drafts: Drafts, given: dict[int, bytes], folder: Path) -> Drafts:
    """The bytes of pictures as files of ``folder``, named by their digests."""
    rows = drafts.images.drop_columns("post_id").to_pylist()
    for place, content in given.items():
        digest = hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()
        row: dict[str, Any] = {"status": LOCATED, "container": "", "digest": digest}
        row["member"] = str(folder / digest)
        if not content or len(content) > MAX_IMAGE_BYTES:
            status = BOMB if content else EMPTY
            row = {"status": status, "container": None, "member": None, "digest": None}
        else:
            (folder / digest).write_bytes(content)
        rows[place] = row
    columns = {name: [row[name] for row in rows] for name in IMAGES.names if name != "post_id"}
    images = pa.table({"post_id": drafts.images["post_id"], **columns}).cast(IMAGES)
    return replace(drafts, images=images)
