"""Which column of a file is what: a proposal from names and contents, with its reasons."""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.contract import SPLITS as SPLIT_WORDS
from fame.posts.data_report import correlate, looks_like_counts
from fame.posts.findings import Column, Findings
from fame.posts.sources.images import IMAGE_SUFFIXES, count_found
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_numbers import read_numbers, weigh
from fame.posts.sources.table_texts import NUMERIC_WORDS, PARTS, WORDS, read_paths, to_texts
from fame.posts.sources.table_times import read_times
from fame.setup.column_words import (
    ACCOUNT,
    ADDRESSES,
    CATEGORIES,
    IDS,
    IMAGES,
    LATER,
    OUTCOMES,
    SPLITS,
    TAGS,
    TARGETS,
    TIME_WORDS,
    TIMES,
    TITLES,
    USER_WORDS,
    USERS,
)

FEW = 0.05  # of a column's cells may be no number or no time, and it still is one
MAX_CATEGORY_SHARE = 0.2  # distinct values, as a share of the posts
MAX_CATEGORIES = 1000
BY_NAME = "by its name"
# What each key of data.table.columns is, in words.
NAMES = {
    **{"target": "the target, which is predicted", "id": "the id", "time": "the time of posting"},
    **{"user": "the author", "split": "the part", "tags": "the tags", "image": "the picture"},
    **{"title": "the title", "categories": "a category", "numeric": "a number"},
}
HINTS = {"id": "in which no two posts have the same", "target": "the number to predict"}
ROW_NUMBERS = ("column", "unnamed", "index")  # first words of names of row numbers
LEAK = 0.95  # rank correlation with the target of what was counted with it


@dataclass
class Mapping:
    """A proposal for data.table.columns.

    Attributes:
        columns: the block's keys.
        reasons: column -> what it is to be and why.
        left_out: column -> why it is none of them.
        counts: whether the target looks like raw counts.
        refusals: what has to be said by the user first.
    """

    columns: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: bool = False
    refusals: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Look:
    """What a column holds.

    Attributes:
        numbers: (n,) float64, NaN where none; None if the column is no numbers.
        is_mostly_numbers: whether half of its cells or more are.
        texts: its cells as text.
        distinct: their number.
        filled: cells that are not empty.
        words: of its name.
    """

    numbers: np.ndarray | None
    is_mostly_numbers: bool
    texts: pa.ChunkedArray
    distinct: int
    filled: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The column's name in lower case, words joined by underscores."""
        return "_".join(self.words)


def propose(
    cells: Cells, given: dict[str, Any], images: Path | None, time_format: str | None
) -> Mapping:
    """Say what each column is.

    Args:
        cells: all columns of the file.
        given: keys of data.table.columns -> column, as the user named them.
        images: where images lie, if there are any.
        time_format: as data.table.columns.time_format.
    """
    looks = {name: _look(cells.column(name)) for name in cells.columns}
    mapping = Mapping({"categories": [], "numeric": [], "time_format": time_format})
    free = {name: look for name, look in looks.items() if name not in _list_given(given)}
    for key, value in given.items():
        mapping.columns[key] = value
        for name in value if isinstance(value, list) else [value]:
            mapping.reasons[name] = f"{NAMES.get(key, key)}, as you say"
    for key, choose in (
        ("target", _choose_target),
        ("id", _choose_id),
        ("time", _choose_time),
        ("user", _choose_user),
        ("split", _choose_split),
        ("tags", _choose_tags),
        ("image", partial(_choose_image, images=images)),
        ("title", _choose_title),
        ("id", _choose_first),
    ):
        if mapping.columns.get(key) is None:
            found = choose(free, cells, mapping)
            mapping.columns[key] = found[0] if found else None
            if found:
                before = mapping.reasons.get(found[0])
                reason = f"{NAMES[key]} ({found[1]})"
                mapping.reasons[found[0]] = f"{before}, and {reason}" if before else reason
                free.pop(found[0], None)  # the id may name the pictures too
    _sort_rest(free, looks, cells, mapping)
    for name in dict.fromkeys(cells.names):
        if name not in cells.columns:
            mapping.left_out[name] = "several columns have this name"
    if time_format and mapping.columns["time"] is None:
        mapping.refusals.append(
            f"no column holds times like --time-format {time_format!r}; allowed: 'day first', "
            "'month first', or a format like '%d/%m/%Y %H:%M'"
        )
    for key in ("id", "target"):
        if mapping.columns[key] is None:
            mapping.refusals.append(
                f"no column is the {key} beyond doubt; name it: --{key} COLUMN, "
                f"{HINTS[key]}, one of {', '.join(cells.columns)}"
            )
    return mapping


def _list_given(given: dict[str, Any]) -> set[str]:
    return {n for value in given.values() for n in (value if isinstance(value, list) else [value])}


def _look(column: Column) -> _Look:
    texts = to_texts(column.cells)
    trimmed = pc.utf8_trim_whitespace(texts)
    is_filled = pc.invert(pc.is_in(trimmed, value_set=pa.array(["", *WORDS, None])))
    filled, distinct = int(pc.sum(is_filled).as_py()), len(pc.unique(trimmed.filter(is_filled)))
    numbers, is_mostly_numbers = None, False
    trial = Column(column.name, column.cells, column.numbers, Findings(column.findings.path))
    if filled and not pa.types.is_list(column.cells.type):
        values = read_numbers(trial, weigh(trial).mark(), note=False)
        count = len(values) - values.null_count
        is_empty = pc.is_in(trimmed, value_set=pa.array(["", *NUMERIC_WORDS, None]))
        most = len(texts) - int(pc.sum(is_empty).as_py())
        is_mostly_numbers = 2 * count >= most > 0
        if count and count >= (1 - FEW) * most:
            numbers = values.to_numpy()
    plain = unicodedata.normalize("NFKD", column.name).encode("ascii", "ignore").decode()
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", plain.replace("'", ""))
    words = tuple(re.findall(r"[a-z0-9]+", spaced.lower())) or (column.name,)
    return _Look(numbers, is_mostly_numbers, texts, distinct, filled, words)


def _by_name(free: dict[str, _Look], names: tuple[str, ...]) -> list[str]:
    """Columns whose name is one of ``names`` (also behind a dot), in the order of those."""
    found = []
    for wanted in names:
        parts = tuple(wanted.split("_"))
        found += [n for n, look in free.items() if look.name in (wanted, wanted.replace("_", ""))]
        found += [n for n, look in free.items() if "." in n and look.words[-len(parts) :] == parts]
    return list(dict.fromkeys(found))


def _by_words(free: dict[str, _Look], words: frozenset[str], names: tuple[str, ...]) -> list[str]:
    """Columns of these names, then those with one of the words in theirs; none written later."""
    found = _by_name(free, names)
    found += [n for n, look in free.items() if words & set(look.words)]
    return [n for n in dict.fromkeys(found) if not LATER & set(free[n].words)]


Choice = tuple[str, str] | None


def _choose_target(free: dict[str, _Look], _cells: Cells, mapping: Mapping) -> Choice:
    named = _by_name(free, TARGETS)
    for name in named:
        numbers = free[name].numbers
        if numbers is not None and np.nanmin(numbers) < np.nanmax(numbers):
            mapping.counts = looks_like_counts(numbers[~np.isnan(numbers)])
            return name, BY_NAME
    outcomes = [name for name, look in free.items() if _is_outcome(look)]
    if len(outcomes) == 1:
        values = free[outcomes[0]].numbers
        mapping.counts = values is not None and looks_like_counts(values[~np.isnan(values)])
        return outcomes[0], "no other column is counted after the post is out"
    return (named[0], BY_NAME) if named else None


def _is_outcome(look: _Look) -> bool:
    """Whether it is counted after the post is out, and no number of an id, a time, an account."""
    if look.numbers is None or look.distinct < 2 or not OUTCOMES & set(look.words):
        return False
    taken = ACCOUNT | TIME_WORDS | CATEGORIES | LATER | set(SPLITS) | {"id", "uid"}
    return not taken & set(look.words) and look.name not in (*IDS, *TIMES, *USERS)


def _choose_id(free: dict[str, _Look], cells: Cells, _mapping: Mapping) -> Choice:
    count = len(cells.numbers)
    for name in _by_name(free, IDS):
        if free[name].filled >= (1 - FEW) * count and free[name].distinct >= (1 - FEW) * count:
            return name, f"{BY_NAME}; no two are the same"
    unique = [
        name
        for name, look in free.items()
        if look.distinct == count == look.filled and "id" in look.words
    ]
    unique += [
        name
        for name in _by_words(free, ADDRESSES, ())
        if free[name].distinct == count == free[name].filled
    ]
    return (unique[0], "no two are the same") if unique else None


def _choose_first(free: dict[str, _Look], cells: Cells, _mapping: Mapping) -> Choice:
    """The first column, if no two of its cells are the same and it can be nothing else."""
    first = next(iter(cells.columns), None)
    if first not in free or (ACCOUNT | OUTCOMES) & set(free[first].words):
        return None
    look = free[first]
    if not look.distinct == len(cells.numbers) == look.filled:
        return None
    if look.numbers is not None and (look.numbers != np.floor(look.numbers)).any():
        return None
    has_space = pc.match_substring(pc.cast(cells.columns[first], pa.string()), " ")
    return None if pc.any(has_space).as_py() else (first, "the first column; no two are the same")


def _choose_time(free: dict[str, _Look], cells: Cells, mapping: Mapping) -> Choice:
    for name in _by_words(free, TIME_WORDS, TIMES):
        column = cells.column(name)
        trial = Column(name, column.cells, column.numbers, Findings(column.findings.path))
        times, _ = read_times(trial, mapping.columns["time_format"])
        if trial.findings.is_refused and ACCOUNT.isdisjoint(free[name].words):
            mapping.refusals.append(
                f"{name}: days and months cannot be told apart; say --time-format "
                "'day first', 'month first', or a format like '%d/%m/%Y %H:%M'"
            )
            return name, f"{BY_NAME}; the order of day and month is not known"
        known = len(times) - times.null_count
        is_account = bool(ACCOUNT & set(free[name].words))  # when it was opened
        if known and not is_account and known >= (1 - FEW) * free[name].filled:
            return name, f"{BY_NAME}; {known:,} cells are times"
    no_posting = ACCOUNT | LATER  # when an account was opened, or a row was made
    texts = [
        name
        for name, look in free.items()
        if look.filled and look.numbers is None and no_posting.isdisjoint(look.words)
    ]
    found = [name for name in texts if _holds_times(cells.column(name), free[name])]
    return (found[0], "its cells are times") if len(found) == 1 else None


def _holds_times(column: Column, look: _Look) -> bool:
    """Whether nearly all cells are times, and in one way."""
    trial = Column(column.name, column.cells, column.numbers, Findings(column.findings.path))
    times, _ = read_times(trial, None)
    known = len(times) - times.null_count
    return not trial.findings.is_refused and known >= (1 - FEW) * look.filled


def _choose_user(free: dict[str, _Look], cells: Cells, _mapping: Mapping) -> Choice:
    for name in _by_words(free, USER_WORDS, USERS):
        look = free[name]
        if not look.filled:
            continue
        is_name = look.numbers is None or look.words[-1] in ("id", "uid")
        if (is_name and 1 < look.distinct < len(cells.numbers)) or look.name in USERS[:8]:
            return name, f"{BY_NAME}; {free[name].distinct:,} different ones"
    return None


def _choose_split(free: dict[str, _Look], _cells: Cells, _mapping: Mapping) -> Choice:
    allowed = pa.array([*SPLIT_WORDS, *(word for words in PARTS.values() for word in words)])
    for name in _by_name(free, SPLITS):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(free[name].texts))
        if pc.all(pc.is_in(words, value_set=allowed)).as_py():
            return name, "its cells say which posts are held out"
    return None


def _choose_tags(free: dict[str, _Look], _cells: Cells, _mapping: Mapping) -> Choice:
    for name in _by_name(free, TAGS):
        if free[name].numbers is None and free[name].filled:
            return name, BY_NAME
    return None


def _choose_image(
    free: dict[str, _Look], cells: Cells, mapping: Mapping, images: Path | None
) -> Choice:
    if images is None:
        return None
    suffixes = "|".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
    known = _by_name(free, IMAGES)
    for name in dict.fromkeys([*known, *free]):
        column = cells.column(name)
        trial = Column(name, column.cells, column.numbers, Findings(column.findings.path))
        listed = read_paths(trial).drop_null()
        named = (
            pc.sum(pc.match_substring_regex(listed, rf"(?i)\.({suffixes})(\?.*)?$")).as_py() or 0
        )
        if name in known and 2 * named < len(listed):
            named = count_found(listed.to_pylist(), images)[0]
        if len(listed) and 2 * named >= len(listed):
            return name, "its cells are names of image files"
    post_id = mapping.columns["id"]
    if post_id in cells.columns:
        listed = to_texts(cells.columns[post_id]).to_pylist()
        if 2 * count_found(listed, images)[0] >= len(listed):
            return post_id, "the image files have its cells as names"
    return None


def _choose_title(free: dict[str, _Look], _cells: Cells, _mapping: Mapping) -> Choice:
    for name in _by_name(free, TITLES):
        if free[name].numbers is None and free[name].filled and free[name].distinct > 1:
            return name, BY_NAME
    return None


def _sort_rest(
    free: dict[str, _Look], looks: dict[str, _Look], cells: Cells, mapping: Mapping
) -> None:
    """Numbers, categories, and what is left out."""
    target_name = mapping.columns["target"]
    target = looks[target_name].numbers if target_name in looks else None
    has_no_time = mapping.columns["time"] is None
    categories: list[tuple[int, str]] = []
    for name, look in free.items():
        why = _find_reason_to_leave(look, target, len(cells.numbers), has_no_time)
        if why:
            mapping.left_out[name] = why
        elif look.numbers is not None:
            mapping.columns["numeric"].append(name)
            mapping.reasons[name] = "a number that is known when the post is written"
        elif _is_category(look, len(cells.numbers)):
            categories.append((look.distinct, name))
            mostly = ", most of them numbers" if look.is_mostly_numbers else ""
            mapping.reasons[name] = f"a category of {look.distinct:,} different texts{mostly}"
        elif look.name in USERS and look.distinct == len(cells.numbers):
            mapping.left_out[name] = "no two posts have the same author"
        else:
            mapping.left_out[name] = "a text that is no title, tags or category"
    mapping.columns["categories"] += [name for _, name in sorted(categories)]


def _find_reason_to_leave(
    look: _Look, target: np.ndarray | None, count: int, has_no_time: bool
) -> str | None:
    if not look.filled:
        return "it is empty"
    if look.distinct == 1 and look.filled == count:
        return "all cells are the same"
    if has_no_time and look.name in TIMES:
        return "its name says a time, but its cells are in no form that is known; --time-format"
    words = set(look.words)
    if words & LATER:
        return "written after the post is out: a leak"
    if look.numbers is None:
        return None
    if words & OUTCOMES and not words & ACCOUNT:
        return "counted after the post is out, like the target: a leak"
    if target is not None:
        correlation = correlate(look.numbers, target)
        if abs(correlation) >= LEAK:
            return f"orders the posts as the target does (correlation {correlation:.2f}): a leak"
    if look.words[0] in ROW_NUMBERS and look.distinct == count:
        return "it numbers the rows"
    if look.words[-1] == "id":
        return "an id, no quantity"
    return None


def _is_category(look: _Look, count: int) -> bool:
    most = min(MAX_CATEGORIES, max(2, MAX_CATEGORY_SHARE * count))
    lengths = pc.max(pc.utf8_length(look.texts)).as_py()
    limit = count / 2 if set(look.words) & CATEGORIES else most
    return look.distinct <= max(2, min(limit, MAX_CATEGORIES)) and lengths <= 100
