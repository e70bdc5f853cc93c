"""A delimited text file -> columns of text: encoding, delimiter and quotes are found and said.

Arrow parses what is well-formed, at its own speed. A file whose quotes do not pair is read again by
the standard library line by line, so that a quote that is never closed costs one row and swallows
none of those behind it. Rows with another number of cells than the header are left out and named.
"""

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from fame.posts.findings import KEPT, LEFT_OUT, READ, SHOWN, Findings, shorten
from fame.runtime.errors import InputError

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x01")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_CHARACTERS = 1 << 18
BLOCK_BYTES = 4 << 20
BROKEN_LINES, BROKEN_ROW_LINES = 300, 20  # looked at to find a dialect where quotes do not pair
MAX_LINES_ABOVE = 20  # the header
MAX_ROW_LINES = 1000  # of one row with line breaks in its cells, where quotes do not pair
# A return in a cell of a file whose lines end in line feeds: Python and pandas do not quote it.
_BARE_RETURN = re.compile(r"\r(?!\n)")
HELD = "\ue00d"  # of the private area; stands for it while rows are told apart
_NAME = re.compile(r"\s*\D*[^\d\s]\D*")  # of a column: no number, not empty
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # Excel's own first line


@dataclass(frozen=True)
class Dialect:
    """How cells are divided and quoted."""

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    is_spaced: bool = False  # a space behind each delimiter is no part of the cell

    def read(self, lines: Iterator[str], strict: bool = False) -> Iterator[list[str]]:
        """The rows of ``lines``."""
        csv.field_size_limit(sys.maxsize)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.is_spaced,
            strict=strict,
        )


def read_csv(
    text: str, findings: Findings, wanted: list[str] | None
) -> tuple[list[str], np.ndarray, dict[str, pa.ChunkedArray]]:
    """Names of all columns, numbers of the rows, and the wanted columns (None: all) as text.

    Raises:
        InputError: no header, or a wanted column that stands twice.
    """
    text = text.rstrip("\x1a\0")  # where DOS ends a file
    is_held = "\n" in text and text.count("\r") > text.count("\r\n") and HELD not in text
    if is_held:
        text = _BARE_RETURN.sub(HELD, text)
    dialect, text = _find_dialect(text)
    findings.facts |= {"format": "csv", "delimiter": dialect.delimiter, "quote": dialect.quote}
    if dialect != Dialect(","):
        escaped = f", quotes escaped by {dialect.escape}" if dialect.escape else ""
        name = NAMES.get(dialect.delimiter, repr(dialect.delimiter))
        quoted = f", cells in {dialect.quote}" if dialect.quote != '"' else ""
        findings.note("", f"cells divided by {name}{quoted}{escaped}", READ)
    names, body = _take_header(text, dialect, findings)
    twice = find_twice(findings, names, wanted)
    rows = None
    if dialect == Dialect(dialect.delimiter) and _quotes_pair(body, dialect.delimiter):
        rows = _read_fast(body, dialect, len(names), findings)
    numbers, cells = rows or _read_carefully(body, dialect, len(names), findings)
    numbers, cells = _leave_out_empty(numbers, cells, findings)
    chosen = [
        i
        for i, name in enumerate(names)
        if name not in twice and (wanted is None or name in wanted)
    ]
    columns = {names[i]: cells[i] for i in chosen}
    if is_held:
        columns = {n: pc.replace_substring(c, HELD, "\r") for n, c in columns.items()}
    if b'="' in body:
        for name, column in columns.items():
            columns[name] = _unwrap_formulas(name, column, numbers, findings)
    return names, numbers, columns


def find_twice(findings: Findings, names: list[str], wanted: list[str] | None) -> set[str]:
    """Names of more than one column, which are not read.

    Raises:
        InputError: a column that is wanted stands twice.
    """
    twice = {name for name, count in Counter(names).items() if count > 1}
    for name in wanted or []:
        if name in twice:
            raise InputError(f"{findings.path}: column {name!r} stands twice, expected once")
    return twice


def _find_dialect(text: str) -> tuple[Dialect, str]:
    """The dialect under which most rows of the beginning are as wide as the header.

    Where none is, lines may stand above the header, or the header has a cell less than the rows:
    then the dialect of the widest rows of one width.
    """
    if told := _SEPARATOR_LINE.match(text):
        return Dialect(told[1]), text[told.end() :]
    sample = text[:SAMPLE_CHARACTERS]
    is_cut = len(sample) < len(text)
    best, best_score = Dialect(","), (-1.0, 0, False, 0)
    for dialect in _list_dialects(sample):
        score = _score(sample, dialect, is_cut)
        if score[1] > 1 and score > best_score:
            best, best_score = dialect, score
    return best, text


def _list_dialects(sample: str) -> Iterator[Dialect]:
    for quote, escape in (('"', None), ('"', "\\"), ("'", None)):
        if f"{escape or ''}{quote}" not in sample and (quote, escape) != ('"', None):
            continue
        for delimiter in DELIMITERS:
            yield Dialect(delimiter, quote, escape)
            if f"{delimiter} " in sample and delimiter != "\t":
                yield Dialect(delimiter, quote, escape, is_spaced=True)


def _score(sample: str, dialect: Dialect, is_cut: bool) -> tuple[float, int, bool, int]:
    """How many lines are rows as wide as the header, that width, and how clean the cells are."""
    rows = _read_sample(sample, dialect)
    is_clean = bool(rows)
    rows = rows or _read_broken_sample(sample, dialect)
    if is_cut and len(rows) > 1:
        rows.pop()
    if not rows:
        return -1.0, 0, False, 0
    at, width = _find_header(rows)
    below = rows[at + 1 :]
    fitting = sum(1 if len(row) == width else -1 for row in below) / max(1, sample.count("\n"))
    if at or len(rows[at]) != width:
        fitting -= 0.5  # a dialect whose header fits is better
    odd_names = sum(name != name.strip().strip("\"'") for name in rows[at])
    return round(fitting, 2), width, is_clean, -odd_names


def _read_sample(sample: str, dialect: Dialect) -> list[list[str]]:
    """Rows of the beginning; none where its quotes break the rules, but for a row that is cut."""
    rows = []
    try:
        for row in dialect.read(io.StringIO(sample, newline=""), strict=True):
            rows += [row] if row else []
    except csv.Error as error:
        if "unexpected end" not in str(error) or len(sample) < SAMPLE_CHARACTERS:
            return []
    return rows


def _read_broken_sample(sample: str, dialect: Dialect) -> list[list[str]]:
    """Rows of the beginning, where a quote that does not close costs its own line alone."""
    lines = list(io.StringIO(sample, newline=""))[:BROKEN_LINES]
    rows, at = [], 0
    while at < len(lines):
        row, used = _take_row(lines, at, dialect, BROKEN_ROW_LINES)
        rows += [row] if row else []
        at += used
    return rows


def _are_names(row: list[str], below: list[list[str]]) -> bool:
    """Whether the cells name columns: all differ, none is a number, more than names is below."""
    others = [cell for line in below for cell in line if cell.strip()]
    is_other = not others or not all(map(_NAME.fullmatch, others))
    return is_other and len(set(row)) == len(row) and all(map(_NAME.fullmatch, row))


def _find_header(rows: list[list[str]]) -> tuple[int, int]:
    """Which row is the header, and the width of the rows behind it.

    It is the first row, unless twice as many rows have another width or it has one filled cell at
    most, and a row as wide as most comes soon; or it names groups of columns, in half its cells,
    and the second names each.
    """
    counts = Counter(len(row) for row in rows[1:])
    width, often = counts.most_common(1)[0] if counts else (0, 0)
    if width < 2 or (width != len(rows[0]) and often < 2 * counts[len(rows[0])]):
        return 0, len(rows[0])
    for at, row in enumerate(rows[:MAX_LINES_ABOVE]):
        filled = sum(bool(cell.strip()) for cell in row)
        if not at and 1 < filled <= len(rows[1]) / 2 and _are_names(rows[1], rows[2:]):
            return 1, width
        # A title stands in the first cell; pandas leaves that of an index empty.
        is_first = not at and (filled > 1 or (width == 2 and not row[0].strip()))
        if len(row) in (width, width - 1) and (2 * filled > width or is_first):
            return at, width
        if len(row) >= width and filled > 1:
            break
    return 0, len(rows[0])


def _take_header(text: str, dialect: Dialect, findings: Findings) -> tuple[list[str], bytes]:
    """The names, and the bytes behind them."""
    sample = text[:SAMPLE_CHARACTERS]
    rows = _read_sample(sample, dialect) or _read_broken_sample(sample, dialect)
    if not rows:
        raise InputError(
            f"{findings.path}: is empty, expected a header with the names of the columns"
        )
    at, width = _find_header(rows)
    header = list(rows[at])
    used, found = 0, -1

    def count() -> Iterator[str]:
        nonlocal used
        for line in io.StringIO(sample, newline=""):
            used += len(line)
            yield line

    for row in dialect.read(count()):
        found += bool(row)
        if found == at:
            break
    if at:
        first = shorten(dialect.delimiter.join(rows[0]))
        findings.note("", f"lines above the header, which begin {first}", LEFT_OUT, at)
    if len(header) == width - 1:
        _lengthen(header, [row for row in rows[at + 1 :] if len(row) == width], findings)
    names = [name.strip() or f"column {i + 1}" for i, name in enumerate(header)]
    if not any(name.strip() for name in header):
        raise InputError(
            f"{findings.path}: is empty, expected a header with the names of the columns"
        )
    return names, text[used:].encode()


def _lengthen(header: list[str], rows: list[list[str]], findings: Findings) -> None:
    """A name more, where rows have a cell more: an empty one at their end, or R's row names."""
    if any(row[-1].strip() for row in rows):
        header.insert(0, "")
        findings.note("", "a first column without a name", READ)
    else:
        header.append("")


def _quotes_pair(body: bytes, delimiter: str) -> bool:
    """Whether every quote opens or closes a whole cell, or is doubled inside one."""
    content = np.frombuffer(body, np.uint8)
    places = np.flatnonzero(content == ord('"'))
    if len(places) % 2:
        return False
    ends = np.frombuffer(f"{delimiter}\r\n".encode(), np.uint8)
    opening, closing = places[::2], places[1::2]
    before = opening - 1
    starts = (before < 0) | np.isin(content[before], ends)
    starts[1:] |= closing[:-1] == before[1:]
    behind = closing + 1
    is_last = behind == len(content)
    stops = is_last | np.isin(content[np.minimum(behind, len(content) - 1)], ends)
    stops[:-1] |= opening[1:] == behind[:-1]
    return bool(starts.all() and stops.all())


def _read_fast(
    body: bytes, dialect: Dialect, width: int, findings: Findings
) -> tuple[np.ndarray, list[pa.ChunkedArray]] | None:
    """Numbers of the rows and their columns; None where an open quote may have taken other rows."""
    names = [str(i) for i in range(width)]
    odd: list[tuple[int, str]] = []

    def leave_out(row: pa_csv.InvalidRow) -> str:
        odd.append((row.number, row.text.replace(HELD, "\r")))
        return "skip"

    converting = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    parsing = pa_csv.ParseOptions(
        delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=leave_out
    )
    block_bytes = BLOCK_BYTES
    while body.strip(b"\r\n"):
        # One thread: the numbers of odd rows are known only in order.
        reading = pa_csv.ReadOptions(
            column_names=names, use_threads=False, block_size=min(block_bytes, 1 << 30)
        )
        try:
            table = pa_csv.read_csv(pa.BufferReader(body), reading, parsing, converting)
            break
        except pa.ArrowInvalid as error:
            if block_bytes > len(body):
                raise InputError(f"{findings.path}: not readable as CSV: {error}") from None
            block_bytes *= 8  # a row is longer than a block
            odd.clear()
    else:
        table = pa.table({name: pa.array([], pa.string()) for name in names})
    if any("\n" in text for _, text in odd):
        return None
    numbers = np.arange(1, len(table) + len(odd) + 1)
    _note_odd_rows(odd, len(numbers), width, findings)
    numbers = np.delete(numbers, [number - 1 for number, _ in odd])
    return numbers, [table[name] for name in names]


def _note_odd_rows(odd: list[tuple[int, str]], count: int, width: int, findings: Findings) -> None:
    if odd:
        what, allowed = "rows with another number of cells than the header", f"{width} cells"
        findings.bad("", what, allowed, len(odd), count, odd[:SHOWN], LEFT_OUT)


def _leave_out_empty(
    numbers: np.ndarray, cells: list[pa.ChunkedArray], findings: Findings
) -> tuple[np.ndarray, list[pa.ChunkedArray]]:
    """Without rows of empty cells alone, as spreadsheets write them below a table."""
    empty = np.ones(len(numbers), bool)
    for column in cells:
        texts = pc.utf8_trim_whitespace(column)
        empty &= pc.fill_null(pc.equal(texts, ""), True).to_numpy()
        if not empty.any():
            return numbers, cells
    findings.note("", "empty rows", LEFT_OUT, int(empty.sum()))
    return numbers[~empty], [column.filter(pa.array(~empty)) for column in cells]


def _read_carefully(
    body: bytes, dialect: Dialect, width: int, findings: Findings
) -> tuple[np.ndarray, list[pa.ChunkedArray]]:
    lines = list(io.StringIO(body.decode(), newline=""))
    rows: list[list[str]] = []
    numbers: list[int] = []
    odd: list[tuple[int, str]] = []
    open_quotes: list[tuple[int, str]] = []
    at = number = 0
    while at < len(lines):
        if not lines[at].strip("\r\n"):
            at += 1
            continue
        number += 1
        row, used = _take_row(lines, at, dialect)
        inside = range(at + 1, at + used) if row and len(row) != width else ()
        if any(_is_row(lines, line, width, dialect) for line in inside):
            row, used = None, 1  # its open quote is closed by a later row's
        if row is None:
            open_quotes.append((number, lines[at].rstrip("\r\n")))
        elif len(row) != width:
            odd.append((number, "".join(lines[at : at + used]).rstrip("\r\n")))
        else:
            rows.append(row)
            numbers.append(number)
        at += used
    _note_odd_rows(odd, number, width, findings)
    if open_quotes:
        what, allowed = "rows with a quote that does not close", "quotes around whole cells"
        findings.bad("", what, allowed, len(open_quotes), number, open_quotes[:SHOWN], LEFT_OUT)
    columns = [pa.chunked_array([[row[i] for row in rows]], pa.string()) for i in range(width)]
    return np.array(numbers, np.int64), columns


def _take_row(
    lines: list[str], at: int, dialect: Dialect, most: int = MAX_ROW_LINES
) -> tuple[list[str] | None, int]:
    """The row that starts with a line, and its lines; None and 1 if a quote in it never closes."""
    for used in range(1, min(most, len(lines) - at) + 1):
        try:
            rows = list(dialect.read(iter(lines[at : at + used]), strict=True))
        except csv.Error as error:
            if "unexpected end" in str(error):
                continue
            break
        if len(rows) == 1:
            return rows[0], used
        break
    return None, 1


def _is_row(lines: list[str], at: int, width: int, dialect: Dialect) -> bool:
    """Whether a line alone is a whole row, and not the end of a cell of several lines."""
    row, _ = _take_row(lines, at, dialect, 1)
    return row is not None and len(row) == width and lines[at].count(dialect.quote) % 2 == 0


def _unwrap_formulas(
    name: str, cells: pa.ChunkedArray, numbers: np.ndarray, findings: Findings
) -> pa.ChunkedArray:
    """Excel's ``="007"``, written so that zeros stay, is the text 007."""
    chosen = pc.match_substring_regex(cells, '^="[^"]*"$')
    count = pc.sum(chosen).as_py()
    if not count:
        return cells
    rows = np.flatnonzero(chosen.to_numpy())[:SHOWN]
    examples = [(numbers[row], cells[int(row)].as_py()) for row in rows]
    findings.note(name, "formulas of a text, read as the text", KEPT, count, examples)
    return pc.if_else(chosen, pc.utf8_slice_codeunits(cells, 2, -1), cells)
