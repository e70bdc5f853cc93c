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

from fame.features.engine.contents import KEY, NOWHERE, STATUSES
from fame.features.engine.embedder import Embedded
from fame.posts.contract import MISSING
from fame.runtime import files

STATUS = "status"  # name of the tensor beside the outputs
DIGITS = 16  # of a digest in a name
PLAN, SHARD = ".plan.npy", ".safetensors"
MISSING_CODE = STATUSES.index(MISSING)
PLANNED = np.dtype([("key", KEY), ("shard", np.int32)])
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
        hit = np.flatnonzero(is_among(keys, distinct))
        chosen = there[first[np.searchsorted(distinct, keys[hit])]]
        found = Found(*(np.full(len(keys), value) for value in (NOWHERE, NOWHERE, MISSING_CODE)))
        for part, values in zip(found, (shard, row, status), strict=True):
            part[hit] = values[chosen]
        return found

    @property
    def finished(self) -> list[Shard]:
        """The shards that can be read."""
        return [shard for shard in self._planned if shard.name in self._files]

    def resume(self, wanted: np.ndarray, missing: np.ndarray) -> list[Shard]:
        """Planned shards that are not finished and can be, as they were planned.

        Args:
            wanted: (m,) keys of all items of the run, ascending.
            missing: (k,) those of them that are nowhere, ascending.
        """
        waiting = [shard for shard in self._planned if shard.name not in self._files]
        return [
            shard
            for shard in waiting
            if is_among(shard.keys, missing).any() and is_among(shard.keys, wanted).all()
        ]

    def plan(self, keys: np.ndarray, groups: np.ndarray, at_once: int) -> list[Shard]:
        """Cut items into shards, and keep that.

        Args:
            keys: (m,) of the items, in the order to embed them.
            groups: (m,) numbers; neighbours of one number are a group.
            at_once: groups of a shard.
        """
        if not len(keys):
            return []
        group = np.cumsum(np.append(False, groups[1:] != groups[:-1]))
        planned = np.empty(len(keys), PLANNED)
        planned["key"], planned["shard"] = keys, group // at_once
        buffer = memory.BytesIO()
        np.save(buffer, planned)
        path = self._folder / f"{_digest(buffer.getvalue())}{PLAN}"
        self._write(path, buffer.getvalue())
        shards = self._cut(path)
        known = {shard.name for shard in self._planned}
        self._planned += [shard for shard in shards if shard.name not in known]
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
        name, content = path.name.removesuffix(PLAN), path.read_bytes()
        if _digest(content) != name:
            _report(path)
            return []
        planned = np.load(memory.BytesIO(content), allow_pickle=False)
        numbers, starts = np.unique(planned["shard"], return_index=True)
        parts = np.split(np.ascontiguousarray(planned["key"]), starts[1:])
        return [Shard(name, int(number), keys) for number, keys in zip(numbers, parts, strict=True)]

    def _check(self, path: Path) -> np.ndarray | None:
        """The status of a shard's items; a damaged shard goes."""
        content = path.read_bytes()
        if path.name.removesuffix(SHARD).rpartition("-")[2] != _digest(content):
            _report(path)
            return None
        return _read_status(content)

    def _remember(self, path: Path, status: np.ndarray) -> None:
        """Of two files of a shard the one that misses fewer images counts."""
        name = path.name.rpartition("-")[0]
        missing = np.count_nonzero(status == MISSING_CODE)
        if missing < np.count_nonzero(self._states.get(name, _NO_CODE) == MISSING_CODE) or (
            name not in self._files
        ):
            self._files[name], self._states[name] = path, status

    def _write(self, path: Path, content: bytes) -> None:
        with files.replacing(path) as temporary:
            temporary.write_bytes(content)


def is_among(keys: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """(m,) bool: which of ``keys`` (m,) are in ``ascending`` (k,), all of whom are distinct."""
    place = np.searchsorted(ascending, keys)
    found = place < len(ascending)
    found[found] = ascending[place[found]] == keys[found]
    return found


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
