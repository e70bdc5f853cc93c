"""Cells -> texts, ids, categories and tags; the words for missing are missing everywhere."""

import ast
import csv
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.contract import CHALLENGE, SPLITS
from fame.posts.findings import (
    MISSING,
    NOTICED,
    READ,
    REPAIRED,
    Column,
    map_distinct,
)

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
SEPARATORS = ("|", ";", ",", "\n", "，", "、", "；", "·", "•", " / ")
_FLOAT_ID = r"^\s*[+-]?(\d([.,]\d+)?[eE]\+\d\d|\d[.,]\d+[eE]\d\d|\d{16,}\.0*)\s*$"
# Lists, sets, tuples, and lists that were cut off; `(one) two (three)` is none.
_LIST = r"(?s)^\s*(\[.*\]|\{[^{}]*\}|\([^()]*\)|[\[{(]\s*['\"{].*)\s*$"
# An object that describes a tag has it under one of these; an object without a text has its tags
# as keys, and counts.
_TAG_KEYS = ("text", "tag", "name", "hashtag", "raw", "label", "title", "keyword", "slug", "value")
_COUNT = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?|true|false", re.IGNORECASE)
_OBJECT = re.compile(r"\[\s*\{|\{\s*(['\"]).*?\1\s*:", re.DOTALL)
_SEVERAL_FILES = r"(?is)(\.(?:jpe?g|png|gif|webp|bmp))[\"']?\s*[,;|].*$"
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_READ_TWICE = r"Ã[\x{80}-\x{bf}‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€"  # what UTF-8 looks like as cp1252
_NOTHING = pa.scalar(None, pa.string())


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
    return pc.if_else(is_missing, _NOTHING, trimmed if numeric else texts)


def read_texts(column: Column) -> pa.ChunkedArray:
    """Any text as it is."""
    if pa.types.is_string(column.cells.type):
        _note_read_twice(column)
    return drop_words(column)


def _note_read_twice(column: Column) -> None:
    """Texts of UTF-8 that another program took for cp1252 and wrote again, such as Ã©."""
    if not any(_any(pc.match_substring(column.cells, mark)) for mark in ("Ã", "â€")):
        return
    odd = pc.match_substring_regex(column.cells, _READ_TWICE)
    column.note("texts that another program read in a wrong encoding", NOTICED, odd)


def read_names(column: Column, words: tuple[str, ...] = WORDS) -> pa.ChunkedArray:
    """Categories and paths: white space around them is dropped."""
    texts = drop_words(column, words)
    trimmed = pc.utf8_trim_whitespace(texts)
    column.note("texts with white space around them", REPAIRED, pc.not_equal(texts, trimmed))
    return trimmed


def read_paths(column: Column) -> pa.ChunkedArray:
    """The file of a post's first image, below the place of the images."""
    paths = read_names(column)
    is_list = pc.fill_null(pc.match_substring_regex(paths, _LIST), False)
    if _any(is_list):
        lists = pc.if_else(is_list, paths, _NOTHING)
        items = pa.chunked_array([map_distinct(lists, _take_first, pa.string())])
        paths = pc.if_else(is_list, items, paths)
    is_more = pc.fill_null(pc.match_substring_regex(paths, _SEVERAL_FILES), False)
    if _any(is_more):
        paths = pc.replace_substring_regex(paths, _SEVERAL_FILES, r"\1")
    column.note("lists of images, the first of which is read", REPAIRED, pc.or_(is_list, is_more))
    known = paths.drop_null()
    if len(known) and pc.all(pc.starts_with(known, "/")).as_py():
        column.note(
            "paths of a whole machine, read as below the images", REPAIRED, paths.is_valid()
        )
        paths = pc.utf8_ltrim(paths, "/")
    return paths


def _take_first(text: str) -> str | None:
    items = _parse_list(text)
    return text if items is None else next(iter(items), None)


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


def read_tags(column: Column, separator: str | None) -> pa.ChunkedArray:
    """Lists of tags, empty where there are none.

    Args:
        column: lists, or texts: JSON or Python lists, ``#a #b``, or parts between a separator.
        separator: as named; None: found over the column.
    """
    cells = column.cells
    if pa.types.is_list(cells.type):
        column.findings.note(column.name, "tags as lists", READ)
        return _trim_items(column, cells)
    texts = pc.fill_null(drop_words(column), "")
    lists = None
    if _any(pc.match_substring_regex(texts, r"[＃\x{200b}-\x{200d}\x{feff}]")):
        texts = pc.replace_substring_regex(texts, "＃", "#")
        texts = pc.replace_substring_regex(texts, r"[\x{200b}-\x{200d}\x{feff}]+", " ")
    if _any(pc.match_substring_regex(texts, r"^\s*[\[{(]")):
        is_list = pc.match_substring_regex(texts, _LIST)
        column.note("tags written as lists", READ, is_list)
        lists = pc.if_else(is_list, texts, _NOTHING)
        texts = pc.if_else(is_list, "", texts)
    if separator is None:
        separator = _find_separator(texts)
        if _any(pc.not_equal(texts, "")):
            names = {" ": "white space", "\n": "line breaks", ",": "commas", ";": "semicolons"}
            divided = f"tags divided by {names.get(separator, separator.strip())}"
            column.findings.note(column.name, divided, READ)
    else:
        _doubt_separator(column, texts, separator)
    tags = _split(column, texts, separator)
    return tags if lists is None else _put_lists(column, tags, lists)


def _put_lists(column: Column, tags: pa.ChunkedArray, lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """The items of texts that are lists, in their places among the tags."""
    items = pa.chunked_array([map_distinct(lists, _parse_list, pa.list_(pa.string()))])
    allowed = f"texts, or objects with one of {', '.join(_TAG_KEYS)} or with counts of tags"
    column.bad("lists or objects without tags", allowed, pc.and_(lists.is_valid(), items.is_null()))
    items = _trim_items(column, items)
    tags = pa.chunked_array([tags.combine_chunks()])
    return pc.if_else(pc.is_valid(lists), items, tags)


def _parse_list(text: str) -> list[str] | None:
    """The items of a JSON or Python list, set, tuple or object, or what stands between brackets.

    None if an object names no item or is cut off.
    """
    text = text.strip()
    inner = text[1:-1] if text[-1] in "])}" else text[1:]
    is_object = _OBJECT.match(text)
    for parse in (json.loads, ast.literal_eval):
        try:
            items = parse(f"[{text if is_object and text[0] == '{' else inner}]")
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        # numpy writes ['a' 'b'], which Python reads as one text.
        is_one_text = len(items) == 1 and isinstance(items[0], str) and "," not in text
        if is_one_text and len(_QUOTED.findall(text)) > 1:
            break
        is_alone = text[0] == "{"
        named = [_name_items(item, is_alone) for item in items]
        return None if None in named else [name for names in named for name in names or ()]
    if is_object:
        return None
    if not re.sub(r"[\s,]", "", _QUOTED.sub("", inner)):
        return ["".join(pair) for pair in _QUOTED.findall(inner)]
    parts = next(csv.reader([inner.replace("\n", " ")], skipinitialspace=True), [])
    return [part.strip("'\"") for part in parts if part not in WORDS]


def _name_items(item: object, is_alone: bool) -> list[str] | None:
    """A tag; that which an object describes; or those that it counts. None where there is none."""
    if not isinstance(item, (dict, list)):
        return ["" if item is None else str(item)]
    if isinstance(item, list):
        return None
    texts = {key: value for key, value in item.items() if isinstance(value, str)}
    words = [text for text in texts.values() if not _COUNT.fullmatch(text)]
    if words and all(str(key).isdigit() for key in item):  # a list, as PHP writes it
        return words
    named = [texts[key] for key in _TAG_KEYS if key in texts] + words
    # Of an object of counts the keys are the tags, whatever they are called.
    if named and (words or not is_alone or "id" in item):
        return named[:1]
    are_counts = all(
        value is None or isinstance(value, (str, int, float)) for value in item.values()
    )
    return [str(key) for key in item] if are_counts else None


def _find_separator(texts: pa.ChunkedArray) -> str:
    """What divides tags in most cells that have more than one."""
    trimmed = pc.utf8_trim_whitespace(texts)
    filled = pc.sum(pc.not_equal(trimmed, "")).as_py() or 0
    hashes = pc.sum(pc.starts_with(trimmed, "#")).as_py() or 0
    if hashes and 2 * hashes >= filled:
        return "#"
    marks = {s: with_it for s in SEPARATORS if _any(with_it := _hold(trimmed, s))}
    if marks:
        is_spaced = pc.match_substring_regex(trimmed, r"\s")
        for separator, with_it in marks.items():
            spaced = pc.and_(is_spaced, pc.invert(with_it))
            if pc.sum(with_it).as_py() > pc.sum(spaced).as_py():
                return separator
    return " "


def _hold(texts: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Which cells hold it; the dot of the Catalan col·lecció divides nothing."""
    if separator == "·":
        return pc.match_substring_regex(texts, "(^|[^lL])·|·([^lL]|$)")
    return pc.match_substring(texts, separator)


def _any(chosen: pa.ChunkedArray) -> bool:
    return bool(pc.any(chosen).as_py())


def _doubt_separator(column: Column, texts: pa.ChunkedArray, separator: str) -> None:
    found = _find_separator(texts)
    if found != separator and not (found == " " and separator.isspace()):
        other = pc.match_substring(texts, found)
        column.note(f"tags that look divided by {found!r}, not by {separator!r}", NOTICED, other)


def _split(column: Column, texts: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    if separator == "#" and _any(pc.match_substring_regex(texts, r"[^\s#]#|[,;|]")):
        parts = pc.split_pattern_regex(texts, r"[\s,;|]*#|[\s,;|]+")
    elif separator == "#" or (separator.isspace() and separator != "\n"):
        parts = pc.utf8_split_whitespace(texts)
    else:
        parts = pc.split_pattern(texts, separator)
    return _trim_items(column, parts)


def _trim_items(column: Column, lists: pa.ChunkedArray) -> pa.ChunkedArray:
    """Items without white space around them and without their #; empty ones go."""
    marked: list[np.ndarray] = []
    chunks = [_trim_chunk(chunk, marked) for chunk in lists.chunks]
    if marked:
        column.note("tags with #, which is dropped", REPAIRED, np.concatenate(marked))
    return pa.chunked_array(chunks, pa.list_(pa.string()))


def _trim_chunk(lists: pa.ListArray, marked: list[np.ndarray]) -> pa.ListArray:
    """Without its odd characters; to ``marked`` come the rows that had a #."""
    rows = pc.list_parent_indices(lists).to_numpy()
    items = pc.fill_null(pc.utf8_trim_whitespace(pc.list_flatten(lists)), "")
    if any(_any(pc.starts_with(items, quote)) for quote in "\"'"):
        items = pc.replace_substring_regex(items, r"""^(?:"([^"]*)"|'([^']*)')$""", r"\1\2")
    has_mark = pc.starts_with(items, "#").to_numpy(zero_copy_only=False)
    marked.append(np.bincount(rows[has_mark], minlength=len(lists)) > 0)
    items = pc.utf8_ltrim(items, "#")
    kept = pc.not_equal(items, "")
    offsets = np.zeros(len(lists) + 1, np.int32)
    counts = np.bincount(rows[kept.to_numpy(zero_copy_only=False)], minlength=len(lists))
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), items.filter(kept))


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
