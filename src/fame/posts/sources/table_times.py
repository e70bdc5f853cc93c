"""Cells -> times and the poster's clock: one form of time a column, decided over all of it.

ISO 8601, dates with the day or the month first, dates with names of months, compact digits, epoch
seconds (or milliseconds, microseconds, nanoseconds) and spreadsheets' day numbers. A time with a
zone keeps its offset; a time without one is taken as the poster's own clock.
"""

import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from dateutil import parser as dateutil_parser

from fame.posts.findings import NOTICED, READ, Column, map_distinct
from fame.posts.sources.table_texts import drop_words
from fame.runtime.errors import InputError

DAY, MINUTE = 86_400, 60
EXPECTED = "a time like 2016-03-01T12:00:00+01:00, or epoch seconds"
NO_POST_BEFORE = 631_152_000  # 1990
FAR_SECONDS = 15 * 365 * DAY  # about as old as most platforms
FAR_SPANS = 6  # times the span of the middle half of the posts
DAY_FIRST, MONTH_FIRST = "day first", "month first"
_NUMBER = r"^[+-]?\d+(\.\d*)?([eE]\+?\d+)?$"
_ISO = r"^\d{4}-\d\d?-\d\d?([T ]|$)"
_NUMERIC_DATE = (
    r"^(?P<a>\d{1,4})(?P<mark>[/.\-])(?P<b>\d{1,2})[/.\-](?P<c>\d{4}|\d{2})"
    r"(?:[T ,]+(?P<time>\d.*))?$"
)
_OFFSET = r"(?i)(?P<zone>Z|UTC|GMT|(?:(?:UTC|GMT)?\s*[+-]\d\d(?::?\d\d)?))$"
# Epoch numbers by magnitude, and what divides them to seconds.
_EPOCHS = (
    (1e8, 1e11, 1, "epoch seconds"),
    (1e11, 1e14, 10**3, "epoch milliseconds"),
    (1e14, 1e17, 10**6, "epoch microseconds"),
    (1e17, 1e20, 10**9, "epoch nanoseconds"),
)
_COMPACT = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_SPREADSHEET_DAYS = (25_569, 73_050)  # 1970 to 2100
_SPREADSHEET_EPOCH = -25_569 * DAY
_NAMED = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M:%S",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %B %Y",
    "%b %d, %Y %I:%M %p",
)
_ZONES = {
    name: hours * 3600
    for name, hours in {
        **{"UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7},
        **{"MDT": -6, "PST": -8, "PDT": -7, "CET": 1, "CEST": 2, "BST": 1, "JST": 9},
    }.items()
}


@dataclass
class Times:
    """n times as they come together.

    Attributes:
        seconds: (n,) float64 epoch seconds, NaN where there is none (yet).
        offset: (n,) float64 minutes east of UTC, NaN where the zone is not known.
        is_refused: some cannot be told, which is noted already.
    """

    seconds: np.ndarray
    offset: np.ndarray
    is_refused: bool = False

    @classmethod
    def empty(cls, count: int) -> "Times":
        """No time yet."""
        return cls(np.full(count, np.nan), np.full(count, np.nan))

    def put(
        self, rows: np.ndarray, seconds: np.ndarray, offset: np.ndarray | float = np.nan
    ) -> None:
        """Times of some rows."""
        self.seconds[rows] = seconds
        self.offset[rows] = offset


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
        texts = pc.utf8_trim_whitespace(drop_words(column, numeric=True))
        filled = pc.is_valid(texts).to_numpy()
        times = _read_texts(column, texts, filled, time_format)
    known = ~np.isnan(times.seconds)
    if not times.is_refused:
        column.bad("cells are no time", EXPECTED, filled & ~known)
    far = find_far(times.seconds)
    column.bad("times are far from all others", "a time among the others", far)
    times.put(np.flatnonzero(far), np.nan)
    _note_zones(column, times)
    return _to_arrow(times)


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
    if zone and zone.upper() not in ("UTC", "ETC/UTC", "GMT", "Z", "+00:00"):
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
    is_number = _matches(texts, _NUMBER)
    is_iso = _matches(texts, _ISO)
    is_date = _matches(texts, _NUMERIC_DATE) & ~is_iso
    forms = [
        ("numbers", is_number, partial(_read_numbers, column)),
        ("ISO 8601", is_iso, _read_iso),
        ("dates", is_date, partial(_read_dates, column, time_format)),
        ("other dates", filled & ~is_number & ~is_iso & ~is_date, partial(_read_named, column)),
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
        _read_named(column, texts.filter(pa.array(left)), np.flatnonzero(left), times)
    if len(used) > 1:
        column.findings.note(column.name, f"times in {len(used)} forms: {', '.join(used)}", NOTICED)
    return times


def _matches(texts: pa.ChunkedArray, pattern: str) -> np.ndarray:
    pattern = re.sub(r"\?P<\w+>", "", pattern)
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy()


def _read_numbers(column: Column, texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    """Compact digits where they are a calendar's, else epoch or days by magnitude."""
    numbers = texts.cast(pa.float64()).to_numpy()
    lengths = pc.utf8_length(texts).to_numpy()
    left = np.ones(len(rows), bool)
    for length, form in _COMPACT.items():
        chosen = (
            (lengths == length)
            & (numbers >= 1.9 * 10.0 ** (length - 1))
            & (numbers < 2.2 * 10.0 ** (length - 1))
        )
        if not chosen.any():
            continue
        parsed = _strptime(texts.filter(pa.array(chosen)), form)
        found = ~np.isnan(parsed)
        if 2 * found.sum() < chosen.sum():
            continue  # epoch numbers that look like the calendar's now and then
        times.put(rows[chosen], parsed)
        left &= ~chosen
        column.findings.note(column.name, f"times are digits, {form}", READ, found.sum())
    magnitude = np.median(np.abs(numbers[left])) if left.any() else 0
    for low, high, divisor, name in _EPOCHS:
        if low <= magnitude < high:
            chosen = left & (np.abs(numbers) < 100 * high)
            times.put(rows[chosen], _divide(texts, numbers, divisor)[chosen])
            column.findings.note(column.name, f"times are {name}", READ, chosen.sum())
    if _SPREADSHEET_DAYS[0] <= magnitude < _SPREADSHEET_DAYS[1]:
        chosen = left & (numbers >= _SPREADSHEET_DAYS[0]) & (numbers < _SPREADSHEET_DAYS[1])
        seconds = np.round(numbers[chosen] * DAY) + _SPREADSHEET_EPOCH
        times.put(rows[chosen], seconds)
        column.findings.note(
            column.name, "times are a spreadsheet's day numbers", READ, chosen.sum()
        )


def _divide(texts: pa.ChunkedArray, numbers: np.ndarray, divisor: int) -> np.ndarray:
    """Epoch seconds, whole ones exactly."""
    seconds = numbers / divisor
    limit = 253_402_300_799  # the last second of the year 9999
    return np.where(np.abs(seconds) <= limit, seconds, np.nan) if len(texts) else seconds


def _read_iso(texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    clocks, offset = _split_offset(texts)
    seconds = _seconds(pd.to_datetime(_series(clocks), format="ISO8601", errors="coerce"))
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


def _series(texts: pa.ChunkedArray) -> pd.Series:
    return pd.Series(pc.fill_null(texts, "").to_numpy(zero_copy_only=False), dtype=object)


def _seconds(parsed: pd.Series) -> np.ndarray:
    """(n,) float64, NaN for no time."""
    stamps = parsed.to_numpy(dtype="datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)


def _split_offset(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray]:
    """The clock's text, and the offset in minutes behind it (NaN where there is none)."""
    has_clock = pc.match_substring(texts, ":")
    candidates = pc.if_else(has_clock, texts, pa.scalar(None, pa.string()))
    zones = pc.struct_field(pc.extract_regex(candidates, _OFFSET), "zone")
    if zones.null_count == len(zones):
        return texts, np.full(len(texts), np.nan)
    offset = map_distinct(zones, _parse_offset, pa.float64()).to_numpy(zero_copy_only=False)
    clocks = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(texts, _OFFSET.replace("?P<zone>", "?:"), "")
    )
    return pc.if_else(pc.is_valid(zones), clocks, texts), offset


def _parse_offset(zone: str) -> float:
    digits = re.sub(r"[^\d+-]", "", zone)
    if not digits:
        return 0.0
    minutes = int(digits[1:3]) * 60 + int(digits[3:] or 0)
    return float(-minutes if digits[0] == "-" else minutes)


def _read_dates(
    column: Column, time_format: str | None, texts: pa.ChunkedArray, rows: np.ndarray, times: Times
) -> None:
    """25/12/2022 and its kin: the order is that of the whole column."""
    clocks, offset = _split_offset(texts)
    parts = pc.extract_regex(clocks, _NUMERIC_DATE)
    first, second, third = (
        pc.struct_field(parts, name).cast(pa.int64()).to_numpy() for name in ("a", "b", "c")
    )
    year_first = first > 31
    order = time_format or _find_order(column, first, second, year_first, texts)
    if order is None:
        times.is_refused = True
        return
    day, month = (first, second) if order == DAY_FIRST else (second, first)
    year = np.where(third < 100, third + np.where(third < 70, 2000, 1900), third)
    year = np.where(year_first, first, year)
    month, day = np.where(year_first, second, month), np.where(year_first, third, day)
    clock = [text or "00:00" for text in pc.struct_field(parts, "time").to_pylist()]
    written = [
        f"{y:04d}-{m:02d}-{d:02d} {c}" for y, m, d, c in zip(year, month, day, clock, strict=True)
    ]
    parsed = _parse_clocks(pd.Series(written, dtype=object))
    times.put(rows, parsed - np.nan_to_num(offset) * MINUTE, offset)


def _parse_clocks(written: pd.Series) -> np.ndarray:
    seconds = _seconds(pd.to_datetime(written, format="ISO8601", errors="coerce"))
    for form in (
        "%Y-%m-%d %I:%M %p",
        "%Y-%m-%d %I:%M:%S %p",
        "%Y-%m-%d %H.%M",
        "%Y-%m-%d %H.%M.%S",
    ):
        left = np.isnan(seconds)
        if not left.any():
            break
        seconds[left] = _seconds(pd.to_datetime(written[left], format=form, errors="coerce"))
    return seconds


def _find_order(
    column: Column,
    first: np.ndarray,
    second: np.ndarray,
    year_first: np.ndarray,
    texts: pa.ChunkedArray,
) -> str | None:
    """What no other reading allows; None, and refused, where both orders fit every cell."""
    if year_first.all():
        return DAY_FIRST
    day, month = (int(((part > 12) & ~year_first).sum()) for part in (first, second))
    dotted = pc.all(pc.match_substring_regex(texts, r"^\d+\.")).as_py()
    if day > month or (day == month == 0 and dotted):
        order = DAY_FIRST
    elif month > day:
        order = MONTH_FIRST
    elif day == 0 and (first == second).all():
        return DAY_FIRST
    else:
        shown = ", ".join(repr(text) for text in texts[:3].to_pylist())
        column.findings.refuse(
            f"{column.name}: days and months cannot be told apart ({shown}); say "
            f"data.table.columns.time_format: {DAY_FIRST}, {MONTH_FIRST}, or a format like "
            '"%d/%m/%Y %H:%M"'
        )
        return None
    column.findings.note(column.name, f"dates with the {order}", READ, len(texts))
    return order


def _read_named(column: Column, texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    """Dates with names of months, by the known formats, else by dateutil."""
    written = _series(texts)
    left = np.ones(len(rows), bool)
    for form in _NAMED:
        if not left.any():
            break
        parsed = _strptime_zoned(written[left], form)
        found = ~np.isnan(parsed[0])
        chosen = np.flatnonzero(left)[found]
        if len(chosen):
            times.put(rows[chosen], parsed[0][found], parsed[1][found])
            left[chosen] = False
            column.findings.note(
                column.name, f"times like {written[int(chosen[0])]}", READ, len(chosen)
            )
    if left.any():
        others = texts.filter(pa.array(left))
        pairs = pa.list_(pa.float64())
        found = map_distinct(others, _parse_with_dateutil, pairs).to_pylist()
        places = np.flatnonzero(left)
        read = [(places[i], pair) for i, pair in enumerate(found) if pair]
        for place, (seconds, offset) in read:
            times.put(rows[place], seconds, np.nan if offset is None else offset)
        if read:
            column.findings.note(
                column.name, f"times like {written[int(read[0][0])]}", READ, len(read)
            )


def _parse_with_dateutil(text: str) -> list[float | None] | None:
    """Seconds and offset; None unless the text itself says day, month and year."""
    if not re.search(r"\d", text):
        return None
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unknown zone is none
        for default in (datetime(2001, 2, 3), datetime(2006, 7, 8)):
            try:
                found.append(dateutil_parser.parse(text, default=default, tzinfos=_ZONES))
            except (ValueError, OverflowError, TypeError, Warning):
                return None
    if found[0] != found[1]:
        return None
    moment = found[0]
    offset = moment.utcoffset()
    seconds = (moment.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    if offset is None:
        return [seconds, None]
    return [seconds - offset.total_seconds(), offset.total_seconds() / MINUTE]


def _strptime(texts: pa.ChunkedArray, form: str) -> np.ndarray:
    return _seconds(pd.to_datetime(_series(texts), format=form, errors="coerce"))


def _strptime_zoned(written: pd.Series, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and offsets by a format that may hold %z."""
    if "%z" not in form:
        seconds = _seconds(pd.to_datetime(written, format=form, errors="coerce"))
        return seconds, np.full(len(written), np.nan)
    parsed = pd.to_datetime(written, format=form, errors="coerce", utc=True)
    seconds = _seconds(parsed.dt.tz_localize(None))
    zones = written.str.extract(r"([+-]\d\d:?\d\d|\bZ\b|UTC|GMT)", expand=False)
    offset = zones.map(_parse_offset, na_action="ignore").to_numpy(dtype=np.float64)
    return seconds, offset


def _read_format(
    texts: pa.ChunkedArray, filled: np.ndarray, time_format: str, times: Times
) -> None:
    rows = np.flatnonzero(filled)
    written = _series(texts.filter(pa.array(filled)))
    try:
        times.put(rows, *_strptime_zoned(written, time_format))
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


def _note_zones(column: Column, times: Times) -> None:
    """UTC in all cells is the exporting program's clock, which tells nothing of the poster's."""
    known = ~np.isnan(times.seconds)
    zoned = known & ~np.isnan(times.offset)
    if zoned.any() and not np.nan_to_num(times.offset)[known].any():
        times.offset[:] = np.nan
        column.findings.note(column.name, "times are in UTC, the poster's clock is not known", READ)
    elif zoned.any():
        column.findings.note(
            column.name, "times with a zone, kept as the poster's clock", READ, zoned.sum()
        )
    elif known.any() and pa.types.is_string(column.cells.type):
        column.findings.note(column.name, "times without a zone, taken as the poster's clock", READ)
