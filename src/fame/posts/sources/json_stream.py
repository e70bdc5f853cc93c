"""Large JSON files of flat records, read in pieces: memory follows the piece, not the file.

The challenge's files come in two shapes: a list of records, and an object of columns as pandas
writes it. A piece ends at a brace or comma that is outside of every string, which is decided by
counting quotes from a place that is known to be outside; orjson parses the pieces.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import orjson

from fame.runtime.errors import InputError

BLOCK_BYTES = 1 << 19  # larger ones are no faster: they leave the processor's cache
_STRUCTURE = re.compile(rb'"[^"]*"?|[{}]')  # the last string may be open


def ignore(_count: int) -> None:
    """No progress is shown."""


def read_records(
    path: Path,
    *,
    set_aside: Mapping[str, Callable[[bytes, int], int]] | None = None,
    advance: Callable[[int], None] = ignore,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[list[dict[str, Any]]]:
    """The records of a JSON list of objects, in lists of as many as a block holds.

    Args:
        path: the file.
        set_aside: key -> function of the bytes between a string's quotes and their offset in the
            file. The record holds "#" and the number that it gives instead of the string, so that
            long strings never become text here.
        advance: told the bytes of each block read.
        block_bytes: how much is read at a time.

    Raises:
        InputError: no such file, not a list, a record that is no object, damaged or cut off.
    """
    aside = _Aside(set_aside) if set_aside else None
    with _opened(path, block_bytes, advance) as window:
        window.expect(b"[", "a list of records")
        count = 0
        while (head := window.peek()) != b"]":
            if count:
                window.expect(b",", f"a comma or the list's end after record {count}")
            elif not head:
                window.fail("cut off before the first record")
            records = window.take_records(count, aside)
            for row, record in enumerate(records):
                if type(record) is not dict:
                    window.fail(f"record {count + row + 1} is no object")
            count += len(records)
            yield records
        window.expect(b"]", "the list's end")
        window.expect_end()


def read_columns(
    path: Path,
    fields: Collection[str],
    *,
    advance: Callable[[int], None] = ignore,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[tuple[str, list[Any]]]:
    """The columns of a JSON object {field: {"0": value, "1": value, ...}}, in pieces of rows.

    Yields:
        (field, values): the next rows of the field, for those of ``fields`` that are there; a
        column without rows is one empty piece.

    Raises:
        InputError: no such file, another shape, row keys out of sequence, damaged or cut off.
    """
    with _opened(path, block_bytes, advance) as window:
        window.expect(b"{", "an object of columns")
        is_first = True
        while window.peek() != b"}":
            if not is_first:
                window.expect(b",", "a comma or the end after a column")
            is_first = False
            field = window.take_string()
            window.expect(b":", f"a colon after {field!r}")
            window.expect(b"{", f"an object of rows under {field!r}")
            if field in fields:
                yield from _read_rows(window, field)
            else:
                window.skip_object(field)
        window.expect(b"}", "the object's end")
        window.expect_end()


def opening(path: Path) -> str:
    """The first character of the file that is no white space ("" if there is none)."""
    with _opened(path, BLOCK_BYTES, ignore) as window:
        return window.peek().decode("latin-1")


def _read_rows(window: "_Window", field: str) -> Iterator[tuple[str, list[Any]]]:
    rows = 0
    while window.peek() != b"}":
        if rows:
            window.expect(b",", f"a comma after row {rows - 1} of {field!r}")
        entries = window.take_entries(field)
        expected = list(map(str, range(rows, rows + len(entries))))
        if list(entries) != expected:
            found = next(key for key, row in zip(entries, expected, strict=True) if key != row)
            window.fail(f"the rows of {field!r} are not numbered in order: found {found!r}")
        rows += len(entries)
        yield field, list(entries.values())
    window.expect(b"}", f"the end of column {field!r}")
    if not rows:
        yield field, []


class _Aside:
    """Replaces strings of some keys by numbers, in a text whose escapes are masked."""

    def __init__(self, numbering: Mapping[str, Callable[[bytes, int], int]]) -> None:
        self._numbering = {key.encode(): number for key, number in numbering.items()}
        names = b"|".join(map(re.escape, self._numbering))
        self._opening = re.compile(rb'"(' + names + rb')"\s*:\s*"')

    def replace(self, text: bytes, masked: bytes, end: int, offset: int) -> list[bytes]:
        """The pieces of ``text`` up to ``end``; ``offset`` is that of the text in the file."""
        pieces = []
        done = 0
        while key := self._opening.search(masked, done, end):
            begin = key.end()
            finish = masked.index(b'"', begin, end)
            number = self._numbering[key[1]](text[begin:finish], offset + begin)
            pieces.append(text[done:begin])
            pieces.append(b"#%d" % number)
            done = finish
        pieces.append(text[done:end])
        return pieces


@contextmanager
def _opened(path: Path, block_bytes: int, advance: Callable[[int], None]) -> Iterator["_Window"]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    with file:
        yield _Window(path, file, block_bytes, advance)


class _Window:
    """The part of the file that is in memory; it always starts outside of a string."""

    def __init__(
        self, path: Path, file: IO[bytes], block_bytes: int, advance: Callable[[int], None]
    ) -> None:
        self._path = path
        self._file = file
        self._block_bytes = block_bytes
        self._advance = advance
        self._buffer = b""
        self._offset = 0  # of the buffer in the file
        while len(self._buffer) < 3 and self._read_more():
            pass
        if self._buffer.startswith(b"\xef\xbb\xbf"):
            self._skip(3)

    def fail(self, problem: str) -> NoReturn:
        raise InputError(f"{self._path}: {problem}")

    def peek(self) -> bytes:
        """The next byte that is no white space, b"" at the end of the file."""
        while True:
            stripped = self._buffer.lstrip(b" \t\r\n")
            self._offset += len(self._buffer) - len(stripped)
            self._buffer = stripped
            if stripped or not self._read_more():
                return stripped[:1]

    def expect(self, byte: bytes, what: str) -> None:
        found = self.peek()
        if found != byte:
            shown = repr(found.decode("latin-1")) if found else "the end of the file"
            self.fail(f"damaged or cut off at byte {self._offset}: found {shown}, expected {what}")
        self._skip(1)

    def expect_end(self) -> None:
        if self.peek():
            self.fail(f"goes on after its end at byte {self._offset}")

    def take_string(self) -> str:
        if self.peek() != b'"':
            self.expect(b'"', "the name of a column")
        while (end := _mask(self._buffer).find(b'"', 1)) < 0:
            if not self._read_more():
                self.fail("cut off in the name of a column")
        return self._parse(self._take(end + 1))

    def take_records(self, before: int, aside: _Aside | None) -> list[Any]:
        """The whole records in the next block; ``before`` stand in front of them."""
        self._fill()
        while True:
            masked = _mask(self._buffer)
            # The last brace nearly always ends a record, and a text that ends elsewhere is never
            # valid. Where it does not (it stands in a string, or in an object in a record), the
            # depth of the braces tells.
            for find_end in (_find_last_brace, _find_last_record):
                end = find_end(masked) + 1
                if not end:
                    continue
                try:
                    if aside:
                        pieces = aside.replace(self._buffer, masked, end, self._offset)
                    else:
                        pieces = [self._buffer[:end]]
                    records = self._parse(b"".join([b"[", *pieces, b"]"]))
                except ValueError:
                    continue
                self._skip(end)
                return records
            if end:
                self._fail_in_records(masked, before)
            if not self._read_more():
                self.fail(f"cut off after {before} whole records, at byte {self._offset}")

    def _fail_in_records(self, masked: bytes, before: int) -> NoReturn:
        """Name the first record that is not valid."""
        start = 0
        for row, end in enumerate(_find_record_ends(masked), start=before + 1):
            try:
                self._parse(self._buffer[start : end + 1].lstrip(b", \t\r\n"))
            except json.JSONDecodeError as error:
                self.fail(f"record {row} is not valid JSON: {error.msg}")
            start = end + 1
        self.fail(f"after record {before} come records without commas between them")

    def take_entries(self, field: str) -> dict[str, Any]:
        """The entries of an object of scalars up to its end or the last comma in the block."""
        text = self._take_piece(field)
        try:
            return self._parse(b"{" + text + b"}")
        except json.JSONDecodeError as error:
            self.fail(f"not valid JSON in column {field!r}: {error.msg}")

    def skip_object(self, field: str) -> None:
        """Step behind the end of an object of scalars."""
        while self.peek() != b"}":
            self._take_piece(field)
            if self.peek() == b",":
                self._skip(1)
        self._skip(1)

    def _take_piece(self, field: str) -> bytes:
        self._fill()
        while True:
            masked = _mask(self._buffer)
            end = _find_first_brace(masked)
            if end < 0:
                end = _find_last(masked, b",")
            if end > 0:
                return self._take(end)
            if not self._read_more():
                self.fail(f"cut off in column {field!r}")

    def _parse(self, text: bytes) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            # orjson refuses lone surrogates, which Parquet cannot hold either: they are replaced.
            try:
                return _replace_surrogates(json.loads(text.decode(errors="replace"), strict=False))
            except (ValueError, RecursionError):
                raise error from None

    def _fill(self) -> None:
        while len(self._buffer) < self._block_bytes and self._read_more():
            pass

    def _read_more(self) -> bool:
        block = self._file.read(self._block_bytes)
        self._buffer += block
        self._advance(len(block))
        return bool(block)

    def _take(self, count: int) -> bytes:
        taken = self._buffer[:count]
        self._skip(count)
        return taken

    def _skip(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._offset += count


def _mask(text: bytes) -> bytes:
    """The text with its escaped backslashes and quotes overwritten: what remains opens or ends."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _find_last(masked: bytes, byte: bytes) -> int:
    """Position of the last ``byte`` outside of a string, or -1."""
    quotes = masked.count(b'"')
    end = len(masked)
    while (at := masked.rfind(byte, 0, end)) >= 0:
        quotes -= masked.count(b'"', at, end)
        if quotes % 2 == 0:
            return at
        end = at
    return -1


def _find_last_brace(masked: bytes) -> int:
    return masked.rfind(b"}")


def _find_first_brace(masked: bytes) -> int:
    """Position of the first closing brace outside of a string, or -1."""
    quotes = 0
    start = 0
    while (at := masked.find(b"}", start)) >= 0:
        quotes += masked.count(b'"', start, at)
        if quotes % 2 == 0:
            return at
        start = at + 1
    return -1


def _find_last_record(masked: bytes) -> int:
    """Position of the last brace that closes a whole object, or -1."""
    return max(_find_record_ends(masked), default=-1)


def _find_record_ends(masked: bytes) -> Iterator[int]:
    """Positions of the braces that close whole objects."""
    depth = 0
    for token in _STRUCTURE.finditer(masked):
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth == 0:
                yield token.start()


def _replace_surrogates(content: Any) -> Any:
    if isinstance(content, str):
        return content.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(content, list):
        return [_replace_surrogates(item) for item in content]
    if isinstance(content, dict):
        return {_replace_surrogates(k): _replace_surrogates(v) for k, v in content.items()}
    return content
