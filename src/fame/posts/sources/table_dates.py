"""Dates that are no ISO 8601: in words, or in an order that the whole column tells."""

import re
import warnings
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from dateutil import parser as dateutil_parser

from fame.posts.findings import READ, Column, map_distinct

MINUTE = 60


LATEST_YEAR = 30  # of two digits; a larger number is a day
MOST_YEARS = 15  # that posts span: last numbers further apart are no years
DAY_FIRST = "day first"


MONTH_FIRST = "month first"


NUMERIC_DATE = (
    r"^(?P<a>\d{1,4})(?P<mark>[/.\-])\s?(?P<b>\d{1,2})[/.\-]\s?(?P<c>\d{4}|\d{2})\.?"
    r"(?:[^\d:]{1,8}(?P<time>\d.*))?$"
)


_OFFSET = r"(?i)(?P<zone>Z|UTC|GMT|(?:(?:UTC|GMT)?\s*[+-]\d\d?(?::?\d\d)?))$"
_SIGNED = re.compile(r"([+-])(\d\d?):?(\d\d)?")
FARTHEST = 14 * 60  # minutes from UTC that a clock is


# GMT+2 and (UTC-05:30) behind a clock, and the zone's name in brackets behind them.
_HAS_SPELT_ZONE = r"(?i)\b(?:UTC|GMT)\s*[+\-−–]\s*\d"
_SPELT_ZONE = re.compile(
    r"(?i)(?P<before>.*(?:\d[:h]\d\d|\d\s*[ap]\.?m).*?)"
    r"\(?(?<![/\w])(?:UTC|GMT)\s*(?P<sign>[+\-−–])\s*(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?"
    r"(?![\d:])\)?(?:\s*\([^)]*\))?"
)


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


class _Words(dateutil_parser.parserinfo):
    """The months of some more languages, and what stands between day, month, year and clock."""

    MONTHS = [  # noqa: RUF012  # as dateutil has it
        tuple(names.split())
        for names in (
            "jan january januar janvier janv enero ene gennaio gen janeiro januari",
            "feb february februar février févr fév febrero febbraio fevereiro fev februari",
            "mar march märz mär mrz mars marzo março maart",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag maio mei",
            "jun june juni juin junio giugno giu junho",
            "jul july juli juillet juil julio luglio lug julho",
            "aug august août aoû agosto ago augustus",
            "sep sept september septembre septiembre settembre set setembro",
            "oct october oktober okt octobre octubre ottobre ott outubro out",
            "nov november novembre noviembre novembro",
            "dec december dezember dez décembre déc diciembre dic dicembre dezembro",
        )
    ]
    JUMP = [*dateutil_parser.parserinfo.JUMP, "de", "del", "um", "uhr", "à", "le"]  # noqa: RUF012


# What dateutil reads with the sign turned round, as POSIX has it.
_NAME_AND_SIGN = re.compile(rf"\b(?:Z|{'|'.join(_ZONES)})\s*[+\-−–]\s*\d", re.IGNORECASE)
_WORDS = _Words()
_PARSER = dateutil_parser.parser(_WORDS)


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
        self,
        rows: np.ndarray,
        seconds: np.ndarray | float,
        offset: np.ndarray | float = np.nan,
    ) -> None:
        """Times of some rows."""
        self.seconds[rows] = seconds
        self.offset[rows] = offset


def to_series(texts: pa.ChunkedArray) -> pd.Series:
    """(n,) texts, "" for null."""
    return pd.Series(pc.fill_null(texts, "").to_numpy(zero_copy_only=False), dtype=object)


def to_seconds(parsed: pd.Series) -> np.ndarray:
    """(n,) float64, NaN for no time."""
    stamps = parsed.to_numpy(dtype="datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) / 1e6)


def split_offset(texts: pa.ChunkedArray) -> tuple[pa.ChunkedArray, np.ndarray]:
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
    return pc.if_else(pa.array(~np.isnan(offset)), clocks, texts), offset


def has_offset(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether an offset stands behind the clock, be it a possible one or not."""
    found = pc.match_substring_regex(texts, _OFFSET.replace("?P<zone>", "?:"))
    return pc.fill_null(pc.and_(pc.match_substring(texts, ":"), found), False)


def _parse_offset(zone: str) -> float | None:
    """Minutes east of UTC; None for more than a clock can have."""
    signed = _SIGNED.search(zone)
    if not signed:
        return 0.0
    minutes = int(signed[2]) * 60 + int(signed[3] or 0)
    if minutes > FARTHEST:
        return None
    return float(-minutes if signed[1] == "-" else minutes)


def spell_zones(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """GMT+2 behind a clock as +02:00: two hours east, whatever POSIX makes of it."""
    has_zone = pc.fill_null(pc.match_substring_regex(texts, _HAS_SPELT_ZONE), False)
    if not pc.any(has_zone).as_py():
        return texts
    chosen = pc.if_else(has_zone, texts, pa.scalar(None, pa.string()))
    spelt = pa.chunked_array([map_distinct(chosen, _spell_zone, pa.string())])
    return pc.if_else(has_zone, spelt, texts)


def _spell_zone(text: str) -> str:
    found = _SPELT_ZONE.match(text)
    if not found:
        return text
    sign = "+" if found["sign"] == "+" else "-"
    offset = f"{sign}{int(found['hours']):02d}:{found['minutes'] or '00'}"
    return f"{found['before'].rstrip()} {offset}{text[found.end() :]}"


def read_dates(
    column: Column, time_format: str | None, texts: pa.ChunkedArray, rows: np.ndarray, times: Times
) -> None:
    """25/12/2022 and its kin: the order is that of the whole column."""
    clocks, offset = split_offset(texts)
    parts = pc.extract_regex(clocks, NUMERIC_DATE)
    first, second, third = (
        pc.struct_field(parts, name).cast(pa.int64()).to_numpy() for name in ("a", "b", "c")
    )
    is_short = not time_format and _starts_with_short_years(first, second, third, texts)
    year_first = (first > 31) | is_short
    could_be_years = is_short and third.max() <= LATEST_YEAR
    order = time_format or _find_order(column, first, second, year_first, texts)
    if order is None or could_be_years:
        _refuse(column, texts)
        times.is_refused = True
        return
    day, month = (first, second) if order == DAY_FIRST else (second, first)
    year = np.where(year_first, first, third)
    year = np.where(year < 100, year + np.where(year < 70, 2000, 1900), year)
    month, day = np.where(year_first, second, month), np.where(year_first, third, day)
    clock = [_spell_clock(text or "00:00") for text in pc.struct_field(parts, "time").to_pylist()]
    written = [
        f"{y:04d}-{m:02d}-{d:02d} {c}" for y, m, d, c in zip(year, month, day, clock, strict=True)
    ]
    parsed = _parse_clocks(pd.Series(written, dtype=object))
    times.put(rows, parsed - np.nan_to_num(offset) * MINUTE, offset)


def _starts_with_short_years(
    first: np.ndarray, second: np.ndarray, third: np.ndarray, texts: pa.ChunkedArray
) -> bool:
    """Whether these are 22/01/31, 22/03/02: their last numbers lie too far apart for years."""
    if (
        _is_dotted(texts)
        or (first > 31).any()
        or not _is_month(second)
        or not ((third >= 1) & (third <= 31)).all()
    ):
        return False
    return bool(np.ptp(first) <= MOST_YEARS < np.ptp(third))


def _is_month(part: np.ndarray) -> bool:
    return bool(((part >= 1) & (part <= 12)).all())


def _is_dotted(texts: pa.ChunkedArray) -> bool:
    """Dots stand between days and months, where the day is first."""
    return bool(pc.all(pc.match_substring_regex(texts, r"^\d+\.")).as_py())


def _spell_clock(text: str) -> str:
    """5.30 p.m. as 5:30 PM; 17h30 and 17.30 Uhr as 17:30."""
    text = re.sub(r"(?i)\s*([ap])\.?\s?m\.?$", r" \1M", text).upper()
    text = re.sub(r"\s*(UHR|HRS?|H)\.?$", "", text)
    return text if ":" in text else re.sub(r"(\d)\s?[H.]\s?(?=\d\d)", r"\1:", text)


def _parse_clocks(written: pd.Series) -> np.ndarray:
    seconds = to_seconds(pd.to_datetime(written, format="ISO8601", errors="coerce"))
    for form in (
        "%Y-%m-%d %I:%M %p",
        "%Y-%m-%d %I:%M:%S %p",
        "%Y-%m-%d %I %p",
    ):
        left = np.isnan(seconds)
        if not left.any():
            break
        seconds[left] = to_seconds(pd.to_datetime(written[left], format=form, errors="coerce"))
    return seconds


def _find_order(
    column: Column,
    first: np.ndarray,
    second: np.ndarray,
    year_first: np.ndarray,
    texts: pa.ChunkedArray,
) -> str | None:
    """What no other reading allows; None where both orders fit every cell."""
    if year_first.all():
        if first.max() < 100:
            column.findings.note(column.name, "dates with the year first", READ, len(texts))
        return DAY_FIRST
    day, month = (int(((part > 12) & ~year_first).sum()) for part in (first, second))
    if day > month or (day == month == 0 and _is_dotted(texts)):
        order = DAY_FIRST
    elif month > day:
        order = MONTH_FIRST
    elif day == 0 and (first == second).all():
        return DAY_FIRST
    else:
        return None
    column.findings.note(column.name, f"dates with the {order}", READ, len(texts))
    return order


def read_named(column: Column, texts: pa.ChunkedArray, rows: np.ndarray, times: Times) -> None:
    """Dates with names of months, by the known formats, else by dateutil."""
    written = to_series(texts)
    left = np.ones(len(rows), bool)
    for form in _NAMED:
        if not left.any():
            break
        parsed = strptime_zoned(written[left], form)
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
    """Seconds and offset; None unless the text itself says day, month and year.

    Without a month's name or a year in front the order would be a guess, cell by cell.
    """
    is_told = re.match(r"\d{4}", text) or any(map(_WORDS.month, re.findall(r"[^\W\d_]+", text)))
    if not is_told or not re.search(r"\d", text) or _NAME_AND_SIGN.search(text):
        return None
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an unknown zone is none
        for default in (datetime(2001, 2, 3), datetime(2006, 7, 8)):
            try:
                found.append(_PARSER.parse(text, default=default, tzinfos=_ZONES))
                offset = found[-1].utcoffset()
            except (ValueError, OverflowError, TypeError, Warning):
                return None
    moment = found[0]
    if found[0] != found[1] or (offset and abs(offset.total_seconds()) > FARTHEST * MINUTE):
        return None
    seconds = (moment.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
    if offset is None:
        return [seconds, None]
    return [seconds - offset.total_seconds(), offset.total_seconds() / MINUTE]


def strptime(texts: pa.ChunkedArray, form: str) -> np.ndarray:
    """(n,) float64 seconds by a format, NaN where it does not fit."""
    return to_seconds(pd.to_datetime(to_series(texts), format=form, errors="coerce"))


def strptime_zoned(written: pd.Series, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and offsets by a format that may hold %z."""
    if "%z" not in form:
        seconds = to_seconds(pd.to_datetime(written, format=form, errors="coerce"))
        return seconds, np.full(len(written), np.nan)
    parsed = pd.to_datetime(written, format=form, errors="coerce", utc=True)
    seconds = to_seconds(parsed.dt.tz_localize(None))
    zones = written.str.extract(r"([+-]\d\d:?\d\d|\bZ\b|UTC|GMT)", expand=False)
    offset = zones.map(_parse_offset, na_action="ignore").to_numpy(dtype=np.float64)
    return seconds, offset


def _refuse(column: Column, texts: pa.ChunkedArray) -> None:
    shown = ", ".join(repr(text) for text in texts[:3].to_pylist())
    column.findings.refuse(
        f"{column.name}: days and months cannot be told apart ({shown}); say "
        f"data.table.columns.time_format: {DAY_FIRST}, {MONTH_FIRST}, or a format like "
        '"%d/%m/%Y %H:%M"'
    )
