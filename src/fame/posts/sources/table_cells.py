"""The user's file -> cells: CSV, Parquet and JSONL read alike, one list of values a column.

What differs between the formats ends here: the same content gives the same typed values.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fame.posts.sources.values import LATEST_SECOND, MISSING, Origin
from fame.runtime.errors import InputError

EARLIEST_EPOCH = 100_000_000  # March 1973; a smaller number is a year or a date, not a time
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class UnfitError(ValueError):
    """A value that a column cannot take; the message says what it can."""


@dataclass(frozen=True)
class Cells:
    """The wanted columns of a file.

    Attributes:
        path: the file.
        unit: how its records are counted in errors, "row" (from 1, below the header) or "line".
        numbers: (n,) number of each record in that unit.
        columns: name -> n values as the format gives them.
    """

    path: Path
    unit: str
    numbers: Sequence[int]
    columns: Mapping[str, Sequence[Any]]

    def parse(self, column: str, parse: Callable[[Any], Any]) -> list[Any]:
        """The column's values through ``parse``.

        Raises:
            InputError: names the file, the row and the column of a value that ``parse`` refuses.
        """
        parsed = []
        for row, value in enumerate(self.columns[column]):
            try:
                parsed.append(parse(value))
            except UnfitError as error:
                raise self.error(row, column, value, str(error)) from None
        return parsed

    def error(self, row: int, column: str, found: Any, allowed: str) -> InputError:
        """The sentence about the value at position ``row``."""
        return Origin(self.path, column, self.unit).error(self.numbers[row] - 1, found, allowed)


def read_cells(path: Path, wanted: dict[str, list[str]]) -> Cells:
    """Read the columns that ``wanted`` (key of data.table.columns -> columns) names.

    Raises:
        InputError: no such file, a suffix, a column or a content that cannot be read, or no row.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"params.yaml: data.table.file: {path.name!r} has no known suffix; "
            f"allowed: {', '.join(_READERS)}"
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file; data.table.file names your posts inside data.root")
    cells = reader(path, wanted)
    if not cells.numbers:
        raise InputError(f"{path}: holds no post, expected at least one")
    return cells


def _check_columns(path: Path, names: Sequence[str], wanted: dict[str, list[str]]) -> list[str]:
    """The wanted columns, each once."""
    for key, columns in wanted.items():
        for column in columns:
            if column not in names:
                raise InputError(
                    f"params.yaml: data.table.columns.{key}: no column {column!r} in {path.name}; "
                    f"its columns: {', '.join(names)}"
                )
            if list(names).count(column) > 1:
                raise InputError(f"{path}: column {column!r} stands twice, expected once")
    return list(dict.fromkeys(column for columns in wanted.values() for column in columns))


def _read_csv(path: Path, wanted: dict[str, list[str]]) -> Cells:
    lines = csv.reader(io.StringIO(_decode(path, path.read_bytes()), newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        header = next(lines, [])
        if not header:
            raise InputError(f"{path}: is empty, expected a header with the names of the columns")
        for row in lines:
            if len(row) not in (0, len(header)):
                raise InputError(
                    f"{path}: row {len(rows) + 1} (line {lines.line_num}) has {len(row)} cells, "
                    f"expected {len(header)} as in the header"
                )
            if row:
                rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}: line {lines.line_num}: not valid CSV: {error}") from None
    positions = {name: header.index(name) for name in _check_columns(path, header, wanted)}
    columns = {name: [row[position] for row in rows] for name, position in positions.items()}
    return Cells(path, "row", range(1, len(rows) + 1), columns)


def _read_jsonl(path: Path, wanted: dict[str, list[str]]) -> Cells:
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(_decode(path, path.read_bytes()).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}: line {number}: not valid JSON at character {error.pos + 1}: {error.msg}"
            ) from None
        except (ValueError, RecursionError) as error:  # a huge number, or too many brackets
            raise InputError(f"{path}: line {number}: not readable JSON: {error}") from None
        if not isinstance(record, dict):
            raise InputError(
                f"{path}: line {number}: holds a {type(record).__name__}, "
                'expected an object like {"id": "1"}'
            )
        records.append(record)
        numbers.append(number)
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = _check_columns(path, names, wanted) if records else []
    return Cells(
        path, "line", numbers, {name: [record.get(name) for record in records] for name in columns}
    )


def _read_parquet(path: Path, wanted: dict[str, list[str]]) -> Cells:
    try:
        with pq.ParquetFile(path) as file:
            columns = _check_columns(path, file.schema_arrow.names, wanted)
            table = file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from None
    values = {name: _list_values(table[name]) for name in columns}
    return Cells(path, "row", range(1, len(table) + 1), values)


def _list_values(column: pa.ChunkedArray) -> list[Any]:
    """Python values; times to the microsecond, which is all that a Python time can hold."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.to_pylist()


_READERS: dict[str, Callable[[Path, dict[str, list[str]]], Cells]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}


def _decode(path: Path, content: bytes) -> str:
    """The text of a UTF-8 file, without the mark that some programs put before it."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}, expected UTF-8") from None


def parse_text(value: Any) -> str | None:
    """Any text as it is but for lone surrogates; numbers as whole as they are (1.0 is "1")."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise UnfitError("a text or a number")
    return str(int(value)) if value == value // 1 else str(value)


def parse_number(value: Any) -> float | None:
    """A finite number."""
    if isinstance(value, str):
        value = None if value.strip() in MISSING else value.strip()
    if value is None or value != value:
        return None
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and "_" not in value):
        raise UnfitError("a number")
    try:
        number = float(value)
    except OverflowError:
        raise UnfitError("a finite number") from None
    except ValueError:
        raise UnfitError("a number") from None
    if not math.isfinite(number):
        raise UnfitError("a finite number")
    return number


def parse_time(value: Any) -> int | None:
    """Epoch seconds (UTC) of ISO 8601 or of epoch seconds; a time without zone is UTC."""
    if isinstance(value, datetime):
        return _count_seconds(value)
    if isinstance(value, date):
        return _count_seconds(datetime.combine(value, time()))
    text = parse_text(value)
    if text is None or text.strip() in MISSING:
        return None
    try:
        return _count_seconds(datetime.fromisoformat(text.strip()))
    except ValueError:
        pass
    try:
        seconds = parse_number(text) or 0.0
    except UnfitError:
        seconds = 0.0
    if not EARLIEST_EPOCH <= abs(seconds) <= LATEST_SECOND:
        raise UnfitError("a time in ISO 8601 (2016-03-01T12:00:00Z) or in epoch seconds")
    return math.floor(seconds)


def _count_seconds(moment: datetime) -> int:
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def parse_tags(value: Any, separator: str) -> list[str]:
    """The tags of a text with separators, or of a list; empty where there are none."""
    parts = value if isinstance(value, list) else (parse_text(value) or "").split(separator)
    texts = (parse_text(part) or "" for part in parts)
    return [text.strip() for text in texts if text.strip()]
