"""From posts to a feature block: what is not in the cache is embedded, then all is put in rows.

The engine knows no backbone. It plans which contents are embedded together (`contents`, `store`),
has that done on this machine or on a cluster (`local`, `cluster`), and publishes the block
(`block`).
"""

import fcntl
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame.features.contract import Backbone
from fame.features.engine import cluster, local
from fame.features.engine.code_version import digest_code
from fame.features.engine.contents import NOWHERE, Contents, Inputs, Items
from fame.features.engine.store import Shard, Store, is_among
from fame.params import RuntimeParams
from fame.runtime import files
from fame.runtime.progress import bar

# What a backbone is given of the file that it reads.
INPUTS = {
    "posts": ["post_id", "title", "tags", "split"],
    "texts": ["post_id", "title", "tags"],
    "images": ["post_id", "status", "container", "member", "digest"],
    "contents": ["post_id", "title", "tags", "status", "container", "member", "digest"],
}
# Items of a shard: what is lost by a kill, and what is sorted into batches.
TEXTS_AT_ONCE, IMAGES_AT_ONCE = 4096, 256
DIGITS = 32  # of a digest in a folder's name
ENGINES = {"local": local, "ray": cluster}


@dataclass
class Features:
    """The vectors of all items of some posts, in the cache.

    Attributes:
        contents: of the posts.
        kinds: the items of each kind, with the store of their vectors.
        new, reused: items that were embedded, and that were there.
        waited, computed: seconds that models waited for input and ran, over all embedders.
    """

    contents: Contents
    kinds: list[tuple[Items, Store]] = field(default_factory=list)
    new: int = 0
    reused: int = 0
    waited: float = 0.0
    computed: float = 0.0

    @property
    def missing(self) -> bool:
        """Whether an image was not where it was located; it may be there again."""
        return any((store.find(items.keys).shard == NOWHERE).any() for items, store in self.kinds)


@dataclass(frozen=True)
class Job:
    """A shard to embed: of which items, and where it is kept."""

    shard: Shard
    items: Items
    store: Store


@contextmanager
def open_cache(backbone: Backbone, runtime: RuntimeParams) -> Iterator[Path]:
    """The folder of everything that changes a vector of ``backbone``, for this process alone.

    Raises:
        InputError: weights cannot be had, or a parameter does not fit them.
    """
    facts = {"backbone": backbone.fingerprint(), "code": digest_code(type(backbone))}
    content = json.dumps(facts, sort_keys=True).encode()
    name = hashlib.blake2b(content, digest_size=DIGITS // 2).hexdigest()
    folder = Path(runtime.cache) / f"{type(backbone).__name__.lower()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # a lock ends with its process, killed or not
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: another extraction writes here; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        files.write_json(folder / "fingerprint.json", facts)
        yield folder


def embed(backbone: Backbone, table: pa.Table, folder: Path, runtime: RuntimeParams) -> Features:
    """Embed the contents of ``table`` (columns of INPUTS) that ``folder`` does not hold yet.

    Raises:
        InputError: an image archive is not whole, or an image is not the one that was ingested.
    """
    features = Features(Contents(table))
    work = []
    for kind in dict.fromkeys(shown.kind for shown in backbone.passes):
        items = features.contents.list_items(kind, backbone.passes)
        store = Store(folder / kind)
        features.kinds.append((items, store))
        jobs = [Job(shard, items, store) for shard in _plan(features.contents, items, store)]
        count = sum(len(job.shard.keys) for job in jobs)
        features.new += count
        features.reused += len(items.keys) - count
        work += jobs
    if work:
        _embed(backbone, runtime, features, work)
    return features


def _plan(contents: Contents, items: Items, store: Store) -> list[Shard]:
    """The shards to embed: those of an earlier plan as they were, then the rest."""
    missing = store.find(items.keys).shard == NOWHERE
    planned = store.resume(items.keys, items.keys[missing])
    again = np.concatenate([items.keys[:0], *(shard.keys for shard in planned)])
    rest = np.flatnonzero(missing & ~is_among(items.keys, np.unique(again)))
    rest = contents.order(items, rest)
    if items.images is None:
        return planned + store.plan(items.keys[rest], rest, TEXTS_AT_ONCE)
    # The items of an image are in one shard, so that it is decoded once.
    return planned + store.plan(items.keys[rest], items.images[rest], IMAGES_AT_ONCE)


def _embed(backbone: Backbone, runtime: RuntimeParams, features: Features, work: list[Job]) -> None:
    inputs = ((job, _read(features.contents, job)) for job in work)
    engine = ENGINES[runtime.engine]
    with bar(features.new, "embed", "item") as progress:
        for job, result in engine.embed(backbone, runtime, inputs):
            job.store.write(job.shard, result.embedded)
            features.waited += result.waited
            features.computed += result.computed
            progress.update(len(job.shard.keys))


def _read(contents: Contents, job: Job) -> Inputs:
    return contents.read(job.items, np.searchsorted(job.items.keys, job.shard.keys))
