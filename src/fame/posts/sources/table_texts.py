"""Cells -> texts, ids and categories; the words for missing are missing everywhere."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.contract import CHALLENGE, SPLITS
from fame.posts.findings import KEPT, MISSING, NOTICED, READ, Column

# How files write that there is no value: pandas' own list, MySQL, JavaScript and Excel.
WORDS = (
    *("nan", "NaN", "-nan", "-NaN", "None", "null", "NULL", "NA", "N/A", "n/a", "<NA>", "NaT"),
    *("#N/A", "#N/A N/A", "#NA", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "Nan", "NAN", "Null"),
    *("\\N", "(null)", "undefined", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!"),
)
# Among authors these are nobody, in small letters, in capitals, and in brackets too.
_NOBODY_WORDS = (
    *("none", "unknown", "anonymous", "anon", "nil", "deleted", "removed", "anonym", "unbekannt"),
    *("anonyme", "inconnu", "anónimo", "desconocido", "anonimo", "sconosciuto", "anônimo"),
    *("desconhecido", "anoniem", "onbekend", "okänd", "ukendt", "ukjent", "аноним", "неизвестно"),
)
NOBODY = (
    *WORDS,
    *("-", "--", "---", "–", "—", "?", "???", ".", "...", "n.a.", "N.A.", "n. a.", "N. A.", "n.d."),
    *("k.A.", "k. A.", "k.a.", "K.A.", "s/d", "#NV", "nicht bekannt", "not available"),
    *(
        form(word)
        for plain in _NOBODY_WORDS
        for word in (plain, f"({plain})", f"[{plain}]", f"<{plain}>")
        for form in (str.lower, str.title, str.upper)
    ),
)
# In a column of numbers or times these can mean nothing else either.
NUMERIC_WORDS = (*NOBODY, "na", "nat", "missing", "Missing")
# Other words for the parts of a split.
PARTS = {
    "fit": ("train", "training", "tr"),
    "holdout": ("test", "testing", "val", "valid", "validation", "dev", "eval"),
}
TESTS = ("test", "testing")  # those without a label are to be predicted
EXACT = 2**53  # floats beyond it no longer hold every whole number
EXCEL_DIGITS = 15
_FLOAT_ID = r"^\s*[+-]?(\d([.,]\d+)?[eE]\+\d\d|\d[.,]\d+[eE]\d\d|\d{16,}\.0*)\s*$"
_READ_TWICE = r"Ã[\x{80}-\x{bf}‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€"  # what UTF-8 looks like as cp1252
_MARKUP = r"(?i)</(?:p|a|div|span|b|i|strong|em|li)>|<br ?/?>"
NOTHING = pa.scalar(None, pa.string())


def to_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Typed cells as texts: whole numbers without a point, times as ISO 8601."""
    kind = cells.type
    if pa.types.is_string(kind):
        return cells
    if pa.types.is_list(kind):
        texts = [
            None if v is None else json.dumps(v, ensure_ascii=False) for v in cells.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_floating(kind):
        known = pc.if_else(pc.is_nan(cells), pa.scalar(None, kind), cells).cast(pa.float64())
        texts = [
            None if v is None else f"{v:.0f}" if v.is_integer() else repr(v)
            for v in known.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return cells.cast(pa.string())


def drop_words(
    column: Column, words: tuple[str, ...] = WORDS, *, numeric: bool = False, note: bool = True
) -> pa.ChunkedArray:
    """Null for empty cells and for words that mean missing, which are counted."""
    texts = to_texts(column.cells)
    trimmed = pc.utf8_trim_whitespace(texts)
    is_word = pc.is_in(trimmed, value_set=pa.array(NUMERIC_WORDS if numeric else words))
    is_missing = pc.or_(is_word, pc.equal(trimmed, ""))
    if note:
        column.note("words for a missing value", MISSING, is_word)
    return pc.if_else(is_missing, NOTHING, trimmed if numeric else texts)


def read_texts(column: Column) -> pa.ChunkedArray:
    """Any text as it is."""
    if pa.types.is_string(column.cells.type):
        _note_read_twice(column)
        markup = pc.match_substring_regex(column.cells, _MARKUP)
        column.note("texts with HTML in them, kept as they are", NOTICED, markup)
    return drop_words(column)


def _note_read_twice(column: Column) -> None:
    """Texts of UTF-8 that another program took for cp1252 and wrote again, such as Ã©."""
    if not any(has_any(pc.match_substring(column.cells, mark)) for mark in ("Ã", "â€")):
        return
    odd = pc.match_substring_regex(column.cells, _READ_TWICE)
    column.note("texts that another program read in a wrong encoding", NOTICED, odd)


def read_names(column: Column, words: tuple[str, ...] = WORDS) -> pa.ChunkedArray:
    """Categories and paths: white space around them is dropped."""
    texts = drop_words(column, words)
    trimmed = pc.utf8_trim_whitespace(texts)
    column.note(
        "texts with white space around them, read without it", KEPT, pc.not_equal(texts, trimmed)
    )
    return trimmed


def read_ids(column: Column, what: str) -> pa.ChunkedArray:
    """Names that must be exact; what has lost digits is refused.

    Args:
        column: its cells.
        what: "ids", "authors".
    """
    _refuse_lost_digits(column, what)
    return read_names(column, NOBODY if what == "authors" else WORDS)


def _refuse_lost_digits(column: Column, what: str) -> None:
    cells = column.cells
    how = "write them as text (in pandas: read_csv(..., dtype=str)) and export again"
    if pa.types.is_floating(cells.type):
        limit = 2**24 if pa.types.is_float32(cells.type) else EXACT
        lost = pc.greater_equal(pc.abs(cells.cast(pa.float64())), float(limit))
        origin = f"are floats beyond 2^{limit.bit_length() - 1} and no longer exact"
    elif pa.types.is_string(cells.type):
        lost = pc.match_substring_regex(cells, _FLOAT_ID)
        origin = "are written as floats (1.5e+17) and no longer exact"
        if not pc.any(lost).as_py():
            lost, origin = (
                _find_rounded(cells),
                f"end in zeros after {EXCEL_DIGITS} digits, as Excel writes numbers",
            )
    else:
        return
    rows = np.flatnonzero(pc.fill_null(lost, False).to_numpy())
    if len(rows):
        shown = ", ".join(
            f"{column.findings.unit} {column.numbers[row]}: {cells[int(row)].as_py()!r}"
            for row in rows[:3]
        )
        column.findings.refuse(f"{column.name}: {len(rows):,} {what} {origin} ({shown}); {how}")


def _find_rounded(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Long whole numbers, if all of them (three or more) are zeros behind the fifteenth digit."""
    is_other = pc.greater(pc.utf8_length(cells), EXCEL_DIGITS + 1)
    is_other = pc.and_(is_other, pc.invert(pc.ends_with(cells, "00")))
    row = pc.index(is_other, True).as_py()
    if row >= 0 and cells[row].as_py().isdecimal():
        return pc.and_(is_other, False)
    is_long = pc.match_substring_regex(cells, rf"^\d{{{EXCEL_DIGITS + 2},}}$")
    rounded = pc.match_substring_regex(cells, rf"^\d{{{EXCEL_DIGITS}}}00+$")
    counts = [pc.sum(chosen).as_py() or 0 for chosen in (is_long, rounded)]
    return rounded if counts[0] == counts[1] >= 3 else pc.and_(rounded, False)


def read_split(column: Column, is_labelled: pa.ChunkedArray) -> pa.ChunkedArray:
    """fit, holdout or challenge in each row; other words are refused, not masked.

    Train and its kin are fit, test and its kin holdout; a test post without a label (n bool) is
    to be predicted.
    """
    words = pc.utf8_lower(pc.utf8_trim_whitespace(to_texts(column.cells)))
    is_test = pc.fill_null(pc.is_in(words, value_set=pa.array(TESTS)), False)
    is_open = pc.and_(is_test, pc.invert(is_labelled))
    column.note(f"{TESTS[0]} posts without a label, read as {CHALLENGE}", READ, is_open)
    words = pc.if_else(is_open, CHALLENGE, words)
    for part, others in PARTS.items():
        is_other = pc.is_in(words, value_set=pa.array(others))
        column.note(f"parts named otherwise, read as {part}", READ, is_other)
        words = pc.if_else(is_other, part, words)
    chosen = pc.invert(pc.fill_null(pc.is_in(words, value_set=pa.array(SPLITS)), False))
    rows = np.flatnonzero(chosen.to_numpy())
    if len(rows):
        shown = ", ".join(
            f"{column.findings.unit} {column.numbers[row]}: {words[int(row)].as_py()!r}"
            for row in rows[:3]
        )
        column.findings.refuse(
            f"{column.name}: {len(rows):,} cells name no part ({shown}), "
            f"expected one of {', '.join(SPLITS)}"
        )
    return words


def has_any(chosen: pa.ChunkedArray) -> bool:
    """Whether one is chosen."""
    return bool(pc.any(chosen).as_py())
