"""The engine on this machine: one shard is computed while the next ones are prepared."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice
from typing import Generic, TypeVar

from fame.features.contract import Backbone
from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import Embedder, Pending, Prepared, Watch, list_places
from fame.features.engine.reader import Pixels, Reader, Reading, align
from fame.params import RuntimeParams
from fame.runtime import devices
from fame.runtime.errors import InputError

Job = TypeVar("Job")  # of no matter here
Shards = list[Prepared | None]  # of tasks; None: the backbone of one cannot be loaded

PREPARED_AHEAD = 2  # shards
DECODED_BYTES = 3 << 20  # of an image that a GPU resizes; larger ones are resized where decoded
SHARDS_HELD = PREPARED_AHEAD + 1


@dataclass(frozen=True)
class Task(Generic[Job]):
    """A shard of the backbone of a number."""

    backbone: int
    job: Job
    inputs: Inputs


def embed(
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    work: Iterable[list[Task[Job]]],
    images_at_once: int,
) -> Iterator[tuple[Job, Pending | None]]:
    """The vectors of each job, in the order of ``work``, of which little is taken ahead.

    There are none (None) of a backbone, other than the first, that cannot be loaded.

    Args:
        backbones: by turns.
        runtime: the block.
        work: the shards of one element show the same images, which are decoded once for all.
        images_at_once: about, of a shard.

    Raises:
        InputError: see `fame.features.engine.reader.Reading.collect`.
    """
    watch = Watch()
    with ExitStack() as stack:
        embedders = [stack.enter_context(Embedder(each, runtime, watch)) for each in backbones]
        reader = stack.enter_context(open_reader(backbones, runtime, images_at_once))
        # Ctrl-C is raised in the main thread alone: no process that starts is cut off by it.
        asking, ahead = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        for threads in (asking, ahead):
            stack.callback(threads.shutdown, cancel_futures=True)
        # The processes always have the next shards to read, and the first while models are loaded.
        readings = ((tasks, asking.submit(_read, reader, tasks)) for tasks in work)
        first = list(islice(readings, PREPARED_AHEAD))
        lost = _load(embedders)
        if reader.as_decoded:
            stack.enter_context(devices.pinning(reader.memory))
        waiting: deque[tuple[list[Task[Job]], Future[Reading], Future[Shards]]] = deque()
        for tasks, reading in chain(first, readings):
            shards = ahead.submit(_prepare, embedders, tasks, reading, lost)
            waiting.append((tasks, reading, shards))
            if len(waiting) > PREPARED_AHEAD:
                yield from _compute(embedders, *waiting.popleft())
        while waiting:
            yield from _compute(embedders, *waiting.popleft())


def open_reader(
    backbones: Sequence[Backbone], runtime: RuntimeParams, images_at_once: int
) -> Reader:
    """Of images for all of ``backbones``; its memory has room for the shards that are held."""
    seeing = [each for each in backbones if any(shown.image for shown in each.passes)]
    preparers = [backbone.image_preparer() for backbone in seeing]
    slot_bytes = sum(align(backbone.pixel_bytes) for backbone in seeing)
    slots = SHARDS_HELD * images_at_once
    if not slot_bytes or devices.choose_device(runtime.device) == "cpu":
        return Reader(preparers, runtime.workers, slot_bytes, slots)
    return Reader(
        preparers, runtime.workers, max(slot_bytes, DECODED_BYTES), slots, as_decoded=True
    )


def _read(reader: Reader, tasks: list[Task]) -> Reading:
    return reader.read(list_places(tasks[0].inputs), [task.backbone for task in tasks])


def _load(embedders: list[Embedder]) -> set[int]:
    """Load them; the numbers of those that cannot be, of whom the first must not be one."""
    lost = set()
    for number, embedder in enumerate(embedders):
        try:
            embedder.load()
        except InputError:
            if number == 0:
                raise
            lost.add(number)  # its own stage says why
    return lost


def _prepare(
    embedders: list[Embedder], tasks: list[Task], reading: "Future[Reading]", lost: set[int]
) -> Shards:
    collect = cache(reading.result().collect)

    def take(place: int) -> list[Pixels]:
        return collect()[place]

    return [
        None
        if task.backbone in lost
        else embedders[task.backbone].prepare(task.inputs, partial(take, place))
        for place, task in enumerate(tasks)
    ]


def _compute(
    embedders: list[Embedder],
    tasks: list[Task[Job]],
    reading: "Future[Reading]",
    prepared: "Future[Shards]",
) -> Iterator[tuple[Job, Pending | None]]:
    """Shards of one reading are done in their order, so that the last frees its pixels."""
    shards = list(zip(tasks, prepared.result(), strict=True))
    last = max(place for place, (_, own) in enumerate(shards) if own)  # the first is never lost
    for place, (task, own) in enumerate(shards):
        release = reading.result().release if place == last else _do_nothing
        yield task.job, embedders[task.backbone].compute(own, release) if own else None


def _do_nothing() -> None: ...
