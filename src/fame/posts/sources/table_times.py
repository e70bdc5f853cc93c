"""Cells -> times and the poster's clock: one form of time a column, decided over all of it.

ISO 8601, dates with the day or the month first, dates with names of months, compact digits, epoch
seconds (or milliseconds, microseconds, nanoseconds) and spreadsheets' day numbers. A time with a
zone keeps its offset; a time without one is taken as the poster's own clock.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import NOTICED, READ, Column, map_distinct
from fame.posts.sources.table_dates import (
    DAY_FIRST,
    MINUTE,
    MONTH_FIRST,
    NUMERIC_DATE,
    Times,
    has_offset,
    read_dates,
    read_named,
    spell_zones,
    split_offset,
    strptime,
    strptime_zoned,
    to_seconds,
    to_series,
)
from fame.posts.sources.table_texts import drop_words
from fame.runtime.errors import InputError

DAY = 86_400
EXPECTED = "a time like 2016-03-01T12:00:00+01:00, or epoch seconds"
NO_POST_BEFORE = 631_152_000  # 1990
FAR_SECONDS = 15 * 365 * DAY  # about as old as most platforms
FEW_DAYS = 10  # of fewer all may be of midnight by chance
_NAME_OF_UTC = r"(?i)(?<![a-z])(utc|gmt)(?![a-z]|\s*[+-]?\d)"
FAR_SPANS = 6  # times the span of the middle half of the posts
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE]\+?\d+)?$"
_ISO = r"^\d{4}-\d\d?(-\d\d?([T ]|$)|$)"
# What divides epoch numbers to seconds; they are told by a magnitude of the years 1990 to 2100.
_EPOCHS = {
    1: "epoch seconds",
    10**3: "epoch milliseconds",
    10**6: "epoch microseconds",
    10**9: "epoch nanoseconds",
}
_EPOCH_SECONDS = (NO_POST_BEFORE, 4_102_444_800)
_COMPACT = {
    **{8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"},
    17: "%Y%m%d%H%M%S%f",
}
_UNUSUAL = r"[^0-9A-Za-z :+./-]|^\d+,\d|^\d{1,3}\.\d{3}\.|^\d{8}-\d"
# How other programs and languages write the same. Two stand twice: in 2024年3月1日 the 3 ends one
# match and begins the next, which the first pass therefore does not see.
_SPELLINGS = (
    ("[\u00a0\u2007\u2009\u202f]", " "),
    ("^'", ""),
    (r"\[[^\]]*\]$", ""),  # Java's name of the zone
    (r"^(\d{4,}),(\d+)$", r"\1.\2"),
    (r"^(\d{8})[_-](\d{4,6})$", r"\1T\2"),
    (r"(\d)\s*[年년月월]\s*(\d)", r"\1-\2"),
    (r"(\d)\s*[年년月월]\s*(\d)", r"\1-\2"),
    (r"(\d)\s*[日일]\s*", r"\1 "),
    (r"(\d)\s*[时時시点분分]\s*(\d)", r"\1:\2"),
    (r"(\d)\s*[时時시点분分]\s*(\d)", r"\1:\2"),
    (r"(\d)\s*[分분秒초]\s*$", r"\1"),
)
# A clock in a column of its own: the day that spreadsheets put before it, 14h05, 14.05 Uhr.
_CLOCK_SPELLINGS = (
    (r"^1(?:899-12-3[01]|900-01-0[01])[T ]", ""),
    (r"(?i)\s*Uhr$", ""),
    (r"^(\d{1,2})\s?[hH.](\d\d)", r"\1:\2"),
    (r"^(\d{1,2}:\d\d)\.(\d\d)$", r"\1:\2"),
)
_GROUPED = r"^\d{1,3}(?:[,.' ]\d{3}){3,}$"
# Reads texts into the rows (m,) of times.
_Read = Callable[[pa.ChunkedArray, np.ndarray, Times], None]
_SPREADSHEET_DAYS = (25_569, 73_050)  # 1970 to 2100
_SPREADSHEET_EPOCH = -25_569 * DAY


def read_times(column: Column, time_format: str | None) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """UTC seconds (timestamp) and the poster's offset (float32 minutes), null where unknown.

    Args:
        column: its cells.
        time_format: None: found; "day first", "month first", or a format of strptime.

    Bad cells and times far from all others are noted in the column's findings as bad.
    """
    kind = column.cells.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = _read_typed(column.cells)
        filled = pc.is_valid(column.cells).to_numpy()
    else:
        texts = _spell(pc.utf8_trim_whitespace(drop_words(column, numeric=True)))
        filled = pc.is_valid(texts).to_numpy()
        times = _read_texts(column, texts, filled, time_format)
    known = ~np.isnan(times.seconds)
    if not times.is_refused:
        column.bad("cells that are no time", EXPECTED, filled & ~known)
    far = find_far(times.seconds)
    column.bad("times far from all others", "a time among the others", far)
    times.put(np.flatnonzero(far), np.nan)
    _note_days(column, times)
    _note_zones(column, times)
    return _to_arrow(times)


def join_clock(date: Column, clock: Column) -> Column:
    """A date and a clock in two columns as one text.

    A date without a clock stays alone, as midnight, and is noted.
    """
    days = drop_words(date, numeric=True, note=False)
    days = pc.replace_substring_regex(days, r"[T ]0?0:00(:00(\.0*)?)?$", "")
    clocks = pc.utf8_trim_whitespace(drop_words(clock, numeric=True))
    for pattern, usual in _CLOCK_SPELLINGS:
        clocks = pc.replace_substring_regex(clocks, pattern, usual)
    both = Column(f"{date.name} and {clock.name}", days, date.numbers, date.findings)
    alone = pc.and_(pc.is_valid(days), pc.is_null(clocks))
    both.note("dates without a clock, read as midnight", NOTICED, alone)
    whole = pc.binary_join_element_wise(days, clocks, " ")
    return replace(both, cells=pc.if_else(alone, days, whole))


def _to_arrow(times: Times) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    unknown = np.isnan(times.seconds)
    seconds = pa.array(np.where(unknown, 0, np.floor(times.seconds)).astype(np.int64), mask=unknown)
    offset = pa.array(times.offset.astype(np.float32), mask=np.isnan(times.offset) | unknown)
    stamps = seconds.cast(pa.timestamp("s", tz="UTC"))
    return pa.chunked_array([stamps]), pa.chunked_array([offset])


def _read_typed(cells: pa.ChunkedArray) -> Times:
    """A column with a zone keeps the zone's offset at each time; UTC says nothing of the poster."""
    times = Times.empty(len(cells))
    if pa.types.is_date(cells.type):
        cells = cells.cast(pa.timestamp("s"))
    zone = cells.type.tz
    naive = cells.cast(pa.timestamp("us", zone), safe=False)
    rows = np.flatnonzero(pc.is_valid(cells).to_numpy())
    seconds = pc.cast(naive, pa.int64()).drop_null().to_numpy() / 1e6
    offset: np.ndarray | float = np.nan
    if zone:
        local = pc.cast(pc.local_timestamp(naive), pa.int64()).drop_null().to_numpy() / 1e6
        offset = (local - seconds) / MINUTE
    times.put(rows, seconds, offset)
    return times


def _read_texts(
    column: Column, texts: pa.ChunkedArray, filled: np.ndarray, time_format: str | None
) -> Times:
    times = Times.empty(len(texts))
    if time_format and time_format not in (DAY_FIRST, MONTH_FIRST):
        _read_format(texts, filled, time_format, times)
        return times
    texts = spell_zones(texts)
    is_iso = _matches(texts, _ISO)
    is_number = is_date = np.zeros(len(texts), bool)
    if (filled & ~is_iso).any():
        is_number = _matches(texts, _NUMBER)
        is_date = _matches(texts, NUMERIC_DATE) & ~is_iso
    forms: list[tuple[str, np.ndarray, _Read]] = [
        ("numbers", is_number, partial(_read_numbers, column)),
        ("ISO 8601", is_iso, _read_iso),
        ("dates", is_date, partial(read_dates, column, time_format)),
        ("other dates", filled & ~is_number & ~is_iso & ~is_date, partial(read_named, column)),
    ]
    used = []
    for name, chosen, read in forms:
        rows = np.flatnonzero(chosen)
        if len(rows):
            read(texts.filter(pa.array(chosen)), rows, times)
            if not np.isnan(times.seconds[rows]).all():
                used.append(name)
    # ISO dates with 1:05 PM or CET behind them; digits alone are never read in another order.
    left = is_iso & np.isnan(times.seconds) & _matches(texts, "[A-Za-z]{2}")
    if left.any():
        read_named(column, texts.filter(pa.array(left)), np.flatnonzero(left), times)
    if len(used) > 1:
        column.findings.note(column.name, f"times in {len(used)} forms: {', '.join(used)}", NOTICED)
    return times


def _spell(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same times in the usual signs."""
    if not _matches(texts, _UNUSUAL).any():
        return texts
    for pattern, usual in _SPELLINGS:
        texts = pc.replace_substring_regex(texts, pattern, usual)
    grouped = pc.match_substring_regex(texts, _GROUPED)
    texts = pc.if_else(grouped, pc.replace_substring_regex(texts, "[,.' ]", ""), texts)
    return pc.utf8_trim_whitespace(texts)


def _matches(texts: pa.ChunkedArray, pattern: str) -> np.ndarray:
    pattern = re.sub(r"\?P<\w+>", "", pattern)
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy()


def _read_numbers(column: Column, texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    """Compact digits where they are a calendar's, else epoch or days by magnitude."""
    texts = pc.replace_substring_regex(texts, r"^(\d+)\.0*$", r"\1")
    numbers = texts.cast(pa.float64()).to_numpy()
    lengths = pc.utf8_length(texts).to_numpy()
    left = np.ones(len(rows), bool)
    for length, form in _COMPACT.items():
        # Epoch seconds have 10 digits too: no post is older than 1990, which they reach in 2033.
        oldest = 1.99 if length == 10 else 1.9
        chosen = lengths == length
        among = chosen.sum()
        chosen &= numbers >= oldest * 10.0 ** (length - 1)
        chosen &= numbers < 2.2 * 10.0 ** (length - 1)
        if not chosen.any():
            continue
        parsed = strptime(texts.filter(pa.array(chosen)), form)
        found = ~np.isnan(parsed)
        if 2 * found.sum() < among:
            continue  # epoch numbers that look like the calendar's now and then
        times.put(rows[chosen], parsed)
        left &= ~chosen
        are_digits = np.zeros(len(column.cells), bool)
        are_digits[rows[chosen][found]] = True
        column.note(f"times as digits, {form}", READ, are_digits)
    if _read_epochs(column, numbers, rows, left, times):
        return
    magnitude = np.median(np.abs(numbers[left])) if left.any() else 0
    if _SPREADSHEET_DAYS[0] <= magnitude < _SPREADSHEET_DAYS[1]:
        chosen = left & (numbers >= _SPREADSHEET_DAYS[0]) & (numbers < _SPREADSHEET_DAYS[1])
        seconds = np.round(numbers[chosen] * DAY) + _SPREADSHEET_EPOCH
        times.put(rows[chosen], seconds)
        column.findings.note(column.name, "a spreadsheet's day numbers", READ, chosen.sum())


def _read_epochs(
    column: Column, numbers: np.ndarray, rows: np.ndarray, left: np.ndarray, times: Times
) -> bool:
    """Each number that is left by its own magnitude, if half of them or more have one.

    One divisor for all would put seconds among milliseconds into 1970, and those among seconds
    into the year 50000.
    """
    low, high = _EPOCH_SECONDS
    chosen = {
        divisor: left & (numbers >= low * divisor) & (numbers < high * divisor)
        for divisor in _EPOCHS
    }
    counts = {divisor: int(found.sum()) for divisor, found in chosen.items() if found.any()}
    if not counts or 2 * sum(counts.values()) < left.sum():
        return False
    for divisor, count in counts.items():
        found = chosen[divisor]
        times.put(rows[found], numbers[found] / divisor, 0.0)
        column.findings.note(column.name, _EPOCHS[divisor], READ, count)
    if len(counts) > 1:
        units = ", ".join(f"{count:,} {_EPOCHS[divisor]}" for divisor, count in counts.items())
        what = f"epoch numbers in {len(counts)} units, each read by its magnitude ({units})"
        column.findings.note(column.name, what, NOTICED)
    return True


def _read_iso(texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    clocks, offset = split_offset(texts)
    # What is left behind a clock is more than a zone can be: it would count as none.
    clocks = pc.if_else(has_offset(clocks), pa.scalar(None, pa.string()), clocks)
    seconds = to_seconds(pd.to_datetime(to_series(clocks), format="ISO8601", errors="coerce"))
    if len(left := np.flatnonzero(np.isnan(seconds))):
        # pandas keeps the years 1678 to 2261 only; what lies beyond is named as far off.
        others = map_distinct(clocks.take(pa.array(left)), _parse_iso, pa.float64())
        seconds[left] = others.to_numpy(zero_copy_only=False)
    times.put(rows, seconds - np.nan_to_num(offset) * MINUTE, offset)


def _parse_iso(text: str) -> float | None:
    try:
        return (datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds()
    except (ValueError, TypeError):
        return None


def _read_format(
    texts: pa.ChunkedArray, filled: np.ndarray, time_format: str, times: Times
) -> None:
    rows = np.flatnonzero(filled)
    written = to_series(texts.filter(pa.array(filled)))
    try:
        times.put(rows, *strptime_zoned(written, time_format))
    except ValueError as error:
        raise InputError(
            f"params.yaml: data.table.columns.time_format: {error}; allowed: {DAY_FIRST}, "
            f'{MONTH_FIRST}, a format like "%d/%m/%Y %H:%M", or null'
        ) from None


def find_far(seconds: np.ndarray) -> np.ndarray:
    """(n,) bool: times that cannot belong to these posts, such as the year 8377 or 1512."""
    known = seconds[~np.isnan(seconds)]
    if len(known) < 3:
        return np.zeros(len(seconds), bool)
    # Quartiles towards the middle: of few times, one that is far must not widen the span.
    low, high = np.quantile(known, 0.25, method="higher"), np.quantile(known, 0.75, method="lower")
    middle = np.median(known)
    reach = max(FAR_SPANS * (high - low), FAR_SECONDS)
    with np.errstate(invalid="ignore"):
        far = np.abs(seconds - middle) > reach
        if low >= NO_POST_BEFORE:
            far |= seconds < NO_POST_BEFORE
    return far


def _note_days(column: Column, times: Times) -> None:
    """Dates without a clock make all posts of midnight, which is no hour of theirs."""
    known = times.seconds[~np.isnan(times.seconds)]
    clocks = known + np.nan_to_num(times.offset[~np.isnan(times.seconds)]) * MINUTE
    if len(known) >= FEW_DAYS and not (clocks % DAY).any():
        what = "days without a clock, read as midnight: the hour of posting is not known"
        column.findings.note(column.name, what, NOTICED)


def _note_zones(column: Column, times: Times) -> None:
    """UTC in all cells is the exporting program's clock, which tells nothing of the poster's."""
    known = ~np.isnan(times.seconds)
    zoned = known & ~np.isnan(times.offset)
    if zoned.any() and not np.nan_to_num(times.offset)[known].any():
        times.offset[:] = np.nan
        column.findings.note(column.name, "times in UTC, the poster's clock is not known", READ)
    elif zoned.any():
        column.findings.note(
            column.name, "times with a zone, kept as the poster's clock", READ, zoned.sum()
        )
    elif known.any() and re.search(_NAME_OF_UTC, column.name):
        what = "times in UTC, as the column's name says; the poster's clock is not known"
        column.findings.note(column.name, what, READ)
    elif known.any():
        column.findings.note(column.name, "times without a zone, taken as the poster's clock", READ)
