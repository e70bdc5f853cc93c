"""JSON records -> columns of text: one a line, or one array; nested objects by dotted names.

Numbers stay as they are written, so that an id of any length is exact; a list becomes its JSON.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from fame.posts.findings import LEFT_OUT, READ, REPLACED, SHOWN, Findings
from fame.posts.sources.table_lists import TAG_KEYS, TAGS, is_count
from fame.runtime.errors import InputError

_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=str, strict=False
)  # a digit is never lost; control characters in texts are kept

_TAGS = frozenset(name.replace("_", "") for name in TAGS)


def read_json(
    text: str, findings: Findings
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    """Names of the columns, numbers of the records, and the columns as text.

    Raises:
        InputError: no JSON, or neither an array of objects nor objects line by line.
    """
    lines = _read_lines(text, findings) if text.lstrip()[:1] == "{" else None
    numbers, records = _read_document(text, findings) if lines is None else lines
    findings.facts["format"] = "json" if lines is None else "jsonl"
    columns: dict[str, list[str | None]] = {}
    whole = _find_tags(records)
    for row, record in enumerate(records):
        for name, value in dict(_flatten(record, whole)).items():
            column = columns.setdefault(name, [])
            column.extend([None] * (row - len(column)))
            column.append(value)
    for column in columns.values():
        column.extend([None] * (len(records) - len(column)))
    return (
        list(columns),
        numbers,
        {name: _to_array(name, c, numbers, findings) for name, c in columns.items()},
    )


def _read_lines(text: str, findings: Findings) -> tuple[np.ndarray, list[dict[str, Any]]] | None:
    """Objects line by line; None if the first line is no object: the file is one document."""
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _parse_line(line)
        if record is not None:
            records.append(record)
            numbers.append(number)
        elif records or broken:
            broken.append((number, line.strip()))
        else:
            if _is_document(text):
                return None
            if (sequence := _read_sequence(text)) is not None:
                findings.unit = "record"
                return np.arange(1, len(sequence) + 1), sequence
            broken.append((number, line.strip()))
    if len(records) == 1 and not broken and _is_wrapper(records[0]):
        return None
    findings.unit = "line"
    if broken:
        count = len(records) + len(broken)
        what, allowed = "lines that are no JSON object", 'an object like {"id": "1"}'
        findings.bad("", what, allowed, len(broken), count, broken[:SHOWN], LEFT_OUT)
    return np.array(numbers, np.int64), records


def _read_sequence(text: str) -> list[dict[str, Any]] | None:
    """Objects one behind the other, each printed over lines; None if they are not."""
    records: list[dict[str, Any]] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n,":
            at += 1
            continue
        try:
            record, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        if not isinstance(record, dict):
            return None
        records.append(record)
    return records


def _is_wrapper(content: dict[str, Any]) -> bool:
    """Whether an object holds the records, and is none itself: a post may hold an array too."""
    values = list(content.values())
    if all(isinstance(value, dict) for value in values):
        return True
    if _holds_columns(content) or _holds_rows(content):
        return True
    arrays = _find_arrays(content)
    if not arrays:
        return False
    others = [value for value in values if not isinstance(value, (dict, list))]
    return not others or max(map(len, arrays.values())) > len(content)


def _find_arrays(content: dict[str, Any]) -> dict[str, list[Any]]:
    """Arrays of objects by their dotted names, of the least depth that has some."""
    level = {"": content}
    while level:
        found: dict[str, list[Any]] = {}
        below: dict[str, dict[str, Any]] = {}
        for prefix, parent in level.items():
            for key, value in parent.items():
                if isinstance(value, list) and value and isinstance(value[0], dict):
                    found[f"{prefix}{key}"] = value
                elif isinstance(value, dict):
                    below[f"{prefix}{key}."] = value
        if found:
            return found
        level = below
    return {}


def _holds_rows(content: dict[str, Any]) -> bool:
    """Whether these are the names of the columns, and rows of cells."""
    names, rows = content.get("columns"), content.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        return False
    return all(isinstance(row, list) for row in rows)


def _holds_columns(content: dict[str, Any]) -> bool:
    """Whether each value is the list of a column's cells."""
    lists = [value for value in content.values() if isinstance(value, list)]
    is_table = len(lists) == len(content) > 1 and len({len(cells) for cells in lists}) == 1
    return is_table and not any(isinstance(cells[0], (dict, list)) for cells in lists if cells)


def _parse_line(line: str) -> dict[str, Any] | None:
    try:
        record = _DECODER.decode(line.strip().rstrip(","))
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _is_document(text: str) -> bool:
    """Whether the whole is one value, printed over lines."""
    try:
        _DECODER.decode(text.strip())
    except (ValueError, RecursionError):
        return False
    return True


def _read_document(text: str, findings: Findings) -> tuple[np.ndarray, list[dict[str, Any]]]:
    findings.unit = "record"
    try:
        content = _DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        raise InputError(
            f"{findings.path}: line {error.lineno}: not valid JSON at character {error.colno}: "
            f"{error.msg}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{findings.path}: not readable JSON: {error}") from None
    records = _find_records(content, findings)
    odd = [
        (row, json.dumps(record))
        for row, record in enumerate(records, 1)
        if not isinstance(record, dict)
    ]
    if odd:
        what, allowed = "records that are no JSON object", 'objects like {"id": "1"}'
        findings.bad("", what, allowed, len(odd), len(records), odd[:SHOWN], LEFT_OUT)
    kept = [(row, record) for row, record in enumerate(records, 1) if isinstance(record, dict)]
    return np.array([row for row, _ in kept], np.int64), [record for _, record in kept]


def _find_records(content: Any, findings: Findings) -> list[Any]:
    """The array itself, the one in an object, or what an object has by columns or by ids."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict) and content:
        if _holds_rows(content):
            findings.note("", "names of columns, and rows", READ)
            names = content["columns"]
            return [
                dict(zip(names, row, strict=True)) if len(row) == len(names) else row
                for row in content["data"]
            ]
        if _holds_columns(content):
            findings.note("", "an object of columns", READ)
            rows = zip(*content.values(), strict=True)
            return [dict(zip(content, row, strict=True)) for row in rows]
        arrays = _find_arrays(content)
        longest = max(map(len, arrays.values()), default=0)
        is_by_ids = len(content) > max(1, longest) and _are_alike(content)
        if len(arrays) == 1 and not is_by_ids:
            name, records = next(iter(arrays.items()))
            findings.note("", f"the records are the array {name!r}", READ)
            return records
        if all(isinstance(value, dict) for value in content.values()):
            if len(content) == 1:
                return _find_records(next(iter(content.values())), findings)
            if not arrays or _are_alike(content):
                return _turn(content, findings)
        if arrays:
            raise InputError(
                f"{findings.path}: holds several arrays of objects ({', '.join(arrays)}), "
                "expected one: write that of the posts to a file of its own"
            )
    raise InputError(
        f"{findings.path}: holds a {type(content).__name__}, expected an array of objects or an "
        'object like {"id": "1"} on each line'
    )


def _are_alike(content: dict[str, Any]) -> bool:
    """Whether all are objects that share a key, as records do; parts of an export share none."""
    if not all(isinstance(value, dict) for value in content.values()):
        return False
    counts = Counter(key for value in content.values() for key in value)
    return 2 * max(counts.values(), default=0) > len(content)


def _turn(content: dict[str, dict[str, Any]], findings: Findings) -> list[dict[str, Any]]:
    """Records of an object of columns by row, or of records by their ids."""
    inner = list(dict.fromkeys(key for value in content.values() for key in value))
    if all(key.isdigit() for key in inner) or len(inner) > len(content):
        findings.note("", "an object of columns", READ)
        return [{name: column.get(key) for name, column in content.items()} for key in inner]
    findings.note("", "an object of records by their ids", READ)
    name = "key" if "id" in inner else "id"
    return [{name: key, **record} for key, record in content.items()]


def _flatten(
    record: dict[str, Any], whole: set[str], prefix: str = ""
) -> Iterator[tuple[str, str | None]]:
    """Dotted name and text of each value; an object whose name is in ``whole`` stays one."""
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name not in whole:
            yield from _flatten(value, whole, f"{name}.")
        else:
            yield name, to_text(value)


def _find_tags(records: list[dict[str, Any]]) -> set[str]:
    """Dotted names of objects that are tags in most records: their keys would be a column each."""
    votes: Counter[str] = Counter()
    for record in records:
        _count_tags(record, "", votes)
    return {name for name, vote in votes.items() if vote > 0}


def _count_tags(record: dict[str, Any], prefix: str, votes: Counter[str]) -> None:
    """One vote more for each object of tags, one less for what is called so and is none."""
    for key, value in record.items():
        if not isinstance(value, dict) or not value:
            continue
        if re.sub(r"[\W_]", "", key.lower()) in _TAGS:
            votes[f"{prefix}{key}"] += 1 if _are_tags(value) else -1
        else:
            _count_tags(value, f"{prefix}{key}.", votes)


def _are_tags(value: dict[str, Any]) -> bool:
    """Whether an object counts tags, describes one, or lists them as PHP does.

    Flags and texts under keys of their own (``{"lang": "en", "spam": false}``) are columns.
    """
    inner = value.values()
    if any(isinstance(one, (dict, list)) for one in inner):
        return False
    if all(key.isdigit() for key in value) or any(isinstance(value.get(k), str) for k in TAG_KEYS):
        return True
    return all(one is None or one is True or (one is not False and is_count(one)) for one in inner)


def to_text(value: Any) -> str | None:
    """The text of a JSON value; a list or an object as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _to_array(
    name: str, texts: Iterable[str | None], numbers: np.ndarray, findings: Findings
) -> pa.ChunkedArray:
    """A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD and is counted."""
    texts = list(texts)
    try:
        return pa.chunked_array([pa.array(texts, pa.string())])
    except (UnicodeEncodeError, pa.ArrowInvalid):
        pass
    changed: list[tuple[int, str]] = []
    for row, text in enumerate(texts):
        fixed = text and text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if fixed is not None and fixed != text:
            changed.append((int(numbers[row]), fixed))
            texts[row] = fixed
    what = "texts with half of a character"
    findings.note(name, what, REPLACED, len(changed), changed[:SHOWN])
    return pa.chunked_array([pa.array(texts, pa.string())])
