"""What a column holds and is called."""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.posts.findings import Column
from fame.posts.sources.table_numbers import read_numbers, weigh
from fame.posts.sources.table_texts import NUMERIC_WORDS, WORDS, to_texts
from fame.setup.column_words import LANGUAGES, LATER

FEW = 0.05  # of a column's cells may be no number or no time, and it still is one
BY_NAME = "by its name"
# Letters that Unicode does not take apart into a plain one and a mark.
PLAIN = str.maketrans({"ł": "l", "Ł": "L", "ı": "i", "ß": "ss", "ø": "o", "Ø": "O", "đ": "d"})
Choice = tuple[str, str] | None  # a column and why, or none


@dataclass(frozen=True)
class Look:
    """What a column holds.

    Attributes:
        numbers: (n,) float64, NaN where none; None if the column is no numbers.
        is_mostly_numbers: whether half of its cells or more are.
        texts: its cells as text.
        distinct: their number.
        filled: cells that are not empty.
        words: of its name.
    """

    numbers: np.ndarray | None
    is_mostly_numbers: bool
    texts: pa.ChunkedArray
    distinct: int
    filled: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The column's name in lower case, words joined by underscores."""
        return "_".join(self.words)


def look_at(column: Column) -> Look:
    """Its cells, as texts and as numbers, if it is one of numbers."""
    texts = to_texts(column.cells)
    trimmed = pc.utf8_trim_whitespace(texts)
    is_filled = pc.invert(pc.is_in(trimmed, value_set=pa.array(["", *WORDS, None])))
    filled, distinct = int(pc.sum(is_filled).as_py()), len(pc.unique(trimmed.filter(is_filled)))
    plain = unicodedata.normalize("NFKD", column.name.translate(PLAIN))
    plain = plain.encode("ascii", "ignore").decode()
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", plain.replace("'", ""))
    words = tuple(re.findall(r"[a-z0-9]+", spaced.lower())) or (column.name,)
    numbers, is_mostly_numbers = None, False
    trial = column.trial()
    is_code = words[-1] in LANGUAGES and not pc.any(pc.match_substring_regex(texts, r"\d")).as_py()
    if filled and not pa.types.is_list(column.cells.type) and not is_code:
        values = read_numbers(trial, weigh(trial).mark(), note=False)
        count = len(values) - values.null_count
        is_empty = pc.is_in(trimmed, value_set=pa.array(["", *NUMERIC_WORDS, None]))
        most = len(texts) - int(pc.sum(is_empty).as_py())
        is_mostly_numbers = 2 * count >= most > 0
        # Of no and sv, the first is a language too.
        is_one = distinct > 1 and pc.count_distinct(values).as_py() == 1
        if count and count >= (1 - FEW) * most and not is_one:
            numbers = values.to_numpy()
    return Look(numbers, is_mostly_numbers, texts, distinct, filled, words)


def by_name(free: dict[str, Look], names: tuple[str, ...]) -> list[str]:
    """Columns whose name is one of ``names`` (also behind a dot), in the order of those."""
    found = []
    for wanted in names:
        parts = tuple(wanted.split("_"))
        found += [n for n, look in free.items() if look.name in (wanted, wanted.replace("_", ""))]
        found += [n for n, look in free.items() if "." in n and look.words[-len(parts) :] == parts]
    return list(dict.fromkeys(found))


def by_words(free: dict[str, Look], words: frozenset[str], names: tuple[str, ...]) -> list[str]:
    """Columns of these names, then those with one of the words in theirs; none written later."""
    found = by_name(free, names)
    found += [n for n, look in free.items() if words & set(look.words)]
    return [n for n in dict.fromkeys(found) if not LATER & set(free[n].words)]
