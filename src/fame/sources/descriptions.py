"""The description vectors of form A: 486,194 x 799 numbers as text, parsed lazily and in bulk.

The texts stay in the user data's file; what is kept is where they stand. A vector belongs to a
user, so a text that came before is not parsed again.
"""

import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from fame.core.contracts import DESCRIPTIONS, LOCATION_DESCRIPTION_WIDTH, USER_DESCRIPTION_WIDTH
from fame.progress import bar
from fame.sources.values import MISSING, Origin

WIDTHS = {
    "user_description": USER_DESCRIPTION_WIDTH,
    "location_description": LOCATION_DESCRIPTION_WIDTH,
}
BATCH_ROWS = 2048  # 10 MB of text
REMEMBERED_TEXTS = 40_000  # of each key: 160 MB with their vectors
WORKERS = 2
_JUNK_CHARACTERS = 2  # behind the 400th number of a location
_NO_NUMBER_END = bytes(set(range(256)) - set(b"0123456789."))
_MISSING = frozenset(word.encode() for word in MISSING)

Known = dict[str, dict[bytes, np.ndarray]]  # key -> text -> its vector


@dataclass(frozen=True)
class Places:
    """Where the description texts of a file stand.

    Attributes:
        path: the file.
        post_ids: (n,) string, whose post each record is.
        spans: key -> (n, 2) int64, offset and length of the text, length 0 where there is none.
    """

    path: Path
    post_ids: pa.Array
    spans: dict[str, np.ndarray]


class Descriptions:
    """Batches of DESCRIPTIONS, one row a post, in the order of the files; read when iterated."""

    def __init__(self, places: list[Places]) -> None:
        self._places = places

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Parse some batches ahead of their use.

        Raises:
            InputError: a text that is not the right count of numbers; names file and record.
        """
        known: Known = {key: {} for key in WIDTHS}
        total = sum(len(places.post_ids) for places in self._places)
        with ThreadPoolExecutor(WORKERS) as pool, bar(total, "descriptions", "post") as progress:
            waiting: deque[Future[pa.RecordBatch]] = deque()
            for places in self._places:
                for start in range(0, len(places.post_ids), BATCH_ROWS):
                    waiting.append(pool.submit(_parse_batch, places, start, known))
                    if len(waiting) > WORKERS:
                        yield _take_first(waiting, progress)
            while waiting:
                yield _take_first(waiting, progress)


def _take_first(waiting: deque[Future[pa.RecordBatch]], progress: tqdm) -> pa.RecordBatch:
    batch = waiting.popleft().result()
    progress.update(len(batch))
    return batch


def _parse_batch(places: Places, start: int, known: Known) -> pa.RecordBatch:
    """The batch that begins at record ``start``."""
    stop = start + BATCH_ROWS
    texts = _read_texts(places.path, {key: at[start:stop] for key, at in places.spans.items()})
    vectors = [_parse_key(texts[key], start, Origin(places.path, key), known) for key in WIDTHS]
    return pa.record_batch([places.post_ids[start:stop], *vectors], schema=DESCRIPTIONS)


def _read_texts(path: Path, spans: dict[str, np.ndarray]) -> dict[str, list[bytes]]:
    """The texts by key, b"" where there is none; one read for all of them."""
    filled = np.concatenate(list(spans.values()))
    filled = filled[filled[:, 1] > 0]
    begin, end = (filled[:, 0].min(), filled.sum(axis=1).max()) if len(filled) else (0, 0)
    with path.open("rb") as file:
        region = os.pread(file.fileno(), end - begin, begin)
    return {
        key: [region[offset - begin : offset - begin + size] for offset, size in at.tolist()]
        for key, at in spans.items()
    }


def _parse_key(
    texts: list[bytes], start: int, origin: Origin, known: Known
) -> pa.FixedSizeListArray:
    """One vector a text; ``start`` is the record of the first, for errors."""
    remembered = known[origin.key]
    unknown: dict[bytes, int] = {}  # text -> its first record
    vectors: dict[bytes, np.ndarray] = {}
    for row, text in enumerate(texts, start):
        vector = remembered.get(text)
        if vector is not None:
            vectors[text] = vector
        elif text not in _MISSING:
            unknown.setdefault(text, row)
    if unknown:
        parsed = _parse_texts(list(unknown), list(unknown.values()), origin)
        new = dict(zip(unknown, parsed, strict=True))
        if len(remembered) + len(new) > REMEMBERED_TEXTS:
            remembered = known[origin.key] = {}  # another thread may still read the old one
        remembered |= new
        vectors |= new
    return _stack(texts, vectors, WIDTHS[origin.key])


def _stack(
    texts: list[bytes], vectors: dict[bytes, np.ndarray], width: int
) -> pa.FixedSizeListArray:
    """One vector a text, null where it has none."""
    values = np.zeros((len(texts), width), np.float32)
    is_null = np.ones(len(texts), bool)
    for row, text in enumerate(texts):
        if text in vectors:
            values[row] = vectors[text]
            is_null[row] = False
    return pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), width, mask=pa.array(is_null)
    )


def _parse_texts(texts: list[bytes], rows: list[int], origin: Origin) -> np.ndarray:
    """(n, width) float32 from n texts; ``rows`` are their records, for errors."""
    width = WIDTHS[origin.key]
    column = pa.array([_clean(text, origin.key) for text in texts], pa.binary())
    numbers = pc.split_pattern(column, b",")
    counts = pc.list_value_length(numbers).to_numpy()
    wrong = np.flatnonzero(counts != width)
    if len(wrong):
        raise origin.error(rows[wrong[0]], f"{counts[wrong[0]]} numbers", f"{width} numbers")
    return _cast(numbers, rows, origin).to_numpy().reshape(-1, width)


def _cast(numbers: pa.ListArray, rows: list[int], origin: Origin) -> pa.Array:
    try:
        return numbers.flatten().cast(pa.string()).cast(pa.float32())
    except pa.ArrowInvalid:
        for row, values in zip(rows, numbers, strict=True):
            for value in values.values:
                try:
                    value.cast(pa.string()).cast(pa.float32())
                except pa.ArrowInvalid:
                    found = value.as_py().decode(errors="replace")
                    raise origin.error(row, found, "numbers between commas") from None
        raise


def _clean(text: bytes, key: str) -> bytes:
    """The numbers and commas of a text, without white space and the junk behind a location."""
    if b"\\" in text:
        text = json.loads(b'"%b"' % text).encode(errors="replace")
    if b" " in text:
        text = text.replace(b" ", b"")
    if key != "location_description":
        return text
    ends = [len(text.rstrip(_NO_NUMBER_END))]
    if text.count(b",") == WIDTHS[key]:
        ends.append(text.rfind(b","))
    for end in ends:
        if 0 < len(text[end:].decode(errors="replace")) <= _JUNK_CHARACTERS:
            return text[:end]
    return text
