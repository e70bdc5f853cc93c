"""AutoGluon's folder as one archive, in which the same bytes of several files lie once.

A bag holds a model a fold. Where only the biases of its transformer are tuned, the folds share all
other weights: of five checkpoints of 93 MB, most of four are repetition.
"""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

INDEX = "files.json"  # name -> its pieces in order
PIECES = "pieces"
LOCAL_HEADER_BYTES = 30  # of a member of a zip file, before its name


def pack(paths: dict[str, Path], target: Path, read: Callable[[Path], bytes]) -> None:
    """Files by name, as ``read`` gives them, into the archive ``target``.

    The same files are the same bytes.
    """
    index: dict[str, list[str]] = {}
    written: set[str] = set()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(paths):
            index[name] = []
            for piece in split(read(paths[name])):
                digest = hashlib.blake2b(piece, digest_size=16).hexdigest()
                index[name].append(digest)
                if digest not in written:
                    archive.writestr(zipfile.ZipInfo(f"{PIECES}/{digest}"), piece)
                    written.add(digest)
        archive.writestr(zipfile.ZipInfo(INDEX), json.dumps(index))


def unpack(source: Path, folder: Path) -> None:
    """What `pack` packed into ``folder`` (exists), byte by byte as it was read."""
    with zipfile.ZipFile(source) as archive:
        for name, pieces in json.loads(archive.read(INDEX)).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for digest in pieces:
                    file.write(archive.read(f"{PIECES}/{digest}"))


def split(content: bytes) -> list[bytes]:
    """A file in pieces: a zip file, as torch writes them, at its members, any other whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        return [content]
    cuts = {0, len(content)}
    for member in members:
        # The length of a local header is its own: padding makes it another than the directory's.
        lengths = struct.unpack_from("<HH", content, member.header_offset + LOCAL_HEADER_BYTES - 4)
        start = member.header_offset + LOCAL_HEADER_BYTES + sum(lengths)
        cuts |= {start, start + member.compress_size}
    places = sorted(cuts)
    return [content[start:end] for start, end in pairwise(places)]
