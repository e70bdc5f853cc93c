"""Cells that hold several things: lists of tags, and of images."""

import ast
import csv
import json
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import KEPT, NOTICED, READ, Column, map_distinct
from fame.posts.sources.table_texts import NOTHING, WORDS, drop_words, has_any, read_names

# What a column of tags is called, the likeliest first.
TAGS = (
    *("tags", "hashtags", "alltags", "keywords", "labels", "topics", "tag", "hashtag"),
    *("challenges", "schlagworte", "schlagworter", "hashtag_names", "话题", "标签"),
    *("etiquetas", "etiquettes", "mots_cles", "parole_chiave", "trefwoorden", "etiketler"),
    *("hashtagi", "tagi"),
)
SEPARATORS = ("|", ";", ",", "\n", "，", "、", "；", "·", "•", " / ")
# Lists, sets, tuples, and lists that were cut off; `(one) two (three)` is none.
_LIST = r"(?s)^\s*(\[.*\]|\{[^{}]*\}|\([^()]*\)|[\[{(]\s*['\"{].*)\s*$"
# An object that describes a tag has it under one of these; an object without a text has its tags
# as keys, and counts.
_EMPTY = r"^[\s\[\](){}'\"]*$"
TAG_KEYS = ("text", "tag", "name", "hashtag", "raw", "label", "title", "keyword", "slug", "value")
_COUNT = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?|true|false", re.IGNORECASE)
_OBJECT = re.compile(r"\[\s*\{|\{\s*(['\"]).*?\1\s*:", re.DOTALL)
_SEVERAL_FILES = r"(?is)(\.(?:jpe?g|png|gif|webp|bmp))[\"']?\s*[,;|].*$"
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def read_paths(column: Column) -> pa.ChunkedArray:
    """The file of a post's first image, below the place of the images."""
    paths = read_names(column)
    is_list = pc.fill_null(pc.match_substring_regex(paths, _LIST), False)
    if has_any(is_list):
        lists = pc.if_else(is_list, paths, NOTHING)
        items = pa.chunked_array([map_distinct(lists, _take_first, pa.string())])
        paths = pc.if_else(is_list, items, paths)
    is_more = pc.fill_null(pc.match_substring_regex(paths, _SEVERAL_FILES), False)
    if has_any(is_more):
        paths = pc.replace_substring_regex(paths, _SEVERAL_FILES, r"\1")
    column.note("lists of images, the first of which is read", READ, pc.or_(is_list, is_more))
    known = paths.drop_null()
    if len(known) and pc.all(pc.starts_with(known, "/")).as_py():
        column.note("paths of a whole machine, read as below the images", KEPT, paths.is_valid())
        paths = pc.utf8_ltrim(paths, "/")
    return paths


def _take_first(text: str) -> str | None:
    items = _parse_list(text)
    return text if items is None else next(iter(items), None)


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
    texts = pc.fill_null(drop_words(column, (*WORDS, "[none]")), "")
    lists = None
    if has_any(pc.match_substring_regex(texts, r"[＃\x{200b}-\x{200d}\x{feff}]")):
        texts = pc.replace_substring_regex(texts, "＃", "#")
        texts = pc.replace_substring_regex(texts, r"[\x{200b}-\x{200d}\x{feff}]+", " ")
    if has_any(pc.match_substring_regex(texts, r"^\s*[\[{(]")):
        is_list = pc.match_substring_regex(texts, _LIST)
        holds = pc.and_(is_list, pc.invert(pc.match_substring_regex(texts, _EMPTY)))
        column.note("tags written as lists", READ, is_list, holds)
        lists = pc.if_else(is_list, texts, NOTHING)
        texts = pc.if_else(is_list, "", texts)
    if separator is None:
        separator = _find_separator(texts)
        if has_any(pc.not_equal(texts, "")):
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
    allowed = f"texts, or objects with one of {', '.join(TAG_KEYS)} or with counts of tags"
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
        found = [name for names in named if names is not None for name in names]
        return None if None in named else found
    if is_object:
        return None
    if not re.sub(r"[\s,]", "", _QUOTED.sub("", inner)):
        return ["".join(pair) for pair in _QUOTED.findall(inner)]
    parts = next(csv.reader([inner.replace("\n", " ")], skipinitialspace=True), [])
    return [part.strip("'\"") for part in parts if part not in WORDS]


def _name_items(item: object, is_alone: bool) -> list[str] | None:
    """A tag; that which an object describes; or those that it counts. None where there is none."""
    if isinstance(item, (list, tuple)):
        return _name_inner(item)
    if not isinstance(item, dict):
        return ["" if item is None else str(item)]
    texts = {key: value for key, value in item.items() if isinstance(value, str)}
    words = [text for text in texts.values() if not is_count(text)]
    if words and all(str(key).isdigit() for key in item):  # a list, as PHP writes it
        return words
    named = [texts[key] for key in TAG_KEYS if key in texts] + words
    # Of an object of counts the keys are the tags, whatever they are called.
    if named and (words or not is_alone or "id" in item):
        return named[:1]
    are_counts = all(
        value is None or isinstance(value, (str, int, float)) for value in item.values()
    )
    return [str(key) for key in item] if are_counts else None


def _name_inner(items: Sequence[object]) -> list[str] | None:
    """The tags of a list in a list; numbers beside texts are their counts."""
    if any(isinstance(item, (list, tuple)) for item in items):
        return None
    for is_number in (lambda item: isinstance(item, (int, float)), is_count):
        items = [item for item in items if not is_number(item)] or items
    named = [_name_items(item, False) for item in items]
    found = [name for names in named if names is not None for name in names]
    return None if None in named else found


def is_count(value: object) -> bool:
    """Whether a text is a number, or says yes or no: nothing that a tag is called beside others."""
    return isinstance(value, str) and _COUNT.fullmatch(value) is not None


def _find_separator(texts: pa.ChunkedArray) -> str:
    """What divides tags: a mark that a quarter or more of the cells of several words hold."""
    trimmed = pc.utf8_trim_whitespace(texts)
    filled = pc.sum(pc.not_equal(trimmed, "")).as_py() or 0
    hashes = pc.sum(pc.starts_with(trimmed, "#")).as_py() or 0
    if hashes and 2 * hashes >= filled:
        return "#"
    marks = {s: with_it for s in SEPARATORS if has_any(with_it := _hold(trimmed, s))}
    if marks:
        is_spaced = pc.match_substring_regex(trimmed, r"\s")
        for separator, with_it in marks.items():
            spaced = pc.and_(is_spaced, pc.invert(with_it))
            # A tag of several words may stand alone in most cells; of words divided by white space
            # few cells hold a mark.
            if 3 * pc.sum(with_it).as_py() > pc.sum(spaced).as_py():
                return separator
    return " "


def _hold(texts: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    """Which cells hold it; the dot of the Catalan col·lecció divides nothing."""
    if separator == "·":
        return pc.match_substring_regex(texts, "(^|[^lL])·|·([^lL]|$)")
    return pc.match_substring(texts, separator)


def _doubt_separator(column: Column, texts: pa.ChunkedArray, separator: str) -> None:
    found = _find_separator(texts)
    if found != separator and not (found == " " and separator.isspace()):
        other = pc.match_substring(texts, found)
        column.note(f"tags that look divided by {found!r}, not by {separator!r}", NOTICED, other)


def _split(column: Column, texts: pa.ChunkedArray, separator: str) -> pa.ChunkedArray:
    if separator == "#" and has_any(pc.match_substring_regex(texts, r"[^\s#]#|[,;|]")):
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
        column.note("tags written with #, read without it", KEPT, np.concatenate(marked))
    return pa.chunked_array(chunks, pa.list_(pa.string()))


def _trim_chunk(lists: pa.ListArray, marked: list[np.ndarray]) -> pa.ListArray:
    """Without its odd characters; to ``marked`` come the rows that had a #."""
    rows = pc.list_parent_indices(lists).to_numpy()
    items = pc.fill_null(pc.utf8_trim_whitespace(pc.list_flatten(lists)), "")
    if any(has_any(pc.starts_with(items, quote)) for quote in "\"'"):
        items = pc.replace_substring_regex(items, r"""^(?:"([^"]*)"|'([^']*)')$""", r"\1\2")
    has_mark = pc.starts_with(items, "#").to_numpy(zero_copy_only=False)
    marked.append(np.bincount(rows[has_mark], minlength=len(lists)) > 0)
    items = pc.utf8_ltrim(items, "#")
    kept = pc.not_equal(items, "")
    offsets = np.zeros(len(lists) + 1, np.int32)
    counts = np.bincount(rows[kept.to_numpy(zero_copy_only=False)], minlength=len(lists))
    np.cumsum(counts, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), items.filter(kept))
