"""Which rows of a file may be posts, before it is known what its columns are."""

import numpy as np

from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_ids import find_total
from fame.posts.sources.table_texts import to_texts


def keep_posts(cells: Cells) -> Cells:
    """All rows but those of totals at the end or in the first row.

    Ingest leaves them out by the columns that are read; what is counted here, as cells that no two
    posts share, is to be counted without them. Where all rows look like totals, none is known to be
    one: an author of all posts may be called so.
    """
    kept = np.arange(len(cells.numbers))
    while len(kept) and _is_total(cells, kept[-1]):
        kept = kept[:-1]
    if len(kept) and _is_total(cells, kept[0]):
        kept = kept[1:]
    return cells if len(kept) in (0, len(cells.numbers)) else cells.take(kept)


def _is_total(cells: Cells, row: int) -> bool:
    columns = cells.columns.values()
    texts = [(to_texts(column.slice(row, 1))[0].as_py() or "").strip() for column in columns]
    return find_total(texts) is not None
