"""The user's file, whatever its format -> columns of cells, one number a row.

The format is told by the content, not by the name: delimited text, JSON lines, a JSON array,
Parquet, an Excel workbook, each also gzipped or alone in a zip.
"""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fame.posts.findings import LEFT_OUT, READ, Column, Findings
from fame.posts.sources.table_csv import MAX_LINES_ABOVE, find_twice, read_csv
from fame.posts.sources.table_encoding import decode
from fame.posts.sources.table_json import read_json, to_text
from fame.runtime.errors import InputError

_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_PACKED: tuple[tuple[bytes, str, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", "gzip", gzip.decompress),
    (b"BZh", "bzip2", bz2.decompress),
    (b"\xfd7zXZ\0", "xz", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", "zstd", lambda content: _open_zstd(content).read()),
)
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel (.xls): save it as .xlsx"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "an Arrow file: write it as Parquet"),
)
_EXPECTED = "CSV, TSV, JSON, Parquet or Excel (.xlsx), also gzipped or in a zip"
TABLE_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx"),
    *(".csv.gz", ".tsv.gz", ".json.gz", ".jsonl.gz"),
    *(".csv.zst", ".json.zst", ".jsonl.zst", ".ndjson.zst"),
)
TEXT_SAMPLE = 1 << 16
MAX_CONTROL, FEW_CONTROL = 0.05, 32  # of the characters: some stand in real texts
_CONTROL = re.compile("[\x00\x02-\x08\x0e-\x19\x1c-\x1e\x7f-\x84\x86-\x9f]")
_WEB_PAGE = re.compile(r"\s*<(!doctype html|html|table|head)\b", re.IGNORECASE)
_SCRIPT = re.compile(r"\s*(?:window\.|var |let |const )[\w.$\[\]\"']+\s*=\s*(?=[\[{])")  # Twitter's


@dataclass(frozen=True)
class Cells:
    """The columns of a file.

    Attributes:
        names: all columns of the file.
        numbers: (n,) int64 number of each row in the file, from 1.
        columns: name -> n cells: texts, or typed where the format has types (whole numbers,
            floats, booleans, times, dates, lists of texts).
        findings: what reading found.
    """

    names: list[str]
    numbers: np.ndarray
    columns: dict[str, pa.ChunkedArray]
    findings: Findings

    def column(self, name: str) -> Column:
        """A column, to be parsed."""
        return Column(name, self.columns[name], self.numbers, self.findings)

    def take(self, rows: np.ndarray) -> "Cells":
        """Some rows."""
        columns = {name: cells.take(pa.array(rows)) for name, cells in self.columns.items()}
        return Cells(self.names, self.numbers[rows], columns, self.findings)


def read_cells(
    path: Path, encoding: str | None, wanted: dict[str, list[str]] | None = None
) -> Cells:
    """Read a file.

    Args:
        path: the file.
        encoding: of its text; None: found.
        wanted: key of data.table.columns -> columns to read; None: all.

    Raises:
        InputError: no such file, no known format, no row, or columns that are not there.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected your posts: {_EXPECTED}")
    findings = Findings(path)
    chosen = None if wanted is None else [name for names in wanted.values() for name in names]
    names, numbers, columns = _read(path, path.read_bytes(), encoding, findings, chosen)
    if wanted is not None:
        _check_columns(path, names, wanted)
    if not len(numbers):
        findings.settle("stop", 0)  # if rows were left out, say why
        raise InputError(f"{path}: holds no post, expected at least one")
    kept = {n: columns[n] for n in names if n in columns and (chosen is None or n in chosen)}
    return Cells(names, numbers, kept, findings)


def is_packed(content: bytes) -> bool:
    """Whether a file's content is small and may be huge inside."""
    return content.startswith((*(magic for magic, _, _ in _PACKED), _ZIP, _PARQUET))


def _read(
    path: Path,
    content: bytes,
    encoding: str | None,
    findings: Findings,
    chosen: list[str] | None,
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    for magic, name, decompress in _PACKED:
        if content.startswith(magic):
            findings.note("", f"packed by {name}", READ)
            inner = _decompress(path, content, name, decompress)
            return _read(path, inner, encoding, findings, chosen)
    if content.startswith(_PARQUET):
        return _read_parquet(path, content, findings, chosen)
    if content.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                is_workbook = "xl/workbook.xml" in archive.namelist()
                inner = b"" if is_workbook else _read_member(path, archive)
        except zipfile.BadZipFile as error:
            raise InputError(f"{path}: not a whole zip: {error}") from None
        if is_workbook:
            return _read_workbook(path, content, findings, chosen)
        findings.note("", "the one table of a zip", READ)
        return _read(path, inner, encoding, findings, chosen)
    for magic, name in _OTHERS:
        if content.startswith(magic):
            raise InputError(f"{path}: is {name}, expected {_EXPECTED}")
    text = decode(content, encoding, findings)
    _check_text(path, text)
    if script := _SCRIPT.match(text):
        findings.note("", "the value of a script's variable", READ)
        text = text[script.end() :].rstrip("; \r\n")
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return read_json(text, findings)
    return read_csv(text, findings, chosen)


def _open_zstd(content: bytes) -> Any:
    return pa.input_stream(pa.BufferReader(content), compression="zstd")


def _decompress(
    path: Path, content: bytes, name: str, decompress: Callable[[bytes], bytes]
) -> bytes:
    try:
        return decompress(content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path}: not a whole {name} file: {error}") from None


def _read_member(path: Path, archive: zipfile.ZipFile) -> bytes:
    """The one table of a zip; what a Mac and a publisher put beside it is no table."""
    members = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    tables = [entry for entry in members if entry.filename.lower().endswith(TABLE_SUFFIXES)]
    # A text may be a README, JSON what a publisher says of the table.
    for beside in (".txt", ".json"):
        tables = [e for e in tables if not e.filename.lower().endswith(beside)] or tables
    chosen = tables if len(members) > 1 else members
    if len(chosen) != 1:
        names = ", ".join(entry.filename for entry in (chosen or members)[:5])
        raise InputError(f"{path}: a zip of several files ({names}), expected one with the posts")
    try:
        return archive.read(chosen[0])
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise InputError(f"{path}: not a readable zip: {error}") from None


def _check_text(path: Path, text: str) -> None:
    """Refuse what is no text, or a page of the web."""
    sample = text[:TEXT_SAMPLE]
    if len(_CONTROL.findall(sample)) > max(FEW_CONTROL, MAX_CONTROL * len(sample)):
        raise InputError(f"{path}: is no text and no table, expected {_EXPECTED}")
    if _WEB_PAGE.match(sample):
        raise InputError(f"{path}: is a page of the web (HTML), expected {_EXPECTED}")


def _check_columns(path: Path, names: list[str], wanted: dict[str, list[str]]) -> None:
    """Every mapped column is there; all that are not are named at once."""
    problems = [
        f"data.table.columns.{key}: no column {column!r} in {path.name}"
        for key, columns in wanted.items()
        for column in columns
        if column not in names
    ]
    if problems:
        raise InputError(f"params.yaml: {'; '.join(problems)}; its columns: {', '.join(names)}")


def _read_parquet(
    path: Path, content: bytes, findings: Findings, chosen: list[str] | None
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    findings.facts["format"] = "parquet"
    try:
        # Not pq.read_table: it refuses columns of one name, and says so in many lines.
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable Parquet file: {problem}") from None
    twice = find_twice(findings, table.column_names, chosen)
    columns: dict[str, pa.ChunkedArray] = {}
    for i, name in enumerate(table.column_names):
        if name not in twice:
            columns |= _unnest(name, table.column(i))
    return list(columns), np.arange(1, len(table) + 1), columns


def _unnest(name: str, cells: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """A struct's fields by dotted names; what else Arrow has as one of the types of `Cells`."""
    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _unnest(name, cells.cast(kind.value_type))
    if pa.types.is_struct(kind):
        columns: dict[str, pa.ChunkedArray] = {}
        for field in kind:
            columns |= _unnest(f"{name}.{field.name}", pc.struct_field(cells, field.name))
        return columns
    return {name: _simplify(cells)}


def _simplify(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = cells.type
    simple = (
        *(pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string),
        *(pa.types.is_timestamp, pa.types.is_date),
    )
    if any(is_simple(kind) for is_simple in simple):
        return cells
    if pa.types.is_null(kind) or pa.types.is_decimal(kind) or _is_text(kind):
        return cells.cast(pa.string())
    if any(is_bytes(kind) for is_bytes in _BYTES):
        try:
            return cells.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:
            texts = [None if value is None else value.hex() for value in cells.to_pylist()]
            return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        try:
            return cells.cast(pa.list_(pa.string()))
        except (pa.ArrowException, NotImplementedError):
            pass
    texts = [to_text(_plain(value)) for value in cells.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_time(kind)


def _plain(value: Any) -> Any:
    """JSON-able; what JSON has no form for becomes its text."""
    if value is None:
        return None
    return json.loads(json.dumps(value, default=str, ensure_ascii=False))


def _read_workbook(
    path: Path, content: bytes, findings: Findings, chosen: list[str] | None
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    """The first visible sheet that holds a table, as text; a number keeps 15 digits there."""
    import pandas as pd  # only workbooks need it here

    findings.facts["format"] = "xlsx"
    try:
        with pd.ExcelFile(io.BytesIO(content), engine="openpyxl") as book:
            sheets = book.sheet_names
            shown = [name for name in sheets if book.book[name].sheet_state == "visible"]
            # One after the other: those behind the first that holds a table are not read.
            frames = (book.parse(n, header=None, dtype=object, na_filter=False) for n in shown)
            tables = zip(shown, map(_find_table, frames), strict=True)
            sheet, table = next((found for found in tables if found[1]), (None, None))
    except Exception as error:  # whatever a damaged part makes openpyxl raise
        raise InputError(f"{path}: not a readable workbook: {error}") from None
    if table is None:
        raise InputError(f"{path}: holds no post, expected a sheet with a header and rows")
    above, rows = table
    if len(sheets) > 1:
        others = ", ".join(repr(name) for name in sheets if name != sheet)
        findings.note("", f"the sheet {sheet!r}, and none of {others}", READ)
    if above:
        findings.note("", "lines above the header", LEFT_OUT, above)
    names = [name or f"column {i + 1}" for i, name in enumerate(rows[0])]
    twice = find_twice(findings, names, chosen)
    columns = {
        name: pa.chunked_array([pa.array([row[i] or None for row in rows[1:]], pa.string())])
        for i, name in enumerate(names)
        if name not in twice
    }
    return names, np.arange(1, len(rows)), columns


def _find_table(frame: Any) -> tuple[int, list[list[str]]] | None:
    """Lines above the header, and the rows from it on, without empty rows and columns."""
    rows = [[_cell_text(value) or "" for value in row] for row in frame.itertuples(index=False)]
    above = 0
    filled = Counter(sum(map(bool, row)) for row in rows if any(row))
    # A title, or names of groups of columns, stand in few cells.
    least = max(2, filled.most_common(1)[0][0] // 2 + 1) if filled else 2
    while rows and sum(map(bool, rows[0])) < least and above < MAX_LINES_ABOVE:
        above += any(rows.pop(0))
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        return None
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows)]
    return above, [[row[i].strip() if row is rows[0] else row[i] for i in kept] for row in rows]


def _cell_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f"{value:.0f}"
    return to_text(value) if isinstance(value, (str, bool)) else str(value)
