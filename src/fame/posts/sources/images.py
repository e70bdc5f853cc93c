"""Where each post's image lies: in a folder, or inside archives that are read in place.

A listed path and a file belong together where one ends with all of the other, folder by folder:
``train/59@N75/1.jpg`` is found as ``59@N75/1.jpg`` where a folder or archive starts one level
deeper, and as ``images/train/59@N75/1.jpg`` too. The longest match counts, and
what two paths would share by such a match belongs to neither. A name that is found nowhere is
looked for as other systems write it (Unicode form, separators, case, suffix).
"""

import hashlib
import os
import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from fame.posts.archives import (
    UNREADABLE,
    Archive,
    DamagedMemberError,
    is_archive,
    open_archive,
)
from fame.posts.contract import IMAGES, LOCATED, NO_IMAGE
from fame.runtime.errors import InputError
from fame.runtime.progress import bar

JPEG_SUFFIXES = (".jpg", ".jpeg")
IMAGE_SUFFIXES = (*JPEG_SUFFIXES, ".png", ".gif", ".webp", ".bmp")
PART_FOLDERS = ("train", "test")
USER_MARK = "@N"  # in the name of every user's folder
MAX_IMAGE_BYTES = 256 << 20  # no image of a post is larger; such a file is not read
DIGEST_BYTES = 16
# Where DVC keeps a file; with `cache.type symlink` a folder under DVC is full of links to such.
DVC_KEEPS = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
MISSING, EMPTY, TRUNCATED, BOMB, OUTSIDE = "missing", "empty", "truncated", "bomb", "outside"

Row = tuple[str, str | None, str | None, str | None]  # IMAGES after post_id
Match = tuple["_Place", str]


def locate(
    post_ids: Sequence[str] | pa.ChunkedArray,
    paths: Sequence[str | None],
    places: Sequence[Path],
) -> pa.Table:
    """Find and digest the image of each post.

    Args:
        post_ids: n ids.
        paths: n listed paths, relative to a place; None or "" where the source names no image.
        places: folders and archives, earlier ones first; none where the source has no images at
            all: then no image is missing, and ``paths`` are not looked at.

    Returns:
        IMAGES, n rows in the order of ``post_ids``. A path that leaves its folder, as written or
        through a link other than into DVC's cache, is ``outside`` and never opened; a damaged
        member is ``truncated``.

    Raises:
        InputError: a place does not exist, or an archive is not whole.
    """
    if not places:
        nothing = pa.nulls(len(post_ids), pa.string())
        return pa.table([post_ids, pa.repeat(NO_IMAGE, len(post_ids)), *[nothing] * 3], IMAGES)
    with ExitStack() as stack:
        opened = [_open_place(place, stack) for place in places]
        matches = _match({path for path in paths if path}, opened)
        facts = _read_matches((m for m in matches.values() if not isinstance(m, str)), opened)
    found = {
        path: _row(match) if isinstance(match, str) else facts[match]
        for path, match in matches.items()
    }
    rows = [found[path] if path else _row(NO_IMAGE) for path in paths]
    columns = [[row[column] for row in rows] for column in range(len(IMAGES) - 1)]
    return pa.table([post_ids, *columns], schema=IMAGES)


def count_found(paths: Sequence[str | None], place: Path) -> tuple[int, list[str], list[str]]:
    """How many of the listed paths are in a place, those that are not, those found by their name.

    Nothing is read. For the last, see `is_by_name`.

    Raises:
        InputError: the place does not exist, or the archive is not whole.
    """
    with ExitStack() as stack:
        listed = [path for path in paths if path]
        matches = _match(set(listed), [_open_place(place, stack)])
    found = [(path, matches[path]) for path in listed]
    absent = [path for path, match in found if isinstance(match, str)]
    container = "" if place.is_dir() else place.as_posix()
    by_name = [
        path
        for path, match in found
        if not isinstance(match, str) and is_by_name(path, container, match[1])
    ]
    return len(listed) - len(absent), absent, by_name


def is_by_name(path: str, container: str, member: str) -> bool:
    """Whether a listed path names folders, and shares no more with its file than the file's name.

    Args:
        path: as listed.
        container: of the file, "" for a folder; an archive's own name counts as a folder.
        member: as in IMAGES.
    """
    archive = container.rpartition("/")[2].partition(".")[0]
    listed, found = (_fold(one).split("/")[-2:] for one in (path, f"{archive}/{member}"))
    return len(listed) > 1 and listed[0] != found[0]


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image, in whatever case."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def find_places(root: Path) -> list[Path]:
    """Folders and archives with images in a folder of the challenge; empty if there are none.

    Looks in ``root`` and in the folders directly in it. An archive without an image (the metadata
    as downloaded, say) is none.
    """
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    places = []
    for folder in folders:
        parts = [folder / part for part in PART_FOLDERS if (folder / part).is_dir()]
        places += [part for part in parts if part not in places]
        if folder not in places and any(USER_MARK in child.name for child in folder.iterdir()):
            places.append(folder)
    archives = [
        path
        for folder in folders
        if folder == root or folder not in places
        for path in sorted(folder.iterdir())
        if is_archive(path) and path.is_file() and _holds_images(path)
    ]
    return places + archives


def _holds_images(path: Path) -> bool:
    with open_archive(path) as archive:
        return any(is_image(member.name) for member in archive.members)


class _Place(ABC):
    """A folder or an archive."""

    @abstractmethod
    def find(self, path: str) -> str | None:
        """The member at ``path``, None if there is none, OUTSIDE if it leaves the place."""

    def find_below(self, path: str) -> str | None:  # noqa: ARG002
        """The one member that ends with ``path``, below folders that the path does not name."""
        return None

    def find_alike(self, path: str) -> str | None:
        """The one member whose name is written in another way: see `_fold`."""
        alike = self._list_alike().get(_fold(path), [])
        for is_same in (_is_same_text, _is_same_but_case, _lacks_suffix, _are_jpegs):
            names = [name for name in alike if is_same(name, path)]
            if names:
                return self.find(names[0]) if len(names) == 1 else None
        return None

    def find_alike_below(self, path: str) -> str | None:
        """The one member written in another way, below folders that the path does not name."""
        if self._by_file is None:
            self._by_file = {}
            for fold in self._list_alike():
                self._by_file.setdefault(fold.rpartition("/")[2], []).append(fold)
        wanted = _fold(path)
        folds = self._by_file.get(wanted.rpartition("/")[2], [])
        below = [fold for fold in folds if fold.endswith(f"/{wanted}")]
        names = [name for fold in below for name in self._list_alike()[fold]]
        return self.find(names[0]) if len(names) == 1 else None

    def _list_alike(self) -> dict[str, list[str]]:
        if self._by_fold is None:
            self._by_fold = {}
            for name in self._list_names():
                self._by_fold.setdefault(_fold(name), []).append(name)
        return self._by_fold

    _by_fold: dict[str, list[str]] | None = None
    _by_file: dict[str, list[str]] | None = None

    @abstractmethod
    def _list_names(self) -> Iterator[str]:
        """Each file's path below the place."""

    @abstractmethod
    def digest(self, members: set[str]) -> Iterator[tuple[str, Row]]:
        """Read ``members``; each with its row."""


class _Folder(_Place):
    def __init__(self, path: Path) -> None:
        self._path = path.as_posix()
        self._real_path = os.path.realpath(path)

    def find(self, path: str) -> str | None:
        target = f"{self._path}/{path}"
        if not os.path.lexists(target):
            return None
        real_path = os.path.realpath(target)
        is_below = os.path.commonpath([real_path, self._real_path]) == self._real_path
        if not is_below and not DVC_KEEPS.search(real_path):
            return OUTSIDE
        return target if Path(real_path).is_file() else None

    def _list_names(self) -> Iterator[str]:
        for folder, _, names in os.walk(self._path):
            below = os.path.relpath(folder, self._path)
            yield from (os.path.normpath(f"{below}/{name}") for name in names)

    def digest(self, members: set[str]) -> Iterator[tuple[str, Row]]:
        for member in sorted(members):
            path = Path(member)
            try:
                row = _digest("", member, path.stat().st_size, path.read_bytes)
            except UNREADABLE:
                row = _row(MISSING)
            yield member, row


class _ArchivePlace(_Place):
    def __init__(self, path: Path, archive: Archive) -> None:
        self._path = path.as_posix()
        self._archive = archive
        self._names = {member.name for member in archive.members}
        self._by_file_name: dict[str, list[str]] = {}
        for name in self._names:
            self._by_file_name.setdefault(name.rpartition("/")[2], []).append(name)

    def find(self, path: str) -> str | None:
        return path if path in self._names else None

    def find_below(self, path: str) -> str | None:
        names = self._by_file_name.get(path.rpartition("/")[2], ())
        below = [name for name in names if name.endswith(f"/{path}")]
        return below[0] if len(below) == 1 else None

    def _list_names(self) -> Iterator[str]:
        yield from self._names

    def digest(self, members: set[str]) -> Iterator[tuple[str, Row]]:
        for member in self._archive.members:  # in the order of the bytes
            if member.name in members:
                read = partial(self._archive.read, member.name)
                try:
                    row = _digest(self._path, member.name, member.size, read)
                except DamagedMemberError:
                    row = _row(TRUNCATED)
                yield member.name, row


def _open_place(path: Path, stack: ExitStack) -> _Place:
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such folder or archive of images")
    return _ArchivePlace(path, stack.enter_context(open_archive(path)))


def _match(paths: set[str], places: list[_Place]) -> dict[str, Match | str]:
    """Listed path -> the place and member that it names, or why there is none."""
    matches = {path: _match_path(path, places) for path in paths}
    claims = Counter(match for match in matches.values() if not isinstance(match, str))
    return {
        path: match
        if isinstance(match, str) or claims[match] == 1 or _is_exact(path, match)
        else MISSING
        for path, match in matches.items()
    }


def _is_exact(path: str, match: Match) -> bool:
    place, member = match
    return place.find(PurePosixPath(path).as_posix()) == member


def _match_path(path: str, places: list[_Place]) -> Match | str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        return OUTSIDE
    for dropped in range(len(pure.parts)):
        suffix = "/".join(pure.parts[dropped:])
        finds = [(place, place.find) for place in places]
        if not dropped:
            finds += [(place, place.find_below) for place in places]
        for place, find in finds:
            member = find(suffix)
            if member == OUTSIDE:
                return OUTSIDE
            if member is not None:
                return place, member
    return _match_alike(path, places)


def _match_alike(path: str, places: list[_Place]) -> Match | str:
    """A path that is written in another way than the file's name."""
    if "://" in path:
        path = unquote(urlsplit(path).path).lstrip("/")
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if ".." in parts:
        return OUTSIDE
    if "\0" in path:
        return MISSING
    for dropped in range(len(parts)):
        for place in places:
            member = place.find_alike("/".join(parts[dropped:]))
            if member == OUTSIDE:
                return OUTSIDE
            if member is not None:
                return place, member
    for place in places:
        member = place.find_alike_below("/".join(parts))
        if member == OUTSIDE:
            return OUTSIDE
        if member is not None:
            return place, member
    return MISSING


def _spell(name: str) -> str:
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")


def _fold(name: str) -> str:
    """What names of one file have in common on all systems.

    macOS decomposes accents, Windows writes backslashes in archives and knows no upper and lower
    case, and a list may leave the suffix out.
    """
    folded = _spell(name).casefold()
    stem, dot, suffix = folded.rpartition(".")
    return stem if f"{dot}{suffix}" in IMAGE_SUFFIXES else folded


def _is_same_text(name: str, path: str) -> bool:
    return _spell(name) == _spell(path)


def _is_same_but_case(name: str, path: str) -> bool:
    return _spell(name).casefold() == _spell(path).casefold()


def _lacks_suffix(name: str, path: str) -> bool:
    return is_image(name) != is_image(path)


def _are_jpegs(name: str, path: str) -> bool:
    return name.lower().endswith(JPEG_SUFFIXES) and path.lower().endswith(JPEG_SUFFIXES)


def _read_matches(matches: Iterable[Match], places: list[_Place]) -> dict[Match, Row]:
    members: dict[_Place, set[str]] = {place: set() for place in places}
    for place, member in matches:
        members[place].add(member)
    rows = {}
    with bar(sum(map(len, members.values())), "reading images", "images") as progress:
        for place in places:
            for member, row in place.digest(members[place]):
                rows[place, member] = row
                progress.update()
    return rows


def _digest(container: str, member: str, size: int, read: Callable[[], bytes]) -> Row:
    if size == 0:
        return _row(EMPTY)
    if size > MAX_IMAGE_BYTES:
        return _row(BOMB)
    digest = hashlib.blake2b(read(), digest_size=DIGEST_BYTES).hexdigest()
    return LOCATED, container, member, digest


def _row(status: str) -> Row:
    return status, None, None, None
