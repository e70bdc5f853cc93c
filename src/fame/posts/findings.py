"""What reading found in a file: each decision, change and bad cell, counted and shown.

Nothing is changed in silence: whoever changes, masks or leaves out a value notes it here. Problems
are collected over the whole file and said together by `Findings.settle`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.runtime.errors import InputError

SHOWN = 3  # rows of a finding
SHOWN_CHARACTERS = 60

# What became of the cells of a finding.
READ = "read"  # a decision on how the column is read; no value is in doubt
KEPT = "nothing is lost"  # the value is what the cell means, not what it says
REPLACED = "replaced by U+FFFD"  # characters that nothing can read
MISSING = "read as missing"  # a word for a missing value
MASKED = "left empty"  # bad
LEFT_OUT = "left out"  # the row is not among the posts
NOTICED = "worth a look"  # kept


@dataclass(frozen=True)
class Finding:
    """One kind of thing in one column.

    Attributes:
        column: of the file; "" for whole rows and for the file.
        what: what was found, in the plural: a count may follow.
        became: one of the words above.
        count: cells or rows.
        examples: the first (row, text) of them, as shown.
    """

    column: str
    what: str
    became: str
    count: int
    examples: tuple[tuple[int, str], ...] = ()

    def describe(self, unit: str) -> str:
        """One line."""
        place = f"{self.column}: " if self.column else ""
        count = f": {self.count:,}" if self.count else ""
        became = f", {self.became}" if self.became != READ else ""
        return f"{place}{self.what}{count}{became}{_join(self.examples, unit)}"


@dataclass(frozen=True)
class _Bad:
    finding: Finding
    allowed: str
    filled: int  # cells of the column that are not empty, or rows of the file


class Findings:
    """Collects what reading one file found.

    Attributes:
        path: the file.
        unit: what its records are counted in: data row (from 1 below the header), line or record.
        notes: findings that change no outcome, in the order of reading.
        facts: what was read about the file as a whole, JSON-able.
    """

    def __init__(self, path: Path, unit: str = "data row") -> None:
        self.path = path
        self.unit = unit
        self.notes: list[Finding] = []
        self.facts: dict[str, Any] = {}
        self._bad: list[_Bad] = []
        self._refusals: list[str] = []

    def note(
        self,
        column: str,
        what: str,
        became: str,
        count: int = 0,
        examples: Iterable[tuple[int, Any]] = (),
    ) -> None:
        """Keep a decision or a change."""
        self.notes.append(Finding(column, what, became, int(count), _show(examples)))

    def bad(
        self,
        column: str,
        what: str,
        allowed: str,
        count: int,
        filled: int,
        examples: Iterable[tuple[int, Any]],
        became: str = MASKED,
    ) -> None:
        """Cells that cannot be read: masked if they are few, else they stop the run."""
        finding = Finding(column, what, became, int(count), _show(examples))
        self._bad.append(_Bad(finding, allowed, filled))

    def refuse(self, sentence: str) -> None:
        """A problem that no switch accepts."""
        self._refusals.append(sentence)

    @property
    def is_refused(self) -> bool:
        """Whether a problem was noted that no switch accepts."""
        return bool(self._refusals)

    def settle(self, on_bad: str, max_bad_fraction: float) -> None:
        """Mask what may be masked; say all other problems at once.

        Raises:
            InputError: refusals, or bad cells that are more than allowed or to stop at.
        """
        problems = [f"{self.path}: {sentence}" for sentence in self._refusals]
        for bad in self._bad:
            if on_bad == "mask" and bad.finding.count <= max_bad_fraction * bad.filled:
                self.notes.append(bad.finding)
            else:
                problems.append(self._explain(bad, on_bad, max_bad_fraction))
        self._bad, self._refusals = [], []
        if len(problems) == 1:
            raise InputError(problems[0])
        if problems:
            lines = "".join(f"\n  {problem}" for problem in problems)
            raise InputError(f"{self.path}: {len(problems)} problems:{lines}")

    def _explain(self, bad: _Bad, on_bad: str, max_bad_fraction: float) -> str:
        finding = bad.finding
        place = f"{finding.column}: " if finding.column else ""
        switch = "data.on_bad: mask accepts them"
        if on_bad == "mask":
            switch = f"data.max_bad_fraction is {max_bad_fraction:g}"
            switch = "none is one" if finding.count == bad.filled else switch
        return (
            f"{self.path}: {place}{finding.what}: {finding.count:,} of {bad.filled:,}"
            f"{_join(finding.examples, self.unit)}, expected {bad.allowed}; {switch}"
        )

    def to_json(self) -> list[dict[str, Any]]:
        """The notes, JSON-able."""
        return [asdict(note) for note in self.notes]


def _join(examples: tuple[tuple[int, str], ...], unit: str) -> str:
    shown = ", ".join(f"{unit} {row}: {text}" for row, text in examples)
    return f" ({shown})" if shown else ""


def _show(examples: Iterable[tuple[int, Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((int(row), shorten(text)) for row, text in examples)


def shorten(value: Any) -> str:
    """A value as it is shown in a message."""
    shown = repr(value)
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "..."


@dataclass(frozen=True)
class Column:
    """A column of the file on its way to values.

    Attributes:
        name: in the file.
        cells: n values: texts, or what a typed format gives.
        numbers: (n,) the number of each row in the file.
        findings: where to note.
    """

    name: str
    cells: pa.ChunkedArray
    numbers: np.ndarray
    findings: Findings

    def trial(self) -> "Column":
        """The same with findings that nobody reads."""
        return Column(self.name, self.cells, self.numbers, Findings(self.findings.path))

    def note(
        self,
        what: str,
        became: str,
        chosen: pa.ChunkedArray | np.ndarray,
        telling: pa.ChunkedArray | np.ndarray | None = None,
    ) -> None:
        """Note the rows that ``chosen`` (n bools) marks; nothing if there are none.

        ``telling`` (n bools): those of them to show, where others would show nothing.
        """
        rows = _positions(chosen)
        if len(rows):
            shown = rows if telling is None or not len(_positions(telling)) else _positions(telling)
            self.findings.note(self.name, what, became, len(rows), self._examples(shown))

    def bad(self, what: str, allowed: str, chosen: pa.ChunkedArray | np.ndarray) -> None:
        """Bad cells that ``chosen`` (n bools) marks; nothing if there are none."""
        rows = _positions(chosen)
        if len(rows):
            filled = self.count_filled()
            examples = self._examples(rows)
            self.findings.bad(self.name, what, allowed, len(rows), filled, examples)

    def count_filled(self) -> int:
        """Cells that hold anything."""
        filled = len(self.cells) - self.cells.null_count
        if pa.types.is_string(self.cells.type):
            filled -= pc.sum(pc.equal(self.cells, "")).as_py() or 0
        return filled

    def _examples(self, rows: np.ndarray) -> list[tuple[int, Any]]:
        return [(self.numbers[row], self.cells[int(row)].as_py()) for row in rows[:SHOWN]]


def _positions(chosen: pa.ChunkedArray | np.ndarray) -> np.ndarray:
    if not isinstance(chosen, np.ndarray):
        chosen = pc.fill_null(chosen, False).to_numpy()
    return np.flatnonzero(chosen)


def map_distinct(
    texts: pa.ChunkedArray, parse: Callable[[str], Any], kind: pa.DataType
) -> pa.Array:
    """Parse each distinct text once; null where it is null or ``parse`` gives None."""
    encoded = pa.chunked_array(texts).combine_chunks().dictionary_encode()
    parsed: Sequence[Any] = [parse(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(parsed, kind).take(encoded.indices)
