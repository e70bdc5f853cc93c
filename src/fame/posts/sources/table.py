"""The user's own posts: any file of a table, whose columns params.yaml maps."""

from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.params import DataParams, TableParams
from fame.posts.archives import SUFFIXES, is_archive
from fame.posts.contract import (
    ASSIGNED,
    CATEGORY_PREFIX,
    CHALLENGE,
    LOCATED,
    MISSING,
    NO_IMAGE,
    OWN_NUMBER_PREFIX,
    POSTS,
)
from fame.posts.findings import NOTICED, SHOWN, Column
from fame.posts.sources.contract import Posts, Source
from fame.posts.sources.images import is_by_name, locate
from fame.posts.sources.table_files import Cells, read_cells
from fame.posts.sources.table_ids import CONTENT, list_columns, list_content, take_posts
from fame.posts.sources.table_lists import read_paths, read_tags
from fame.posts.sources.table_numbers import Evidence, read_numbers, weigh
from fame.posts.sources.table_texts import read_ids, read_names, read_split, read_texts
from fame.posts.sources.table_times import join_clock, read_times
from fame.runtime.errors import InputError

CATEGORIES = ("category", "subcategory", "concept")
FIELDS = [field for field in POSTS if field.name not in ASSIGNED]


class TableFile(Source):
    """Reads the file by its mapping (data.table); see `load`."""

    def __init__(self, data: DataParams) -> None:
        self._data = data
        self._params = data.table

    def load(self, root: Path, *, with_images: bool = True) -> Posts:
        """The file's posts in its order.

        A post without a target is a challenge post, unless a split column says where posts belong.
        A column that is not mapped is null in every post. An empty cell is null too, but for tags:
        a post with an empty cell there has none.

        Args:
            root: the folder of the file and of the images.
            with_images: whether to look for them; else no post has one, and all else is the same.

        Raises:
            InputError: all problems of the mapping, or all of the file, at once.
        """
        columns = self._params.columns
        named = list_columns(columns)
        _check_mapping(self._params, named)
        places = self._find_images(root) if with_images else []
        file = _resolve(root, "file", self._params.file)
        if not file.is_file():
            raise InputError(
                f"params.yaml: data.table.file: {file}: no such file; `fame init FILE` puts your "
                "posts where they belong"
            )
        cells = read_cells(file, self._params.encoding, named)
        cells, post_ids = take_posts(cells, columns)
        arrays = self._read_columns(cells, post_ids)
        target = self._mask_negatives(cells.column(columns.target), arrays["popularity"])
        arrays["popularity"] = target
        cells.findings.settle(self._data.on_bad, self._data.max_bad_fraction)
        paths = arrays.pop("image", None)
        images = locate(post_ids, [] if paths is None else paths.to_pylist(), places)
        if paths is not None and places:
            _check_images(images, paths, places, cells)
        return Posts(table=pa.table(arrays), images=images, findings=cells.findings)

    def _read_columns(self, cells: Cells, post_ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
        """Columns of POSTS, own ones, and `image` where one is mapped; what is bad is noted."""
        columns = self._params.columns
        marks = [columns.target, *columns.numeric]
        evidence = {name: weigh(cells.column(name)) for name in marks}
        of_file = sum(evidence.values(), Evidence()).mark()

        def number(name: str) -> pa.ChunkedArray:
            return read_numbers(cells.column(name), evidence[name].mark() or of_file)

        read = {"post_id": post_ids, "popularity": number(columns.target)}
        if columns.user is not None:
            read["user_id"] = read_ids(cells.column(columns.user), "authors")
        if columns.time is not None:
            pair = [cells.column(name) for name in list_columns(columns)["time"]]
            times = read_times(
                pair[0] if len(pair) == 1 else join_clock(*pair), columns.time_format
            )
            read["posted_at"], read["utc_offset_minutes"] = times
        if columns.title is not None:
            read["title"] = read_texts(cells.column(columns.title))
        if columns.tags is not None:
            read["tags"] = read_tags(cells.column(columns.tags), self._params.tag_separator)
        for field, name in zip(CATEGORIES, columns.categories, strict=False):
            read[field] = read_names(cells.column(name))
        count = len(cells.numbers)
        arrays = {
            field.name: read[field.name].cast(field.type)
            if field.name in read
            else pa.chunked_array([pa.nulls(count, field.type)])
            for field in FIELDS
        }
        if columns.split is not None:
            arrays["split"] = _read_split(
                cells, columns.split, columns.target, arrays["popularity"]
            )
        for name in columns.numeric:
            arrays[OWN_NUMBER_PREFIX + name] = number(name)
        for name in columns.categories[len(CATEGORIES) :]:
            arrays[CATEGORY_PREFIX + name] = read_names(cells.column(name))
        if columns.image is not None:
            arrays["image"] = read_paths(cells.column(columns.image))
        return arrays

    def _mask_negatives(self, column: Column, target: pa.ChunkedArray) -> pa.ChunkedArray:
        """Negative counts are bad; of another target of whole numbers they are noticed."""
        negative = pc.less(target, 0)
        if self._data.target_transform == "log2p1":
            column.bad("negative values", "a count, as data.target_transform is log2p1", negative)
            return pc.if_else(negative, pa.scalar(None, pa.float64()), target)
        if pc.all(pc.equal(pc.floor(target), target)).as_py():
            column.note("negative whole numbers in the target", NOTICED, negative)
        return target

    def _find_images(self, root: Path) -> list[Path]:
        """Where images lie; no place if no column names them."""
        if self._params.columns.image is None:
            return []
        if self._params.images is None:
            return [root]
        place = _resolve(root, "images", self._params.images)
        if not place.is_dir() and not (place.is_file() and is_archive(place)):
            raise InputError(
                f"params.yaml: data.table.images: {place} is no folder and no archive; "
                f"allowed: a folder, or a file that ends with {', '.join(SUFFIXES)}"
            )
        return [place]


def _check_mapping(params: TableParams, named: dict[str, list[str]]) -> None:
    """What the types of params.yaml cannot say: a column that would leak, clash or do nothing."""
    problems = []
    for key, columns in named.items():
        if key != "target" and params.columns.target in columns:
            problems.append(
                f"data.table.columns.{key}: {params.columns.target!r} is the target; "
                "allowed: what is known at posting time"
            )
        problems += [
            f"data.table.columns.{key}: {column!r} is named twice, allowed: once"
            for column in dict.fromkeys(columns)
            if columns.count(column) > 1
        ]
    if params.images is not None and params.columns.image is None:
        problems.append(
            f"data.table.columns.image: is null, but data.table.images is {params.images!r}; "
            "allowed: the column that names a post's image"
        )
    if params.columns.id is None and not list_content(params.columns):
        problems.append(
            f"data.table.columns.id: is null, and ids are made of none of {', '.join(CONTENT)}; "
            "allowed: the column that is the id, or one of these"
        )
    if problems:
        raise InputError(f"params.yaml: {'; '.join(problems)}")


def _resolve(root: Path, key: str, value: str) -> Path:
    """A path inside ``root``: what lies elsewhere would change without the pipeline's notice."""
    path = PurePath(value)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"params.yaml: data.table.{key}: {value!r} leaves data.root; "
            "allowed: a path inside it, without .."
        )
    return root / path


def _read_split(
    cells: Cells, column: str, target: str, popularity: pa.ChunkedArray
) -> pa.ChunkedArray:
    """The posts' own split, which must agree with the labels; a test post without one is open."""
    is_labelled = pc.is_valid(popularity)
    split = read_split(cells.column(column), is_labelled)
    is_challenge = pc.fill_null(pc.equal(split, CHALLENGE), False)
    for chosen, problem in (
        (pc.and_(is_challenge, is_labelled), "challenge posts have a value, expected none"),
        (
            pc.and_(pc.invert(is_challenge), pc.invert(is_labelled)),
            "fit or holdout posts have no value, expected a number",
        ),
    ):
        rows = np.flatnonzero(chosen.to_numpy())
        if len(rows):
            shown = ", ".join(f"{cells.findings.unit} {cells.numbers[row]}" for row in rows[:SHOWN])
            cells.findings.refuse(f"{target}: {len(rows):,} {problem} ({shown})")
    return split


def _check_images(
    images: pa.Table, paths: pa.ChunkedArray, places: list[Path], cells: Cells
) -> None:
    """Images that are listed but not there are noticed; if none is, the place is wrong.

    Raises:
        InputError: names a listed path and the place searched.
    """
    note_by_name(images, paths, cells)
    status = images["status"]
    missing = pc.equal(status, MISSING)
    count = pc.sum(missing).as_py() or 0
    if not count:
        return
    row = pc.index(missing, True).as_py()
    listed = len(status) - pc.sum(pc.equal(status, NO_IMAGE)).as_py()
    if count == listed:
        raise InputError(
            f"params.yaml: data.table.images: none of the {listed:,} listed images is in "
            f"{places[0]}, for instance {paths[row].as_py()!r}; allowed: the folder or archive "
            "that the listed paths start from"
        )
    cells.findings.note(
        "",
        f"listed images that are not in {places[0]}",
        NOTICED,
        count,
        [(cells.numbers[row], paths[row].as_py())],
    )


def note_by_name(images: pa.Table, paths: pa.ChunkedArray, cells: Cells) -> None:
    """Say of how many posts the picture was found by its file's name alone, in another folder.

    Args:
        images: IMAGES, n rows.
        paths: n listed paths.
        cells: the n rows; its findings get the note.
    """
    columns = [images[name].to_pylist() for name in ("status", "container", "member")]
    rows = [
        row
        for row, (path, status, container, member) in enumerate(
            zip(paths.to_pylist(), *columns, strict=True)
        )
        if status == LOCATED and is_by_name(path, container, member)
    ]
    examples = [(cells.numbers[row], paths[row].as_py()) for row in rows[:SHOWN]]
    if rows:
        cells.findings.note(
            "",
            "pictures found by the file's name, not in the listed folder",
            NOTICED,
            len(rows),
            examples,
        )
