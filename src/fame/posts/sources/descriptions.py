"""The description vectors of form A: 486,194 x 799 numbers as text, parsed lazily and in bulk.

The texts stay in the user data's file; what is kept is where the distinct ones stand, and which of
them a record has. A vector belongs to a user, so a text is parsed once for all of its posts.
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

from fame.posts.contract import DESCRIPTIONS, LOCATION_DESCRIPTION_WIDTH, USER_DESCRIPTION_WIDTH
from fame.posts.findings import SHOWN, Findings
from fame.posts.sources.values import MISSING, Origin
from fame.runtime.progress import bar

WIDTHS = {
    "user_description": USER_DESCRIPTION_WIDTH,
    "location_description": LOCATION_DESCRIPTION_WIDTH,
}
BATCH_ROWS = 512
REMEMBERED_TEXTS = 50_000  # of a file and key, 120 MB: more than there are users
WORKERS = 2
_JUNK_CHARACTERS = 2  # behind the 400th number of a location
_NO_NUMBER_END = bytes(set(range(256)) - set(b"0123456789."))
_MISSING = frozenset(word.encode() for word in MISSING)


Parsed = tuple[np.ndarray, dict[int, str]]  # (m, width) float32; odd row -> what it is


@dataclass(frozen=True)
class TextPlaces:
    """Where the n texts of a key stand in a file.

    Attributes:
        spans: (m, 2) int64, offset and length of each distinct text, in the order of the file.
        codes: (n,) int64, the text of each record, -1 where there is none.
    """

    spans: np.ndarray
    codes: np.ndarray


class DistinctTexts:
    """Numbers texts as they come; equal ones alike, as long as not too many are remembered."""

    def __init__(self) -> None:
        self._codes = dict.fromkeys(_MISSING, -1)
        self._spans: list[tuple[int, int]] = []

    def number(self, text: bytes, offset: int) -> int:
        """The number of a text that stands at ``offset``, -1 for one that says it is missing."""
        code = self._codes.get(text)
        if code is None:
            code = len(self._spans)
            self._spans.append((offset, len(text)))
            if len(self._codes) < REMEMBERED_TEXTS:
                self._codes[text] = code
        return code

    def place(self, numbers: pa.ChunkedArray, origin: Origin) -> TextPlaces:
        """From the column of "#" and number that the reader leaves.

        Raises:
            InputError: a record has something else than a text or null.
        """
        row = pc.index(pc.starts_with(numbers, "#"), False).as_py()
        if row >= 0:
            raise origin.error(row, numbers[row].as_py(), "a text of numbers")
        codes = pc.cast(pc.utf8_slice_codeunits(numbers, 1), pa.int64())
        spans = np.array(self._spans, np.int64).reshape(-1, 2)
        return TextPlaces(spans, pc.fill_null(codes, -1).to_numpy())


@dataclass(frozen=True)
class Places:
    """The description texts of a file: ``texts`` by key; the posts that its records belong to."""

    path: Path
    post_ids: pa.Array
    texts: dict[str, TextPlaces]


class Descriptions:
    """Batches of DESCRIPTIONS, one row a post, in the order of the files; read when iterated."""

    def __init__(
        self, places: list[Places], findings: Findings, on_bad: str, max_bad_fraction: float
    ) -> None:
        self._places = places
        self._findings = findings
        self._allowed = on_bad, max_bad_fraction

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Threads parse the next texts while a batch is put together.

        A text that is not the right count of numbers is masked and noted.

        Raises:
            InputError: more of them than may be masked, after the last batch.
        """
        total = sum(len(places.post_ids) for places in self._places)
        with (
            ThreadPoolExecutor(WORKERS) as pool,
            bar(total, "descriptions", "posts") as progress,
        ):
            for places in self._places:
                odd: dict[str, dict[int, str]] = {key: {} for key in places.texts}
                columns = [
                    _iterate_vectors(texts, Origin(places.path, key), pool, odd[key])
                    for key, texts in places.texts.items()
                ]
                starts = range(0, len(places.post_ids), BATCH_ROWS)
                for start, *vectors in zip(starts, *columns, strict=True):
                    post_ids = places.post_ids[start : start + BATCH_ROWS]
                    yield pa.record_batch([post_ids, *vectors], schema=DESCRIPTIONS)
                    progress.update(len(post_ids))
                for key, texts in places.texts.items():
                    self._note(places.path, key, texts, odd[key])
        self._findings.settle(*self._allowed)

    def _note(self, path: Path, key: str, texts: TextPlaces, odd: dict[int, str]) -> None:
        if not odd:
            return
        rows = np.flatnonzero(np.isin(texts.codes, list(odd)))
        examples = [(row + 1, odd[int(texts.codes[row])]) for row in rows[:SHOWN]]
        allowed = f"{WIDTHS[key]} numbers"
        filled = int((texts.codes >= 0).sum())
        name = f"{path.name} {key}"
        what = "texts without their numbers"
        self._findings.bad(name, what, allowed, len(rows), filled, examples)


def _iterate_vectors(
    texts: TextPlaces, origin: Origin, pool: ThreadPoolExecutor, odd: dict[int, str]
) -> Iterator[pa.FixedSizeListArray]:
    """One vector a record, BATCH_ROWS at a time; kept are those that come again.

    To ``odd`` come the texts that are no vector: number -> what was found.
    """
    is_odd = np.zeros(len(texts.spans) + 1, bool)  # the last one stands for no text
    is_odd[-1] = True
    is_repeated = np.bincount(texts.codes[texts.codes >= 0], minlength=len(texts.spans)) > 1
    slots = np.cumsum(is_repeated) - 1
    kept = np.empty((int(is_repeated.sum()), WIDTHS[origin.key]), np.float32)
    for codes, first, (parsed, found) in _parse_ahead(texts, origin, pool):
        for row, text in found.items():
            odd[first + row] = text
            is_odd[first + row] = True
        is_new = codes >= first  # texts are numbered as they come
        is_old = (codes >= 0) & ~is_new
        values = np.zeros((len(codes), kept.shape[1]), np.float32)
        values[is_new] = parsed[codes[is_new] - first]
        values[is_old] = kept[slots[codes[is_old]]]
        comes_again = is_repeated[first : first + len(parsed)]
        kept[slots[first : first + len(parsed)][comes_again]] = parsed[comes_again]
        yield pa.FixedSizeListArray.from_arrays(
            pa.array(values.ravel()), kept.shape[1], mask=pa.array(is_odd[codes])
        )


def _parse_ahead(
    texts: TextPlaces, origin: Origin, pool: ThreadPoolExecutor
) -> Iterator[tuple[np.ndarray, int, Parsed]]:
    """For each batch its codes, the first new one, and the vectors of the new ones."""
    waiting: deque[tuple[np.ndarray, int, Future[Parsed]]] = deque()
    first = 0
    for start in range(0, len(texts.codes), BATCH_ROWS):
        codes = texts.codes[start : start + BATCH_ROWS]
        stop = max(first, int(codes.max()) + 1)
        waiting.append((codes, first, pool.submit(_parse_new, texts, first, stop, origin)))
        first = stop
        if len(waiting) > WORKERS:
            codes_before, first_before, parsed = waiting.popleft()
            yield codes_before, first_before, parsed.result()
    for codes, first, parsed in waiting:
        yield codes, first, parsed.result()


def _parse_new(texts: TextPlaces, first: int, stop: int, origin: Origin) -> Parsed:
    with origin.path.open("rb") as file:
        content = [
            os.pread(file.fileno(), size, offset)
            for offset, size in texts.spans[first:stop].tolist()
        ]
    return _parse_texts(content, origin.key)


def _parse_texts(texts: list[bytes], key: str) -> Parsed:
    """Vectors of texts; 0 where a text is none."""
    width = WIDTHS[key]
    column = pa.array([_clean(text, key) for text in texts], pa.string())
    numbers = pc.split_pattern(column, ",")
    counts = pc.list_value_length(numbers).to_numpy()
    odd = {int(row): f"{counts[row]} numbers" for row in np.flatnonzero(counts != width)}
    vectors = np.zeros((len(texts), width), np.float32)
    whole = np.flatnonzero(counts == width)
    flat = numbers.take(pa.array(whole)).flatten()
    try:
        vectors[whole] = flat.cast(pa.float32()).to_numpy().reshape(-1, width)
    except pa.ArrowInvalid:
        for row in whole.tolist():
            try:
                vectors[row] = numbers[row].values.cast(pa.float32()).to_numpy()
            except pa.ArrowInvalid:
                odd[row] = _find_no_number(numbers[row])
    return vectors, odd


def _find_no_number(numbers: pa.ListScalar) -> str:
    """The first part that is no number."""
    for number in numbers.values:
        try:
            number.cast(pa.float32())
        except pa.ArrowInvalid:
            return number.as_py()
    raise AssertionError("some number must be refused")


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
