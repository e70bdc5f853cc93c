"""Files inside zip and tar archives, read in place: nothing is ever unpacked.

Only regular members exist here: links, devices and folders of an archive are neither listed nor
read. A gzipped tar is read through checkpoints of the decompressor, so that any order of reading
costs at most `CHECKPOINT_BYTES` of decompression a member.
"""

import io
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from fame.runtime.errors import InputError

GZIPPED_TAR = (".tar.gz", ".tgz")
SUFFIXES = (".zip", ".tar", *GZIPPED_TAR)
CHECKPOINT_BYTES = 32 << 20  # between two copies of the decompressor's state (about 40 KB each)
BLOCK_BYTES = 64 << 10  # compressed bytes at a time: at most 64 MB decompressed

# What the standard library raises for a damaged or encrypted archive or member.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class DamagedMemberError(OSError):
    """A member's bytes are damaged or encrypted, or they end early."""


# What says that an image is not there; anything else (no permission, a failing disk) is an error
# of the machine, and would mask pictures that are whole.
UNREADABLE = (FileNotFoundError, NotADirectoryError, DamagedMemberError)


@dataclass(frozen=True)
class Member:
    """A regular file in an archive: its name there and its size in bytes."""

    name: str
    size: int


def is_archive(path: Path) -> bool:
    """Whether the name of ``path`` is that of an archive that can be read in place."""
    return path.name.lower().endswith(SUFFIXES)


class Archive(ABC):
    """An archive, open for reading; a context manager.

    Attributes:
        members: the regular files in the order of their bytes; of a repeated name, the last.
    """

    def __init__(self, path: Path, file: IO[bytes], members: list[tuple[Member, Any]]) -> None:
        self._path = path
        self._file = file
        self._places = {member.name: (member.size, place) for member, place in members}
        self.members = [Member(name, size) for name, (size, _) in self._places.items()]

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            FileNotFoundError: there is no such regular member.
            DamagedMemberError: the member is damaged or encrypted.
        """
        if name not in self._places:
            raise FileNotFoundError(f"{self._path}: no member {name!r}")
        size, place = self._places[name]
        try:
            content = self._read(place, size)
        except _DAMAGE as error:
            message = f"{self._path}: member {name!r} cannot be read: {error}"
            raise DamagedMemberError(message) from None
        if len(content) != size:
            raise DamagedMemberError(f"{self._path}: member {name!r} ends early")
        return content

    @abstractmethod
    def _read(self, place: Any, size: int) -> bytes: ...

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Zip(Archive):
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file)
        entries = sorted(self._zip.infolist(), key=lambda entry: entry.header_offset)
        members = [(Member(e.filename, e.file_size), e) for e in entries if _is_regular(e)]
        super().__init__(path, file, members)

    def _read(self, place: zipfile.ZipInfo, size: int) -> bytes:
        with self._zip.open(place) as stream:
            return stream.read(size)


def _is_regular(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16  # 0 where the archive was not written on Unix
    return not entry.is_dir() and (stat.S_IFMT(mode) == 0 or stat.S_ISREG(mode))


class _Tar(Archive):
    def __init__(self, path: Path, file: IO[bytes]) -> None:
        members = []
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                # It would keep every header; an offset is all that is needed.
                tar.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
                if info.isreg() and not info.issparse():
                    members.append((Member(info.name, info.size), info.offset_data))
        super().__init__(path, file, members)

    def _read(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)


def open_archive(path: Path) -> Archive:
    """Open a zip or tar archive and list its members.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: the file is no archive, or it is cut off.
    """
    file: IO[bytes] = path.open("rb")
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            return _Zip(path, file)
        if name.endswith(GZIPPED_TAR):
            file = io.BufferedReader(_SeekableGzip(file))
        return _Tar(path, file)
    except _DAMAGE as error:
        file.close()
        raise InputError(
            f"{path}: not a whole archive: {error}; expected one of {', '.join(SUFFIXES)}"
        ) from None


class _SeekableGzip(io.RawIOBase):
    """A gzip file with a cheap ``seek`` in both directions."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._position = 0
        # Ascending: position in the content, offset in the file, the decompressor's state there.
        self._checkpoints = [(0, 0, zlib.decompressobj(wbits=zlib.MAX_WBITS | 16))]
        self._restore(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the length of the content is not known")
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        return self._position

    def readinto(self, buffer: Any) -> int:
        nearest = bisect_right(self._checkpoints, self._position, key=lambda c: c[0]) - 1
        if self._position < self._start or self._start < self._checkpoints[nearest][0]:
            self._restore(nearest)
        while self._position >= self._start + len(self._block):
            if not self._decompress_block():
                return 0
        begin = self._position - self._start
        content = self._block[begin : begin + len(buffer)]
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _restore(self, checkpoint: int) -> None:
        self._start, offset, state = self._checkpoints[checkpoint]
        self._state = state.copy()
        self._block = b""
        self._file.seek(offset)

    def _decompress_block(self) -> bool:
        """Step to the next block of content; False at its end."""
        self._start += len(self._block)
        self._block = b""
        if self._state.eof and not self._begin_stream():
            return False
        if self._start >= self._checkpoints[-1][0] + CHECKPOINT_BYTES:
            self._checkpoints.append((self._start, self._file.tell(), self._state.copy()))
        compressed = self._file.read(BLOCK_BYTES)
        self._file_position = self._file.tell()
        if not compressed:
            raise EOFError("the gzip stream is cut off")
        self._block = self._state.decompress(compressed)
        return True

    def _begin_stream(self) -> bool:
        """A gzip file may hold several streams; padding after the last one is ignored."""
        end = self._file_position - len(self._state.unused_data)
        self._file.seek(end)
        magic = self._file.read(2)
        self._file.seek(end)
        if magic != b"\x1f\x8b":
            return False
        self._state = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        return True


class ImageReader:
    """Reads files by (container, member), the locator of the images table; keeps archives open.

    Use it as a context manager, in one thread; a process opens its own.
    """

    def __init__(self) -> None:
        self._archives: dict[str, Archive] = {}

    def read(self, container: str, member: str) -> bytes:
        """The bytes of a plain file (``container`` "") or of an archive's member.

        Raises:
            FileNotFoundError: the file, the archive or its member is gone.
            DamagedMemberError: the member is damaged or encrypted.
            OSError: it cannot be read.
            InputError: the archive is not whole.
        """
        if not container:
            return Path(member).read_bytes()
        if container not in self._archives:
            self._archives[container] = open_archive(Path(container))
        return self._archives[container].read(member)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for archive in self._archives.values():
            archive.close()
        self._archives.clear()
