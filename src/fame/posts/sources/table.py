"""The user's own posts: a CSV, Parquet or JSONL file whose columns params.yaml maps."""

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from fame.params import ColumnParams, DataParams, TableParams
from fame.posts.archives import SUFFIXES, is_archive
from fame.posts.contract import ASSIGNED, CHALLENGE, OWN_NUMBER_PREFIX, POSTS, SPLITS, Posts, Source
from fame.posts.sources.images import locate
from fame.posts.sources.table_cells import (
    Cells,
    UnfitError,
    parse_number,
    parse_tags,
    parse_text,
    parse_time,
    read_cells,
)
from fame.runtime.errors import InputError

CATEGORIES = ("category", "subcategory", "concept")
FIELDS = [field for field in POSTS if field.name not in ASSIGNED]


class TableFile(Source):
    """Reads the file by its mapping (data.table); see `load`."""

    def __init__(self, data: DataParams) -> None:
        self._params = data.table

    def load(self, root: Path) -> Posts:
        """The file's posts in its order.

        A post without a target is a challenge post, unless a split column says where posts belong.
        A column that is not mapped is null in every post. An empty cell is null too, but for tags:
        a post with an empty cell there has none.

        Raises:
            InputError: names the file and row, or the key, what was found and what is allowed.
        """
        columns = self._params.columns
        named = _list_columns(columns)
        _check_mapping(self._params, named)
        cells = read_cells(_resolve(root, "file", self._params.file), named)
        read = {"post_id": _read_ids(cells, columns.id)}
        read["popularity"] = cells.parse(columns.target, parse_number)
        for name, column, parse in self._list_optional(columns):
            if column is not None:
                read[name] = cells.parse(column, parse)
        arrays = {
            field.name: pa.array(read[field.name], field.type)
            if field.name in read
            else pa.nulls(len(cells.numbers), field.type)
            for field in FIELDS
        }
        if columns.split is not None:
            arrays["split"] = pa.array(_read_split(cells, columns, read["popularity"]), pa.string())
        for column in columns.numeric:
            numbers = cells.parse(column, parse_number)
            arrays[OWN_NUMBER_PREFIX + column] = pa.array(numbers, pa.float64())
        images = locate(read["post_id"], *self._find_images(root, cells))
        return Posts(table=pa.table(arrays), images=images)

    def _list_optional(
        self, columns: ColumnParams
    ) -> list[tuple[str, str | None, Callable[[Any], Any]]]:
        """Field of the posts, the column that it comes from, how its values are read."""
        categories = [*columns.categories, *[None] * len(CATEGORIES)]
        return [
            ("user_id", columns.user, parse_text),
            ("posted_at", columns.time, parse_time),
            ("title", columns.title, parse_text),
            ("tags", columns.tags, partial(parse_tags, separator=self._params.tag_separator)),
            *((name, categories[i], parse_text) for i, name in enumerate(CATEGORIES)),
        ]

    def _find_images(self, root: Path, cells: Cells) -> tuple[list[str | None], list[Path]]:
        """The listed paths, and where they start; no place if no column names images."""
        column = self._params.columns.image
        if column is None:
            return [None] * len(cells.numbers), []
        if self._params.images is None:
            return cells.parse(column, parse_text), [root]
        place = _resolve(root, "images", self._params.images)
        if not place.is_dir() and not (place.is_file() and is_archive(place)):
            raise InputError(
                f"params.yaml: data.table.images: {place} is no folder and no archive; "
                f"allowed: a folder, or a file that ends with {', '.join(SUFFIXES)}"
            )
        return cells.parse(column, parse_text), [place]


def _list_columns(columns: ColumnParams) -> dict[str, list[str]]:
    """Key of data.table.columns -> the columns that it names."""
    named = {}
    for key, value in columns.model_dump().items():
        named[key] = value if isinstance(value, list) else [] if value is None else [value]
    return named


def _check_mapping(params: TableParams, named: dict[str, list[str]]) -> None:
    """What the types of params.yaml cannot say: a column that would leak, clash or do nothing."""
    for key, columns in named.items():
        if key != "target" and params.columns.target in columns:
            raise InputError(
                f"params.yaml: data.table.columns.{key}: {params.columns.target!r} is the target; "
                "allowed: what is known at posting time"
            )
        for column in columns:
            if columns.count(column) > 1:
                raise InputError(
                    f"params.yaml: data.table.columns.{key}: {column!r} is named twice, "
                    "allowed: once"
                )
    if params.images is not None and params.columns.image is None:
        raise InputError(
            f"params.yaml: data.table.columns.image: is null, but data.table.images is "
            f"{params.images!r}; allowed: the column that names a post's image"
        )


def _resolve(root: Path, key: str, value: str) -> Path:
    """A path inside ``root``: what lies elsewhere would change without the pipeline's notice."""
    path = PurePath(value)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"params.yaml: data.table.{key}: {value!r} leaves data.root; "
            "allowed: a path inside it, without .."
        )
    return root / path


def _read_ids(cells: Cells, column: str) -> list[str]:
    ids = cells.parse(column, _parse_id)
    first_rows: dict[str, int] = {}
    for row, post_id in enumerate(ids):
        first = first_rows.setdefault(post_id, row)
        if first != row:
            raise InputError(
                f"{cells.path}: {cells.unit} {cells.numbers[row]}: {column} {post_id!r} stands in "
                f"{cells.unit} {cells.numbers[first]} too; ids are unique"
            )
    return ids


def _parse_id(value: Any) -> str:
    post_id = parse_text(value)
    if post_id is None:
        raise UnfitError("an id")
    return post_id


def _parse_split(value: Any) -> str:
    if value not in SPLITS:
        raise UnfitError(f"one of {', '.join(SPLITS)}")
    return value


def _read_split(cells: Cells, columns: ColumnParams, popularity: list[float | None]) -> list[str]:
    """The posts' own split, which must agree with the labels."""
    split = cells.parse(columns.split, _parse_split)
    for row, (part, label) in enumerate(zip(split, popularity, strict=True)):
        if part == CHALLENGE and label is not None:
            raise cells.error(row, columns.target, label, "no value in a challenge post")
        if part != CHALLENGE and label is None:
            raise cells.error(row, columns.target, label, f"a number in a {part} post")
    return split
