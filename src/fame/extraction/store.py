"""Vectors on disk, kept over runs: written once, checked when read, never half-written.

A plan is a list of keys in the order to embed them, cut into shards: which items lie in which
shard, and with it every batch, is fixed before the first is embedded. So a run that was killed and
goes on gives the same bytes as one that was not. A name holds the digest of the content: a file is
what its name says, or it is damaged and goes.
"""

import hashlib
import io as memory
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load, save

from fame import io
from fame.core.contracts import MISSING
from fame.extraction.contents import KEY, NOWHERE, STATUSES
from fame.extraction.embedder import Embedded

STATUS = "status"  # name of the tensor beside the outputs
DIGITS = 16  # of a digest in a name
PLAN, SHARD = ".plan.npy", ".safetensors"
MISSING_CODE = STATUSES.index(MISSING)
_NO_CODE = np.empty(0, np.int8)


@dataclass(frozen=True)
class Shard:
    """A part of a plan: its number in it and its keys (m,) KEY."""

    plan: str
    number: int
    keys: np.ndarray

    @property
    def name(self) -> str:
        """How its file's name begins."""
        return f"{self.plan}-{self.number:06d}"


class Found(NamedTuple):
    """Where m items lie.

    Attributes:
        shard: (m,) positions in `Store.finished`, or NOWHERE.
        row: (m,) positions in the shard.
        status: (m,) codes of STATUSES; MISSING where the item is nowhere.
    """

    shard: np.ndarray
    row: np.ndarray
    status: np.ndarray


class Store:
    """The shards of one kind of items in ``folder``, which one process at a time writes to."""

    def __init__(self, folder: Path, shard_items: int) -> None:
        self._folder = folder
        self._shard_items = shard_items
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()
        plans = map(self._cut, sorted(folder.glob(f"*{PLAN}")))
        self._planned = [shard for plan in plans for shard in plan]
        self._files: dict[str, Path] = {}  # name of a finished shard -> its file
        self._states: dict[str, np.ndarray] = {}  # -> status (m,) of its items
        paths = sorted(folder.glob(f"*{SHARD}"))
        with ThreadPoolExecutor() as threads:
            for path, status in zip(paths, threads.map(self._check, paths), strict=True):
                if status is not None:
                    self._remember(path, status)

    def find(self, keys: np.ndarray) -> Found:
        """Where items (m,) lie, among the shards that `finished` names.

        An image that was missing may be there again: it is nowhere.
        """
        shards = self.finished
        lengths = [len(shard.keys) for shard in shards]
        known = np.concatenate([np.empty(0, KEY), *(shard.keys for shard in shards)])
        status = np.concatenate([_NO_CODE, *(self._states[shard.name] for shard in shards)])
        shard = np.repeat(np.arange(len(shards)), lengths)
        row = np.arange(len(known)) - np.repeat(np.cumsum([0, *lengths])[:-1], lengths)
        there = np.flatnonzero(status != MISSING_CODE)
        distinct, first = np.unique(known[there], return_index=True)
        place = np.searchsorted(distinct, keys)
        hit = np.flatnonzero(place < len(distinct))
        hit = hit[distinct[place[hit]] == keys[hit]]
        chosen = there[first[place[hit]]]
        found = Found(*(np.full(len(keys), value) for value in (NOWHERE, NOWHERE, MISSING_CODE)))
        found.shard[hit], found.row[hit], found.status[hit] = (
            shard[chosen],
            row[chosen],
            status[chosen],
        )
        return found

    @property
    def finished(self) -> list[Shard]:
        """The shards that can be read."""
        return [shard for shard in self._planned if shard.name in self._files]

    def resume(self, wanted: np.ndarray, missing: np.ndarray) -> list[Shard]:
        """Planned shards that are not finished and can be, as they were planned.

        Args:
            wanted: (m,) keys of all items of the run. missing: those of them that are nowhere.
        """
        waiting = [shard for shard in self._planned if shard.name not in self._files]
        return [
            shard
            for shard in waiting
            if np.isin(shard.keys, missing).any() and np.isin(shard.keys, wanted).all()
        ]

    def plan(self, keys: np.ndarray) -> list[Shard]:
        """Cut ``keys`` (m,) into shards, and keep that."""
        if not len(keys):
            return []
        buffer = memory.BytesIO()
        np.save(buffer, keys)
        content = buffer.getvalue()
        path = self._folder / f"{_digest(content)}-{self._shard_items}{PLAN}"
        self._write(path, content)
        shards = self._cut(path)
        self._planned += shards
        return shards

    def write(self, shard: Shard, embedded: Embedded) -> None:
        """Keep the vectors of a shard."""
        content = save({STATUS: embedded.status, **embedded.vectors})
        path = self._folder / f"{shard.name}-{_digest(content)}{SHARD}"
        self._write(path, content)
        self._remember(path, embedded.status)

    def read(self, shard: Shard) -> Embedded:
        """The vectors of a finished shard."""
        return _parse(self._files[shard.name].read_bytes())

    def _cut(self, path: Path) -> list[Shard]:
        """The shards of a plan, none if it is damaged."""
        name, _, size = path.name.removesuffix(PLAN).rpartition("-")
        content = path.read_bytes()
        if _digest(content) != name:
            _report(path)
            return []
        keys = np.load(memory.BytesIO(content), allow_pickle=False)
        starts = range(0, len(keys), int(size))
        return [Shard(name, i // int(size), keys[i : i + int(size)]) for i in starts]

    def _check(self, path: Path) -> np.ndarray | None:
        """The status of a shard's items; a damaged shard goes."""
        content = path.read_bytes()
        if path.name.removesuffix(SHARD).rpartition("-")[2] != _digest(content):
            _report(path)
            return None
        return _read_status(content)

    def _remember(self, path: Path, status: np.ndarray) -> None:
        name = path.name.rpartition("-")[0]
        self._files.setdefault(name, path)
        self._states.setdefault(name, status)

    def _write(self, path: Path, content: bytes) -> None:
        with io.replacing(path) as temporary:
            temporary.write_bytes(content)


def _parse(content: bytes) -> Embedded:
    tensors = load(content)
    return Embedded(tensors.pop(STATUS), tensors)


def _read_status(content: bytes) -> np.ndarray:
    """The status alone, without a copy of the vectors: its place is in the file's header."""
    end = 8 + int.from_bytes(content[:8], "little")
    start, stop = json.loads(content[8:end])[STATUS]["data_offsets"]
    return np.frombuffer(content[end + start : end + stop], dtype=np.int8)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _report(path: Path) -> None:
    print(f"{path}: damaged; what it held is embedded again", file=sys.stderr)
    path.unlink(missing_ok=True)
