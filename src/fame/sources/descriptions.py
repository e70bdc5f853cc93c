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

Entry = tuple[bytes, np.ndarray | None]  # a text and its vector


@dataclass(frozen=True)
class Places:
    """Where the description texts of a file stand.

    Attributes:
        path: the file.
        post_ids, user_ids: (n,) string, whose post each record is.
        spans: key -> (n, 2) int64, offset and length of the text, length 0 where there is none.
    """

    path: Path
    post_ids: pa.Array
    user_ids: pa.Array
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
        total = sum(len(places.post_ids) for places in self._places)
        with ThreadPoolExecutor(WORKERS) as pool, bar(total, "descriptions", "post") as progress:
            waiting: deque[Future[pa.RecordBatch]] = deque()
            for places in self._places:
                parser = _Parser(places)
                for start in range(0, len(places.post_ids), BATCH_ROWS):
                    waiting.append(pool.submit(parser.parse, start))
                    if len(waiting) > WORKERS:
                        yield _take_first(waiting, progress)
            while waiting:
                yield _take_first(waiting, progress)


def _take_first(waiting: deque[Future[pa.RecordBatch]], progress: tqdm) -> pa.RecordBatch:
    batch = waiting.popleft().result()
    progress.update(len(batch))
    return batch


class _Known:
    """The vectors of one key that are remembered, by text and by the user who had it last."""

    def __init__(self, users: int) -> None:
        self.by_text: dict[bytes, Entry] = {text: (text, None) for text in _MISSING}
        self.by_user: list[Entry] = [(b"", None)] * users


class _Parser:
    """Parses the records of a file; several threads may share it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        users = places.user_ids.dictionary_encode()
        self._users = pc.fill_null(users.indices, len(users.dictionary)).to_numpy()
        self._known = {key: _Known(len(users.dictionary) + 1) for key in WIDTHS}

    def parse(self, start: int) -> pa.RecordBatch:
        """The batch that begins at record ``start``."""
        rows = slice(start, start + BATCH_ROWS)
        spans = {key: spans[rows] for key, spans in self._places.spans.items()}
        filled = np.concatenate(list(spans.values()))
        filled = filled[filled[:, 1] > 0]
        begin, end = (filled[:, 0].min(), filled.sum(axis=1).max()) if len(filled) else (0, 0)
        with self._places.path.open("rb") as file:
            region = os.pread(file.fileno(), end - begin, begin)
        vectors = [self._parse_key(key, region, spans[key] - (begin, 0), start) for key in WIDTHS]
        return pa.record_batch([self._places.post_ids[rows], *vectors], schema=DESCRIPTIONS)

    def _parse_key(
        self, key: str, region: bytes, spans: np.ndarray, start: int
    ) -> pa.FixedSizeListArray:
        """One vector a record from ``start`` on; ``region`` holds the texts at ``spans``."""
        known = self._known[key]
        users = self._users[start : start + len(spans)].tolist()
        entries: list[Entry | None] = []
        unknown: dict[bytes, list[int]] = {}  # text -> its rows
        for row, (user, (offset, size)) in enumerate(zip(users, spans.tolist(), strict=True)):
            entry = known.by_user[user]
            if len(entry[0]) != size or not region.startswith(entry[0], offset):
                text = region[offset : offset + size]
                entry = known.by_text.get(text)
                if entry is None:
                    unknown.setdefault(text, []).append(row)
                else:
                    known.by_user[user] = entry
            entries.append(entry)
        if unknown:
            if len(known.by_text) + len(unknown) > REMEMBERED_TEXTS:
                known = self._known[key] = _Known(len(known.by_user))
            first_records = [start + rows[0] for rows in unknown.values()]
            vectors = _parse_texts(list(unknown), first_records, Origin(self._places.path, key))
            for (text, rows), vector in zip(unknown.items(), vectors, strict=True):
                known.by_text[text] = text, vector
                for row in rows:
                    entries[row] = known.by_user[users[row]] = text, vector
        return _stack([entry[1] for entry in entries], WIDTHS[key])


def _stack(vectors: list[np.ndarray | None], width: int) -> pa.FixedSizeListArray:
    """Null where there is no vector."""
    nothing = np.zeros(width, np.float32)
    values = np.concatenate([nothing if vector is None else vector for vector in vectors])
    is_null = pa.array([vector is None for vector in vectors])
    return pa.FixedSizeListArray.from_arrays(pa.array(values), width, mask=is_null)


def _parse_texts(texts: list[bytes], rows: list[int], origin: Origin) -> np.ndarray:
    """(n, width) float32 from n texts; ``rows`` are their records, for errors."""
    width = WIDTHS[origin.key]
    column = pa.array([_clean(text, origin.key) for text in texts], pa.string())
    numbers = pc.split_pattern(column, ",")
    counts = pc.list_value_length(numbers).to_numpy()
    wrong = np.flatnonzero(counts != width)
    if len(wrong):
        raise origin.error(rows[wrong[0]], f"{counts[wrong[0]]} numbers", f"{width} numbers")
    return _cast(numbers, rows, origin).to_numpy().reshape(-1, width)


def _cast(numbers: pa.ListArray, rows: list[int], origin: Origin) -> pa.Array:
    try:
        return numbers.flatten().cast(pa.float32())
    except pa.ArrowInvalid:
        for row, values in zip(rows, numbers, strict=True):
            for value in values.values:
                try:
                    value.cast(pa.float32())
                except pa.ArrowInvalid:
                    raise origin.error(row, value.as_py(), "numbers between commas") from None
        raise


def _clean(text: bytes, key: str) -> bytes:
    """The numbers and commas of a text, without white space and the junk behind a location."""
    if b"\\" in text:
        text = json.loads(b'"%b"' % text).encode(errors="replace")
    if not text.isascii():
        text = text.decode(errors="replace").encode()
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
