"""Cells -> numbers, as they are written over the whole column.

Whether a comma or a dot marks the decimals is decided by the cells that leave no doubt, of the
column or, where it has none, of the file's other columns of numbers. Where nothing tells, 1.741 has
decimals and 1,741 has none, and that is said.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import KEPT, NOTICED, READ, SHOWN, Column, map_distinct
from fame.posts.sources.table_texts import drop_words

PLAIN = r"^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
WHOLE = r"^-?\d+$"
FLAGS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0, "y": 1.0, "n": 0.0}
# Yes and no elsewhere. These are words of other things too (ja is Japanese, no Norwegian), and so
# they count only where all words of a column are of one language.
PAIRS = (
    *(("ja", "nein"), ("ja", "nej"), ("ja", "nei"), ("ja", "nee"), ("oui", "non"), ("sí", "no")),
    *(("si", "no"), ("sì", "no"), ("sim", "não"), ("sim", "nao"), ("да", "нет"), ("так", "ні")),
    *(("tak", "nie"), ("ano", "ne"), ("igen", "nem"), ("evet", "hayır"), ("evet", "hayir")),
    *(
        ("是", "否"),
        ("はい", "いいえ"),
        ("예", "아니요"),
        ("예", "아니오"),
        ("wahr", "falsch"),
        ("vrai", "faux"),
    ),
    *(("vero", "falso"), ("verdadero", "falso"), ("verdadeiro", "falso"), ("waar", "onwaar")),
    *(("sant", "falskt"), ("sand", "falsk"), ("истина", "ложь"), ("prawda", "fałsz")),
)
SCALES = {
    **{"k": 1e3, "tsd": 1e3, "千": 1e3, "万": 1e4, "萬": 1e4, "만": 1e4, "m": 1e6, "mio": 1e6},
    **{"mln": 1e6, "亿": 1e8, "億": 1e8, "억": 1e8, "b": 1e9, "bn": 1e9, "mrd": 1e9, "t": 1e12},
}
_SCALE = "|".join(sorted(SCALES, key=len, reverse=True))
_SPACES = "  \u00a0\u2009\u202f\u2007'’"
# Currency signs, as ranges: to ask for the category of every character takes .2 s at import.
_SIGNS = (
    "$\u00a2-\u00a5\u058f\u060b\u07fe\u07ff\u09f2\u09f3\u09fb\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20c0"
    "\ua838\ufdfc\ufe69\uff04\uffe0\uffe1\uffe5\uffe6\U00011fdd-\U00011fe0\U0001e2ff\U0001ecb0"
)
_MONEY = (
    rf"(?:[A-Z]{{0,3}}[{_SIGNS}]|Rs\.?|kr\.?|zł|Kč|Ft|元|円|원|USD|EUR|GBP|JPY|CNY|INR|KRW|BRL|CAD|"
    "AUD|NZD|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RUB|TRY|MXN|ZAR|SGD|HKD|TWD|THB|IDR|PHP|VND)"
)
_PARTS = re.compile(
    rf"(?P<sign>[+\-−–]?)\s*(?P<money>{_MONEY})?\s*(?P<digits>\d[\d.,{_SPACES}]*|[.,]\d+)"
    rf"\s*(?:(?P<scale>(?i:{_SCALE}))\.?\+?)?\s*(?P<after>%|{_MONEY})?"
)
_IN_THREES = r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$"  # 1.741 may be 1741
_SHORT = r"^[+-]?\d{1,3}$"
_SPACED = re.compile(rf"\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d+)?")
# One mark and not three digits behind it: decimals, whatever the other cells have.
_OTHER_DECIMALS = re.compile(r"\d*[.,](\d{1,2}|\d{4,})|0[.,]\d+")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d\d(?:\.\d+)?)")
_ISO_DURATION = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
EXPECTED = "a number"
MONEY = "amounts of money"
LARGEST = float(np.finfo(np.float32).max)  # features are float32


@dataclass(frozen=True)
class Evidence:
    """How many distinct cells leave no doubt that a mark stands before decimals."""

    comma: int = 0
    dot: int = 0

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(self.comma + other.comma, self.dot + other.dot)

    def mark(self) -> str | None:
        """The mark of decimals, None where nothing tells."""
        if self.comma == self.dot:
            return "." if self.dot else None
        return "," if self.comma > self.dot else "."


def weigh(column: Column) -> Evidence:
    """What the cells of a column tell about its decimals."""
    cells = column.cells
    if not pa.types.is_string(cells.type):
        return Evidence()
    cells = cells.filter(pc.match_substring_regex(cells, r"\d"))  # n.a. has a dot too
    marked = pc.or_(pc.match_substring(cells, ","), pc.greater(pc.count_substring(cells, "."), 1))
    if not _any(marked):
        return _weigh_threes(cells, ".")
    texts = pc.unique(cells).drop_null().to_pylist()
    found = sum(map(_weigh_text, texts), Evidence())
    return found if found.mark() else _weigh_threes(cells, ",")


def _weigh_threes(cells: pa.ChunkedArray, mark: str) -> Evidence:
    """1.741 beside 999, and never 1741 or 1.5, has a separator of thousands."""
    if not _all_in_threes(cells, mark):
        return Evidence()
    marked = pc.match_substring(cells, mark)
    others = cells.filter(pc.invert(marked)).drop_null()
    whole = others.filter(pc.match_substring_regex(others, r"^[+-]?\d+$"))
    if not len(whole) or not pc.all(pc.match_substring_regex(whole, _SHORT)).as_py():
        return Evidence()
    return Evidence(dot=1) if mark == "," else Evidence(comma=1)


def _all_in_threes(cells: pa.ChunkedArray, mark: str) -> bool:
    """Whether a mark stands in some cells, always before the last three digits."""
    is_marked = pc.match_substring(cells, mark)
    first = pc.index(is_marked, True).as_py()
    if first < 0 or not re.match(_IN_THREES, cells[first].as_py()):
        return False
    return bool(pc.all(pc.match_substring_regex(cells.filter(is_marked), _IN_THREES)).as_py())


def _any(chosen: pa.ChunkedArray) -> bool:
    return bool(pc.any(chosen).as_py())


def _weigh_text(text: str) -> Evidence:
    parts = _PARTS.fullmatch(text.strip())
    if not parts:
        return Evidence()
    digits = re.sub(rf"[{_SPACES}]", "", parts["digits"])
    commas, dots = digits.count(","), digits.count(".")
    if commas and dots:
        return Evidence(comma=1) if digits.rindex(",") > digits.rindex(".") else Evidence(dot=1)
    if commas + dots > 1:  # groups of thousands: the other mark is that of decimals
        return Evidence(dot=1) if commas else Evidence(comma=1)
    if not commas + dots:
        return Evidence()
    whole, decimals = re.split("[.,]", digits)
    if len(decimals) == 3 and 0 < len(whole) < 4 and not whole.startswith("0"):
        return Evidence()
    return Evidence(comma=1) if commas else Evidence(dot=1)


def read_numbers(
    column: Column, mark: str | None, *, note: bool = True, scaled: bool = True
) -> pa.ChunkedArray:
    """Finite float64, null where there is none.

    Args:
        column: its cells.
        mark: what stands before decimals, where the column's own cells or others tell.
        note: False where the caller only tries whether these are numbers.
        scaled: also read 1.2K, 12.5 %, money and durations.

    Bad cells are noted in the column's findings.
    """
    cells = column.cells
    if pa.types.is_boolean(cells.type):
        return cells.cast(pa.int8()).cast(pa.float64())
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        return _finite(column, cells.cast(pa.float64(), safe=False))
    if not pa.types.is_string(cells.type):
        column.bad("cells that are no number", EXPECTED, pc.is_valid(cells))
        return pa.chunked_array([pa.nulls(len(cells), pa.float64())])
    texts = drop_words(column, numeric=True, note=note)
    if mark is None and note:
        _doubt_threes(column, texts)
    plain = _match_plain(texts, mark)
    if plain is None:
        return _finite(column, texts.cast(pa.float64()))
    values = pc.if_else(plain, texts, pa.scalar(None, pa.string())).cast(pa.float64())
    others = pc.if_else(plain, pa.scalar(None, pa.string()), texts)
    return _finite(column, _read_others(column, values, others, mark or ".", scaled))


def _doubt_threes(column: Column, texts: pa.ChunkedArray) -> None:
    for mark, read in ((".", "decimals"), (",", "a thousands separator")):
        if _all_in_threes(texts, mark):
            what = f"numbers whose {'dot' if mark == '.' else 'comma'} is taken as {read}"
            column.note(what, NOTICED, pc.match_substring(texts, mark))


def _match_plain(texts: pa.ChunkedArray, mark: str | None) -> pa.ChunkedArray | None:
    """Which cells are written as a computer does; None if all are."""
    if mark != ",":
        try:
            texts.cast(pa.float64())
        except pa.ArrowInvalid:
            return pc.match_substring_regex(texts, PLAIN)
        return None
    return pc.match_substring_regex(texts, WHOLE)


def _read_others(
    column: Column,
    values: pa.ChunkedArray,
    others: pa.ChunkedArray,
    mark: str,
    scaled: bool,
) -> pa.ChunkedArray:
    """Fill in what is written in another way; each way is noted."""
    is_left = pc.is_valid(others)
    for what, parse in _ways(mark, scaled, _find_flags(others)):
        found = pa.chunked_array([map_distinct(others, parse, pa.float64())])
        is_found = pc.is_valid(found)
        if not _any(is_found):
            continue
        column.note(what, READ if what.startswith("true") else KEPT, is_found)
        if what == MONEY:
            _compare_currencies(column, others, is_found)
        values = pc.coalesce(values, found)
        others = pc.if_else(is_found, pa.scalar(None, pa.string()), others)
        is_left = pc.is_valid(others)
    column.bad("cells that are no number", EXPECTED, is_left)
    return values


def _compare_currencies(column: Column, texts: pa.ChunkedArray, is_money: pa.ChunkedArray) -> None:
    """Amounts are not exchanged into one another."""
    found = pc.unique(texts.filter(is_money)).to_pylist()
    names = {re.sub(rf"[\d.,+\-−–\s{_SPACES}]", "", text) for text in found}
    if len(names) > 1:
        what = f"amounts in {len(names)} currencies ({', '.join(sorted(names)[:SHOWN])})"
        column.note(f"{what}, none exchanged", NOTICED, is_money)


def _find_flags(texts: pa.ChunkedArray) -> dict[str, float]:
    """Words for true and false: the usual ones, and those of the language that all cells are in."""
    words = {text.lower() for text in pc.unique(texts).drop_null().to_pylist()}
    pairs = [pair for pair in PAIRS if words and words <= set(pair)]
    return {**FLAGS, **{word: 1.0 - place for pair in pairs for place, word in enumerate(pair)}}


def _ways(
    mark: str, scaled: bool, flags: dict[str, float]
) -> Iterable[tuple[str, Callable[[str], float | None]]]:
    words = {",": "decimal commas, dots between thousands", ".": "thousands separators"}
    others = {
        ",": "decimal points, in a column that also has commas",
        ".": "decimal commas, in a column that also has points",
    }
    ways: list[tuple[str, Callable[[str], float | None]]] = [
        ("true and false as 1 and 0", lambda text: flags.get(text.lower())),
        ("numbers in other digits or signs", _parse_spelled),
        (f"numbers with {words[mark]}", partial(_parse_parts, mark=mark, allowed="")),
        (f"numbers with {others[mark]}", partial(_parse_other_mark, mark=mark)),
    ]
    if scaled:
        ways += [
            ("percentages, 12.5 % as 0.125", partial(_parse_parts, mark=mark, allowed="%")),
            (MONEY, partial(_parse_parts, mark=mark, allowed="$")),
            ("short counts, 1.2K as 1200", partial(_parse_parts, mark=mark, allowed="k")),
            ("durations, as seconds", _parse_duration),
        ]
    return ways


def _parse_spelled(text: str) -> float | None:
    """Full-width and other scripts' digits, a typographic minus, a plus."""
    plain = unicodedata.normalize("NFKC", text).replace("−", "-").removeprefix("+")
    return float(plain) if re.fullmatch(WHOLE, plain) else None


def _parse_parts(text: str, mark: str, allowed: str) -> float | None:
    parts = _PARTS.fullmatch(text)
    if not parts:
        return None
    is_percent = parts["after"] == "%"
    is_money = bool(parts["money"] or (parts["after"] and not is_percent))
    is_scaled = bool(parts["scale"])
    if {
        "": is_percent or is_money or is_scaled,
        "%": not is_percent or is_scaled or is_money,
        "$": not is_money,
        "k": not is_scaled or is_percent,
    }[allowed]:
        return None
    number = _parse_digits(parts["digits"].strip(), mark)
    if number is None:
        return None
    sign = -1 if parts["sign"] in ("-", "−", "–") and parts["sign"] else 1
    scale = SCALES[parts["scale"].lower()] if is_scaled else 1.0
    return float(sign * number * scale) / (100 if is_percent else 1)


def _parse_other_mark(text: str, mark: str) -> float | None:
    """A number whose decimals can only stand behind the mark that the column does not use."""
    digits = text.lstrip("+-")
    if not _OTHER_DECIMALS.fullmatch(digits) or mark in digits:
        return None
    return float(text.replace(",", "."))


def _parse_digits(digits: str, mark: str) -> float | None:
    """Digits with groups of thousands; None where the groups are none."""
    if re.search(f"[{_SPACES}]", digits):
        if not _SPACED.fullmatch(digits):
            return None
        digits = re.sub(f"[{_SPACES}]", "", digits)
    group = "." if mark == "," else ","
    whole, found, decimals = digits.partition(mark)
    if mark in decimals or group in decimals:
        return None
    if not found and _OTHER_DECIMALS.fullmatch(digits):
        return None
    if group in whole:
        groups = whole.split(group)
        is_grouped = 0 < len(groups[0]) < 4 and len(groups[-1]) == 3
        if not is_grouped or not all(2 <= len(part) <= 3 for part in groups[1:]):
            return None
        whole = "".join(groups)
    return float(f"{whole or 0}.{decimals or 0}" if found else whole)


def _parse_duration(text: str) -> float | None:
    """Seconds of 1:30, 1:02:03 or PT1M30S."""
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    iso = _ISO_DURATION.fullmatch(text)
    if not iso or not any(iso.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return 86_400 * days + 3600 * hours + 60 * minutes + seconds


def _finite(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null for what is no number at all; infinite values, and too large ones, are bad cells."""
    numbers = values.to_numpy()
    outside = np.abs(numbers) > LARGEST
    if outside.any():
        column.bad(
            "infinite or too large numbers", f"a finite number, at most {LARGEST:.1e}", outside
        )
    elif not np.isnan(numbers).any():
        return values
    return pa.chunked_array([pa.array(np.where(outside, np.nan, numbers), from_pandas=True)])
