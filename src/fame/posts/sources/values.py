"""Texts as they stand in a file -> typed Arrow columns; a value that does not fit is named.

All functions take a column of strings in the order of the file, so that a position is a record.
With `Findings`, a value that does not fit is noted there and null; without, it stops the run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import READ, Column, Findings, map_distinct
from fame.runtime.errors import InputError

MISSING = ("", "None", "null", "nan", "NaN")  # how files write that there is no value
TIME = pa.timestamp("s", tz="UTC")
LATEST_SECOND = 253_402_300_799  # the last of the year 9999, and as far before 1970
MAX_OFFSET_MINUTES = 840
_CLOCK = re.compile(r"([+-]?)(\d{1,2}):(\d\d)")
_DATE = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Origin:
    """Where a column comes from: ``unit`` is what the file counts, records or lines."""

    path: Path
    key: str
    unit: str = "record"

    def error(self, row: int, found: Any, allowed: str) -> InputError:
        """The sentence about the value at position ``row``."""
        shown = repr(found)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "..."
        return InputError(
            f"{self.path}: {self.unit} {row + 1}: {self.key} is {shown}, expected {allowed}"
        )


def to_strings(values: Sequence[Any], origin: Origin, first_row: int = 0) -> pa.Array:
    """JSON scalars as strings: 7 and "7" are the same, null stays null."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    texts = []
    for row, value in enumerate(values, start=first_row):
        if isinstance(value, (dict, list)):
            raise origin.error(row, value, "a text or a number")
        texts.append(_to_string(value))
    return pa.array(texts, pa.string())


def _to_string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return None if value != value else f"{value:.0f}" if value.is_integer() else repr(value)
    return str(int(value))


def drop_missing(texts: pa.ChunkedArray, words: tuple[str, ...] = MISSING) -> pa.ChunkedArray:
    """Null where the text is one of ``words``."""
    is_missing = pc.is_in(texts, value_set=pa.array(words))
    return pc.if_else(is_missing, pa.scalar(None, pa.string()), texts)


def to_numbers(
    texts: pa.ChunkedArray,
    origin: Origin,
    findings: Findings | None = None,
    span: tuple[float, float] = (-np.inf, np.inf),
    allowed: str = "a finite number",
) -> pa.ChunkedArray:
    """Finite float64 within ``span``, null where missing."""
    texts = drop_missing(pc.utf8_trim_whitespace(texts))
    try:
        numbers = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        numbers = pa.chunked_array([map_distinct(texts, _parse_number, pa.float64())])
    is_none = pc.and_(pc.is_valid(texts), pc.is_null(numbers))
    numbers = _refuse(texts, numbers, is_none, origin, findings, "a number")
    fits = pc.and_(
        pc.is_finite(numbers),
        pc.and_(pc.greater_equal(numbers, span[0]), pc.less_equal(numbers, span[1])),
    )
    is_odd = pc.fill_null(pc.invert(fits), False)
    return _refuse(texts, numbers, is_odd, origin, findings, allowed)


def _refuse(
    texts: pa.ChunkedArray,
    values: pa.ChunkedArray,
    is_odd: pa.ChunkedArray,
    origin: Origin,
    findings: Findings | None,
    allowed: str,
) -> pa.ChunkedArray:
    """The values, null where they are odd, which is noted; without findings it is an error."""
    row = pc.index(is_odd, True).as_py()
    if row < 0:
        return values
    if findings is None:
        raise origin.error(row, texts[row].as_py(), allowed)
    name = f"{origin.path.name} {origin.key}"
    numbers = np.arange(1, len(texts) + 1)
    Column(name, texts, numbers, findings).bad("values that cannot be", allowed, is_odd)
    return pc.if_else(is_odd, pa.scalar(None, values.type), values)


def _parse_number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def to_times(
    texts: pa.ChunkedArray,
    origin: Origin,
    findings: Findings | None = None,
    span: tuple[int, int] = (-LATEST_SECOND, LATEST_SECOND),
) -> pa.ChunkedArray:
    """UTC seconds from epoch seconds or ``YYYY-mm-dd HH:MM:SS``, null where missing.

    A date that no calendar has is missing: Flickr writes 0000-00-00 for a day it does not know.
    """
    is_date = pc.fill_null(pc.match_substring_regex(texts, _DATE), False)
    dates = pc.strptime(
        pc.if_else(is_date, texts, pa.scalar(None, pa.string())),
        format="%Y-%m-%d %H:%M:%S",
        unit="s",
        error_is_null=True,
    )
    others = pc.if_else(is_date, pa.scalar(None, pa.string()), texts)
    allowed = "epoch seconds or a date like 2016-03-01 12:00:00, of a year that can be"
    seconds = pc.floor(to_numbers(others, origin, findings, span, allowed))
    seconds = pc.coalesce(pc.cast(seconds, pa.int64()), pc.cast(dates, pa.int64()))
    is_odd = pc.or_(pc.less(seconds, span[0]), pc.greater(seconds, span[1]))
    seconds = _refuse(texts, seconds, pc.fill_null(is_odd, False), origin, findings, allowed)
    return pc.cast(seconds, TIME)


def to_flags(
    texts: pa.ChunkedArray, origin: Origin, findings: Findings | None = None
) -> pa.ChunkedArray:
    """0 or 1 as float32, null where missing."""
    flags = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
    texts = drop_missing(pc.utf8_trim_whitespace(texts))
    parsed = map_distinct(texts, lambda text: flags.get(text.lower()), pa.float32())
    return _keep_parsed(texts, parsed, origin, findings, "0 or 1")


def _keep_parsed(
    texts: pa.ChunkedArray,
    parsed: pa.Array,
    origin: Origin,
    findings: Findings | None,
    allowed: str,
) -> pa.ChunkedArray:
    values = pa.chunked_array([parsed])
    is_odd = pc.and_(pc.is_valid(texts), pc.is_null(values))
    return _refuse(texts, values, is_odd, origin, findings, allowed)


def to_offset_minutes(
    texts: pa.ChunkedArray, origin: Origin, findings: Findings | None = None
) -> pa.ChunkedArray:
    """Whole minutes east of UTC as float32, null where missing.

    From ``+01:00``, or from numbers whose unit is decided over the whole file: hours if all are
    within 14, minutes if all are within 840, else seconds.
    """
    texts = drop_missing(pc.utf8_trim_whitespace(texts))
    numbers = [
        abs(n)
        for n in map(_parse_number, pc.unique(texts).drop_null().to_pylist())
        if n is not None
    ]
    largest = max((n for n in numbers if n <= MAX_OFFSET_MINUTES * 60), default=0)
    factor = (
        60.0
        if largest <= MAX_OFFSET_MINUTES / 60
        else 1.0
        if largest <= MAX_OFFSET_MINUTES
        else 1 / 60
    )
    parsed = map_distinct(texts, lambda text: _parse_offset(text, factor), pa.float32())
    if findings is not None and largest:
        unit = {60.0: "hours", 1.0: "minutes"}.get(factor, "seconds")
        findings.note(f"{origin.path.name} {origin.key}", f"offsets in {unit}", READ)
    return _keep_parsed(texts, parsed, origin, findings, "an offset like +01:00, or a number")


def _parse_offset(text: str, factor: float) -> float | None:
    """Minutes, None where there are none within 14 hours."""
    number = _parse_number(text)
    if number is not None:
        minutes = number * factor
    elif clock := _CLOCK.fullmatch(text):
        minutes = int(clock[2]) * 60 + int(clock[3])
        minutes = -minutes if clock[1] == "-" else minutes
    else:
        return None
    return float(round(minutes)) if abs(minutes) <= MAX_OFFSET_MINUTES else None


def split_words(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of the parts between spaces, empty for an empty text; null stays null."""
    return pa.chunked_array(map(_split_words, texts.chunks), pa.list_(pa.string()))


def _split_words(texts: pa.StringArray) -> pa.ListArray:
    parts = pc.split_pattern(texts, " ")
    words = pc.list_flatten(parts)
    kept = pc.not_equal(words, "")
    row_of_word = pc.list_parent_indices(parts).filter(kept).to_numpy()
    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum(np.bincount(row_of_word, minlength=len(parts)), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), words.filter(kept), mask=parts.is_null())
