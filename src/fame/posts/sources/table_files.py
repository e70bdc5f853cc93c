"""The user's file, whatever its format -> columns of cells, one number a row.

The format is told by the content, not by the name: delimited text, JSON lines, a JSON array,
Parquet, an Excel workbook, each also gzipped or alone in a zip.
"""

import gzip
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fame.posts.findings import READ, Column, Findings
from fame.posts.sources.table_csv import check_names, read_csv
from fame.posts.sources.table_json import read_json, to_text
from fame.runtime.errors import InputError

_GZIP, _PARQUET, _ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"


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
        raise InputError(f"{path}: no such file; data.table.file names your posts inside data.root")
    findings = Findings(path)
    chosen = None if wanted is None else [name for names in wanted.values() for name in names]
    names, numbers, columns = _read(path, path.read_bytes(), encoding, findings, chosen)
    if wanted is not None:
        _check_columns(path, names, wanted)
    if not len(numbers):
        findings.settle("stop", 0)  # if rows were left out, say why
        raise InputError(f"{path}: holds no post, expected at least one")
    kept = {name: columns[name] for name in names if chosen is None or name in chosen}
    return Cells(names, numbers, kept, findings)


def _read(
    path: Path,
    content: bytes,
    encoding: str | None,
    findings: Findings,
    chosen: list[str] | None,
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    if content.startswith(_GZIP):
        findings.note("", "gzipped", READ)
        return _read(path, _decompress(path, content), encoding, findings, chosen)
    if content.startswith(_PARQUET):
        return _read_parquet(path, content, findings, chosen)
    if content.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                is_workbook = "xl/workbook.xml" in archive.namelist()
                inner = b"" if is_workbook else _read_only_member(path, archive)
        except zipfile.BadZipFile as error:
            raise InputError(f"{path}: not a whole zip: {error}") from None
        if is_workbook:
            return _read_workbook(path, content, findings)
        findings.note("", "the one file of a zip", READ)
        return _read(path, inner, encoding, findings, chosen)
    if b"\0" not in content[:4] and content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return read_json(content, encoding, findings)
    return read_csv(content, encoding, findings, chosen)


def _decompress(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file: {error}") from None


def _read_only_member(path: Path, archive: zipfile.ZipFile) -> bytes:
    members = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(members) != 1:
        raise InputError(f"{path}: a zip of {len(members)} files, expected one with the posts")
    try:
        return archive.read(members[0])
    except (zipfile.BadZipFile, RuntimeError, zlib.error) as error:
        raise InputError(f"{path}: not a readable zip: {error}") from None


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
    check_names(findings, table.column_names, chosen)
    columns: dict[str, pa.ChunkedArray] = {}
    for i, name in enumerate(table.column_names):
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
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        try:
            return cells.cast(pa.list_(pa.string()))
        except (pa.ArrowException, NotImplementedError):
            pass
    texts = [to_text(_plain(value)) for value in cells.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_time(kind)


def _plain(value: Any) -> Any:
    """JSON-able; what JSON has no form for becomes its text."""
    if value is None:
        return None
    return json.loads(json.dumps(value, default=str, ensure_ascii=False))


def _read_workbook(
    path: Path, content: bytes, findings: Findings
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    """The first sheet, all cells as text; a workbook keeps 15 digits of a number."""
    import pandas as pd  # only workbooks need it here

    findings.facts["format"] = "xlsx"
    try:
        frame = pd.read_excel(io.BytesIO(content), dtype=object, na_filter=False, engine="openpyxl")
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable workbook: {error}") from None
    names = [str(name).strip() for name in frame.columns]
    columns = {}
    for i, name in enumerate(names):
        texts = [_cell_text(value) for value in frame.iloc[:, i]]
        columns[name] = pa.chunked_array([pa.array(texts, pa.string())])
    return names, np.arange(1, len(frame) + 1), columns


def _cell_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f"{value:.0f}"
    return to_text(value) if isinstance(value, (str, bool)) else str(value)
