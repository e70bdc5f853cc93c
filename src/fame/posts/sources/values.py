"""Texts as they stand in a file -> typed Arrow columns; a value that does not fit is named.

All functions take a column of strings in the order of the file, so that a position is a record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.runtime.errors import InputError

MISSING = ("", "None", "null", "nan", "NaN")  # how files write that there is no value
TIME = pa.timestamp("s", tz="UTC")
LATEST_SECOND = 253_402_300_799  # the last of the year 9999, and as far before 1970
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


def to_numbers(texts: pa.ChunkedArray, origin: Origin) -> pa.ChunkedArray:
    """Finite float64, null where missing."""
    texts = drop_missing(pc.utf8_trim_whitespace(texts))
    try:
        numbers = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        row = _find_first(texts, lambda text: pa.scalar(text).cast(pa.float64()))
        raise origin.error(row, texts[row].as_py(), "a number") from None
    row = pc.index(pc.is_finite(numbers), False).as_py()
    if row >= 0:
        raise origin.error(row, texts[row].as_py(), "a finite number")
    return numbers


def to_times(texts: pa.ChunkedArray, origin: Origin) -> pa.ChunkedArray:
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
    texts = pc.if_else(is_date, pa.scalar(None, pa.string()), texts)
    seconds = pc.floor(to_numbers(texts, origin))
    row = pc.index(pc.less_equal(pc.abs(seconds), LATEST_SECOND), False).as_py()
    if row >= 0:
        raise origin.error(row, texts[row].as_py(), "epoch seconds before the year 10000")
    seconds = pc.coalesce(pc.cast(seconds, pa.int64()), pc.cast(dates, pa.int64()))
    return pc.cast(seconds, TIME)


def to_flags(texts: pa.ChunkedArray, origin: Origin) -> pa.ChunkedArray:
    """0 or 1 as float32, null where missing."""
    flags = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
    return _map_distinct(texts, lambda text: flags[text.lower()], origin, "0 or 1")


def to_offset_minutes(texts: pa.ChunkedArray, origin: Origin) -> pa.ChunkedArray:
    """Minutes east of UTC as float32 from ``+01:00`` or seconds, null where missing."""
    return _map_distinct(texts, _parse_offset, origin, "an offset like +01:00, or seconds")


def _parse_offset(text: str) -> float:
    if ":" not in text:
        return float(text) / 60
    hours, minutes = text.lstrip("+-").split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes)) / timedelta(minutes=1)
    return -offset if text.startswith("-") else offset


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


def _map_distinct(
    texts: pa.ChunkedArray, parse: Callable[[str], float], origin: Origin, allowed: str
) -> pa.ChunkedArray:
    """Parse each distinct text once."""
    texts = drop_missing(pc.utf8_trim_whitespace(texts)).combine_chunks()
    encoded = texts.dictionary_encode()
    parsed = []
    for text in encoded.dictionary.to_pylist():
        try:
            parsed.append(parse(text))
        except (KeyError, ValueError, OverflowError):
            raise origin.error(pc.index(texts, text).as_py(), text, allowed) from None
    return pa.chunked_array([pa.array(parsed, pa.float32()).take(encoded.indices)])


def _find_first(texts: pa.ChunkedArray, parse: Callable[[str], Any]) -> int:
    """Position of the first text that ``parse`` refuses."""
    for row, text in enumerate(texts.to_pylist()):
        if text is not None:
            try:
                parse(text)
            except pa.ArrowInvalid:
                return row
    raise AssertionError("some text must be refused")
