"""From posts to a feature block: what is not in the cache is embedded, then all is put in rows.

The engine knows no backbone. It plans which contents are embedded together (`contents`, `store`),
has that done on this machine or on a cluster (`local`, `cluster`), and publishes the block
(`block`).
"""

import fcntl
import hashlib
import json
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame.features.backbones.contract import Backbone
from fame.features.engine import cards, cluster, local
from fame.features.engine.code_version import digest_code
from fame.features.engine.contents import NOWHERE, Contents, Items
from fame.features.engine.embedder import Done, Pending
from fame.features.engine.local import SHARDS_HELD, WRITTEN_BEHIND, Task
from fame.features.engine.store import Shard, Store, is_among
from fame.params import RuntimeParams
from fame.runtime import files
from fame.runtime.devices import choose_device, count_cards
from fame.runtime.progress import bar

# What a backbone is given of the file that it reads.
INPUTS = {
    "posts": ["post_id", "title", "tags", "split"],
    "texts": ["post_id", "title", "tags"],
    "images": ["post_id", "status", "container", "member", "digest"],
    "contents": ["post_id", "title", "tags", "status", "container", "member", "digest"],
}
Shown = Pending | Done | None  # a shard; None: its backbone has failed
# Texts or images of a shard: what is lost by a kill, and what is sorted into batches.
TEXTS_AT_ONCE = {"cpu": 4096, "cuda": 16_384}
IMAGES_AT_ONCE = {"cpu": 128, "cuda": 256}
DIGITS = 32  # of a digest in a folder's name


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

    @property
    def rows(self) -> np.ndarray:
        """(m,) positions of the shard's items."""
        return np.searchsorted(self.items.keys, self.shard.keys)

    @cached_property
    def images(self) -> bytes | None:
        """Which images the shard shows."""
        images = self.items.images
        return None if images is None else np.unique(images[self.rows]).tobytes()

    def count_images(self) -> int:
        """How many they are."""
        return 0 if self.items.images is None else len(np.unique(self.items.images[self.rows]))


@contextmanager
def open_cache(backbone: Backbone, runtime: RuntimeParams) -> Iterator[Path]:
    """The folder of everything that changes a vector of ``backbone``, for this process alone.

    Raises:
        InputError: weights are not available, or a parameter does not fit them.
    """
    with _lock_cache(backbone, runtime, wait=True) as folder:
        assert folder is not None
        yield folder


@contextmanager
def try_cache(backbone: Backbone, runtime: RuntimeParams) -> Iterator[Path | None]:
    """As `open_cache`; None where another process has it."""
    with _lock_cache(backbone, runtime, wait=False) as folder:
        yield folder


@contextmanager
def _lock_cache(backbone: Backbone, runtime: RuntimeParams, wait: bool) -> Iterator[Path | None]:
    facts = {"backbone": backbone.fingerprint(), "code": digest_code(type(backbone))}
    content = json.dumps(facts, sort_keys=True).encode()
    name = hashlib.blake2b(content, digest_size=DIGITS // 2).hexdigest()
    folder = Path(runtime.cache) / f"{type(backbone).__name__.lower()}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # a lock ends with its process, killed or not
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                yield None
                return
            print(f"{folder}: another extraction writes here; waiting for it", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        files.write_json(folder / "fingerprint.json", facts)
        yield folder


def embed(
    backbone: Backbone,
    table: pa.Table,
    folder: Path,
    runtime: RuntimeParams,
    beside: Sequence[tuple[Backbone, Path]] = (),
) -> Features:
    """Embed the contents of ``table`` (columns of INPUTS) that ``folder`` does not hold yet.

    Args:
        backbone, table, folder: of the vectors that are wanted.
        runtime: the block.
        beside: other backbones that see the images, and their folders: an image that is decoded
            for the first is embedded by them too, if they do not have it.

    Raises:
        InputError: an image archive is not whole, or an image is not the one that was ingested.
    """
    features = Features(Contents(table))
    jobs = _list_jobs(features, backbone, folder, runtime)
    if not jobs:
        return features
    bundles: list[list[tuple[int, Job]]] = [[(0, job)] for job in jobs]
    of_images = {job.images: bundle for job, bundle in zip(jobs, bundles, strict=True)}
    of_images.pop(None, None)
    backbones = [backbone]
    for other, place in beside if of_images else []:
        seen = _list_jobs(Features(features.contents), other, place, runtime, images_only=True)
        wanted = [job for job in seen if job.images in of_images]
        for job in wanted:
            of_images[job.images].append((len(backbones), job))
        backbones += [other] if wanted else []
    _embed(backbones, runtime, features, bundles)
    return features


def _list_jobs(
    features: Features,
    backbone: Backbone,
    folder: Path,
    runtime: RuntimeParams,
    images_only: bool = False,
) -> list[Job]:
    """The shards that a backbone lacks; what it has of the contents is noted in ``features``."""
    jobs, contents = [], features.contents
    device = choose_device(runtime.device)
    passes = [shown for shown in backbone.passes if shown.image or not images_only]
    for kind in dict.fromkeys(shown.kind for shown in passes):
        items = contents.list_items(kind, backbone.passes)
        store = Store(folder / kind)
        features.kinds.append((items, store))
        own = [Job(shard, items, store) for shard in _plan(contents, items, store, device)]
        count = sum(len(job.shard.keys) for job in own)
        features.new += count
        features.reused += len(items.keys) - count
        jobs += own
    return jobs


def _plan(contents: Contents, items: Items, store: Store, device: str) -> list[Shard]:
    """The shards to embed: those of an earlier plan as they were, then the rest."""
    missing = store.find(items.keys).shard == NOWHERE
    planned = store.resume(items.keys, items.keys[missing])
    again = np.concatenate([items.keys[:0], *(shard.keys for shard in planned)])
    rest = np.flatnonzero(missing & ~is_among(items.keys, np.unique(again)))
    rest = contents.order(items, rest)
    if items.images is None:
        return planned + store.plan(items.keys[rest], rest, TEXTS_AT_ONCE[device])
    # The items of an image are in one shard, so that it is decoded once.
    return planned + store.plan(items.keys[rest], items.images[rest], IMAGES_AT_ONCE[device])


def _embed(
    backbones: list[Backbone],
    runtime: RuntimeParams,
    features: Features,
    bundles: list[list[tuple[int, Job]]],
) -> None:
    work = (
        [Task(number, job, features.contents.read(job.items, job.rows)) for number, job in bundle]
        for bundle in bundles
    )
    numbers = {id(job): number for bundle in bundles for number, job in bundle}
    images = [bundle[0][1].count_images() for bundle in bundles]
    slots = min(sum(images), SHARDS_HELD * max(images))
    total = sum(len(job.shard.keys) for bundle in bundles for _, job in bundle)
    # Shards are written while the next ones are computed, so that a GPU never waits for a disk.
    with (
        closing(_choose_engine(runtime)(backbones, runtime, work, slots)) as done,
        bar(total, "embedding", _name_items(bundles)) as progress,
        ThreadPoolExecutor(1) as writing,
    ):
        before: deque[Future] = deque()
        for job, pending in done:
            if len(before) == WRITTEN_BEHIND:
                before.popleft().result()
            if pending:
                own = features if numbers[id(job)] == 0 else None
                before.append(writing.submit(_keep, job, pending, own))
            progress.update(len(job.shard.keys))
        for kept in before:
            kept.result()


def _name_items(bundles: list[list[tuple[int, Job]]]) -> str:
    """What the items are that the backbones see."""
    names = {job.items.describe() for bundle in bundles for _, job in bundle}
    return " and ".join(sorted(names))


def _choose_engine(runtime: RuntimeParams) -> Callable[..., Generator[tuple[Job, Shown]]]:
    """On a cluster; else in a process for each GPU where there are several, or in this one."""
    if runtime.engine == "ray":
        return cluster.embed
    count = count_cards(runtime.device)
    return partial(cards.embed, count) if count > 1 else local.embed


def _keep(job: Job, pending: Pending | Done, features: Features | None) -> None:
    """Write a shard, and count its time for the one who asked."""
    result = pending.result
    job.store.write(job.shard, result.embedded)
    if features:
        features.waited += result.waited
        features.computed += result.computed
