"""Which rows of a file may be posts, before it is known what its columns are."""

import re

import numpy as np

from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_ids import TOTALS
from fame.posts.sources.table_texts import NUMERIC_WORDS, to_texts
from fame.runtime.errors import InputError

_TOTALS, _NOTHING = frozenset(TOTALS), frozenset(("", *NUMERIC_WORDS))
# 1.234,5 and 1,2 Tsd. and $12 and 0:03:12 and 12 % and 120 posts, but no date.
_QUANTITY = re.compile(
    r"[^\W\d_]{0,3}[^\w]*\d+(?:[.,'’\s]\d{3})*(?:[.,]\d+|(?::\d\d)+)?[^\w]*[^\W\d_]*\.?"
)


def keep_posts(cells: Cells) -> Cells:
    """All rows but those of totals at the end or in the first row.

    Ingest leaves them out by the columns that are read; what is counted here, as cells that no two
    posts share, is to be counted without them.

    Raises:
        InputError: no other row is there.
    """
    kept = np.arange(len(cells.numbers))
    while len(kept) and _is_total(cells, kept[-1]):
        kept = kept[:-1]
    if len(kept) and _is_total(cells, kept[0]):
        kept = kept[1:]
    if not len(kept):
        raise InputError(f"{cells.findings.path}: holds no post, expected at least one")
    return cells if len(kept) == len(cells.numbers) else cells.take(kept)


def _is_total(cells: Cells, row: int) -> bool:
    """Whether a row holds a word of TOTALS, and beside it nothing but quantities."""
    texts = [
        (to_texts(column.slice(row, 1))[0].as_py() or "").strip()
        for column in cells.columns.values()
    ]
    others = [text for text in texts if text not in _TOTALS and text not in _NOTHING]
    return any(text in _TOTALS for text in texts) and all(map(_QUANTITY.fullmatch, others))
