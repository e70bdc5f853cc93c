"""Which rows of a table are posts, and their ids: those of a column, or digests of the content."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.params import ColumnParams
from fame.posts.findings import LEFT_OUT, NOTICED, READ, SHOWN
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_texts import NUMERIC_WORDS, read_ids, to_texts

# What programs write for an id where they sum or average the column.
TOTALS = tuple(
    form(word)
    for plain in (
        *("total", "totals", "grand total", "sum", "average", "mean", "gesamt", "summe", "somme"),
        *("gesamtsumme", "gesamtergebnis", "insgesamt", "durchschnitt", "mittelwert", "moyenne"),
        *(
            "total général",
            "total general",
            "promedio",
            "totale complessivo",
            "total geral",
            "soma",
        ),
        *("eindtotaal", "gemiddelde", "toplam", "genel toplam", "ortalama", "razem", "średnia"),
        *("suma końcowa", "totaal", "suma", "totale", "итого", "合计", "总计", "合計", "총계"),
    )
    for word in (plain, f"{plain}:")
    for form in (str.lower, str.capitalize, str.title, str.upper)
)
_TOTALS, _NOTHING = frozenset(TOTALS), frozenset(("", *NUMERIC_WORDS))
# 1.234,5 and 1,2 Tsd. and $12 and 0:03:12 and 12 % and 120 posts, but no date and no 1.jpg.
_QUANTITY = re.compile(
    r"[^\W\d_]{0,3}[^\w]*\d+(?:[.,'’\s]\d{3})*(?:[.,]\d+|(?::\d\d)+)?(?!\.\w)[^\w]*[^\W\d_]*\.?"
)
# What tells posts apart that have no id: what is known of them when they are published, and stays.
CONTENT = ("user", "time", "title", "tags", "image", "categories")
ID_BYTES = 8


def list_columns(columns: ColumnParams) -> dict[str, list[str]]:
    """Key of data.table.columns -> the columns that it names."""
    named = {}
    for key, value in columns.model_dump(exclude={"time_format"}).items():
        named[key] = value if isinstance(value, list) else [] if value is None else [value]
    return named


def find_total(texts: Iterable[str]) -> str | None:
    """The word of TOTALS in a row's trimmed cells, if beside it they hold nothing but quantities.

    A post whose author or title is such a word has other texts beside it.
    """
    filled = [text for text in texts if text not in _NOTHING]
    words = [text for text in filled if text in _TOTALS]
    others = [text for text in filled if text not in _TOTALS]
    return words[0] if words and all(map(_QUANTITY.fullmatch, others)) else None


def take_posts(
    cells: Cells, columns: ColumnParams, *, has_totals: bool = True
) -> tuple[Cells, pa.ChunkedArray]:
    """The rows that are posts, and their ids: each has one, and no two the same.

    ``has_totals``: rows of totals may be among them, as in a file; a draft may be called Total.

    Rows without an id are left out as bad, but for those of totals, which are left out and counted;
    of rows that are the same in every column that is read the first is kept; other rows with the id
    of an earlier one are refused. Where no column is the id, an id is a digest of
    the row's CONTENT, the same wherever the row stands and whatever is beside it; rows of one
    content are told apart by a number behind it, in the order of their cells.
    """
    keys = list_content(columns) if columns.id is None else [columns.id]
    if columns.id is None:
        ids = _digest(cells, keys)
        cells.findings.note("", f"ids made of {', '.join(keys)}, as no column is the id", READ)
    else:
        ids = read_ids(cells.column(columns.id), "ids")
    cells, ids = _leave_out_empty(cells, ids, keys)
    if has_totals:
        cells, ids = _leave_out_totals(cells, ids, keys)
    if cells.findings.is_refused or pc.count_distinct(ids).as_py() == len(ids):
        return cells, ids
    if columns.id is None:
        ids = _number_alike(cells, ids)
    kept = _find_first_rows(cells, keys[0], ids.to_pylist())
    return cells.take(kept), ids.take(pa.array(kept))


def list_content(columns: ColumnParams) -> list[str]:
    """The columns of CONTENT."""
    named = list_columns(columns)
    return [name for key in CONTENT for name in named[key]]


def _read_keys(cells: Cells, keys: list[str]) -> list[tuple[str, ...]]:
    """The cells of some columns, a row a tuple, without white space around them."""
    texts = [pc.fill_null(_trim(cells, name), "").to_pylist() for name in keys]
    return list(zip(*texts, strict=True))


def _trim(cells: Cells, name: str) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(to_texts(cells.columns[name]))


def _digest(cells: Cells, keys: list[str]) -> pa.ChunkedArray:
    """A digest of each row's cells, null where all are empty."""
    ids = [
        hashlib.blake2b(repr(row).encode(), digest_size=ID_BYTES).hexdigest() if any(row) else None
        for row in _read_keys(cells, keys)
    ]
    return pa.chunked_array([pa.array(ids, pa.string())])


def _leave_out_empty(
    cells: Cells, ids: pa.ChunkedArray, keys: list[str]
) -> tuple[Cells, pa.ChunkedArray]:
    if not ids.null_count:
        return cells, ids
    without = np.flatnonzero(ids.is_null().to_numpy()).tolist()
    totals: list[tuple[int, str]] = []
    bad: list[int] = []
    for row, texts in zip(
        without, _read_keys(cells.take(np.array(without)), list(cells.columns)), strict=True
    ):
        word = find_total(texts)
        if word is not None:
            totals.append((cells.numbers[row], word))
        else:
            bad.append(row)
    findings = cells.findings
    if totals:
        findings.note("", "rows of totals", LEFT_OUT, len(totals), totals[:SHOWN])
    if bad:
        examples = [(cells.numbers[row], "") for row in bad[:SHOWN]]
        what, allowed = "rows without an id", "an id"
        if len(keys) > 1:
            what, allowed = f"rows without any of {', '.join(keys)}", "a post"
        place = keys[0] if len(keys) == 1 else ""
        count = len(ids) - len(totals)
        findings.bad(place, what, allowed, len(bad), count, examples, LEFT_OUT)
    kept = np.flatnonzero(ids.is_valid().to_numpy())
    return cells.take(kept), ids.take(pa.array(kept))


def _leave_out_totals(
    cells: Cells, ids: pa.ChunkedArray, keys: list[str]
) -> tuple[Cells, pa.ChunkedArray]:
    """Without rows that hold a word of TOTALS and nothing else in these columns.

    They stand at the end, or in the first row; elsewhere such a word is an id.
    """
    words = pa.array(TOTALS)
    if not any(pc.any(pc.is_in(_trim(cells, name), value_set=words)).as_py() for name in keys):
        return cells, ids
    filled = [[cell for cell in row if cell] for row in _read_keys(cells, keys)]
    is_total = np.array([len(row) == 1 and row[0] in _TOTALS for row in filled], bool)
    is_last = np.logical_and.accumulate(is_total[::-1])[::-1]
    totals = np.flatnonzero(is_last | (is_total & (np.arange(len(ids)) == 0)))
    if not len(totals):
        return cells, ids
    examples = [(cells.numbers[row], filled[row][0]) for row in totals[:SHOWN]]
    place = keys[0] if len(keys) == 1 else ""
    cells.findings.note(place, "rows of totals", LEFT_OUT, len(totals), examples)
    kept = np.delete(np.arange(len(ids)), totals)
    return cells.take(kept), ids.take(pa.array(kept))


def _number_alike(cells: Cells, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """A number behind the ids of rows that share one and differ in other columns."""
    names: list[str] = ids.to_pylist()
    counts = Counter(names)
    shared = [row for row, name in enumerate(names) if counts[name] > 1]
    contents = _read_keys(cells.take(np.array(shared)), sorted(cells.columns))
    alike: dict[str, set[tuple[str, ...]]] = {}
    for row, content in zip(shared, contents, strict=True):
        alike.setdefault(names[row], set()).add(content)
    order = {name: sorted(found) for name, found in alike.items()}
    examples = []
    for row, content in zip(shared, contents, strict=True):
        number = order[names[row]].index(content)
        if number:
            names[row] += f"-{number + 1}"
            examples.append((cells.numbers[row], names[row]))
    what = "rows of one content that differ elsewhere, told apart by a number behind the id"
    if examples:
        cells.findings.note("", what, NOTICED, len(examples), examples[:SHOWN])
    return pa.chunked_array([pa.array(names, pa.string())])


def _find_first_rows(cells: Cells, column: str, ids: list[str]) -> np.ndarray:
    """Positions of rows whose id is new."""
    first_rows: dict[str, int] = {}
    same: list[int] = []
    other: list[tuple[int, int]] = []
    for row, post_id in enumerate(ids):
        first = first_rows.setdefault(post_id, row)
        if first == row:
            continue
        if all(_is_same(values, first, row) for values in cells.columns.values()):
            same.append(row)
        else:
            other.append((first, row))
    findings = cells.findings
    if same:
        examples = [(cells.numbers[row], ids[row]) for row in same[:SHOWN]]
        findings.note("", "rows that repeat an earlier row", LEFT_OUT, len(same), examples)
    if other:
        shown = ", ".join(
            f"{ids[row]!r} in {findings.unit}s {cells.numbers[first]} and {cells.numbers[row]}"
            for first, row in other[:SHOWN]
        )
        count = "1 row has" if len(other) == 1 else f"{len(other):,} rows have"
        findings.refuse(
            f"{column}: {count} the id of another row that differs ({shown}); "
            "ids are unique: keep one row of each, or name another column as the id"
        )
    return np.array(sorted(first_rows.values()), np.int64)


def _is_same(values: pa.ChunkedArray, first: int, row: int) -> bool:
    one, other = values[first].as_py(), values[row].as_py()
    return one == other or (one != one and other != other)
