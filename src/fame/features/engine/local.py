"""The engine on this machine: one shard is computed while the next ones are prepared."""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice
from typing import Generic, TypeVar

from fame.features.backbones.contract import Backbone
from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import Embedder, Pending, Prepared, Watch, list_places
from fame.features.engine.reader import Reader, Reading, align
from fame.params import RuntimeParams
from fame.runtime import devices

Job = TypeVar("Job")  # of no matter here
Given = TypeVar("Given")
Shards = list[Prepared | None]  # of tasks; None: the backbone of one has failed

PREPARED_AHEAD = 2  # shards
WRITTEN_BEHIND = 2  # shards of which a GPU still owes the vectors, or that are not yet written
SHARDS_HELD = PREPARED_AHEAD + WRITTEN_BEHIND + 1  # and one is computed
DECODED_BYTES = 3 << 20  # of an image that a GPU resizes; larger ones are resized where decoded


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
    slots: int,
) -> Generator[tuple[Job, Pending | None]]:
    """The vectors of each job, in the order of ``work``, of which little is taken ahead.

    There are none (None) of a backbone, other than the first, that fails.

    Args:
        backbones: by turns.
        runtime: the block.
        work: the shards of one element show the same images, which are decoded once for all.
        slots: images of which the pixels are held at once, for SHARDS_HELD shards.

    Raises:
        InputError: see `fame.features.engine.reader.Reading.collect`.
    """
    watch = Watch()
    with ExitStack() as stack:
        embedders = [stack.enter_context(Embedder(each, runtime, watch)) for each in backbones]
        reader = stack.enter_context(open_reader(backbones, runtime, slots))
        # Ctrl-C is raised in the main thread alone: no process that starts is cut off by it.
        asking, ahead = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        for threads in (asking, ahead):
            stack.callback(threads.shutdown, cancel_futures=True)
        # The processes always have the next shards to read, and the first while models are loaded.
        readings = ((tasks, asking.submit(_read, reader, tasks)) for tasks in work)
        first = list(islice(readings, PREPARED_AHEAD))
        pinned = asking.submit(_pin, stack, reader, slots)
        lost: set[int] = set()  # numbers of backbones beside the first that failed
        for number, embedder in enumerate(embedders):
            _attempt(lost, number, embedder.load)
        pinned.result()
        waiting: deque[tuple[list[Task[Job]], Future[Reading], Future[Shards]]] = deque()
        for tasks, reading in chain(first, readings):
            shards = ahead.submit(_prepare, embedders, tasks, reading, lost)
            waiting.append((tasks, reading, shards))
            if len(waiting) > PREPARED_AHEAD:
                yield from _compute(embedders, *waiting.popleft(), lost)
        while waiting:
            yield from _compute(embedders, *waiting.popleft(), lost)


def open_reader(backbones: Sequence[Backbone], runtime: RuntimeParams, slots: int) -> Reader:
    """Of images for all of ``backbones``; its memory has room for those of ``slots``."""
    seeing = [each for each in backbones if any(shown.image for shown in each.passes)]
    preparers = [backbone.image_preparer() for backbone in seeing]
    slot_bytes = sum(align(backbone.pixel_bytes) for backbone in seeing)
    if not slot_bytes or devices.choose_device(runtime.device) == "cpu":
        return Reader(preparers, runtime.workers, slot_bytes, slots)
    return Reader(
        preparers, runtime.workers, max(slot_bytes, DECODED_BYTES), slots, as_decoded=True
    )


def _pin(stack: ExitStack, reader: Reader, slots: int) -> None:
    if reader.as_decoded and slots:
        stack.enter_context(devices.pinning(reader.memory))


def _read(reader: Reader, tasks: list[Task]) -> Reading:
    return reader.read(list_places(tasks[0].inputs), [task.backbone for task in tasks])


def _prepare(
    embedders: list[Embedder], tasks: list[Task], reading: "Future[Reading]", lost: set[int]
) -> Shards:
    collect = cache(reading.result().collect)

    def prepare(place: int, task: Task) -> Prepared:
        return embedders[task.backbone].prepare(task.inputs, lambda: collect()[place])

    return [
        _attempt(lost, task.backbone, partial(prepare, place, task))
        for place, task in enumerate(tasks)
    ]


def _compute(
    embedders: list[Embedder],
    tasks: list[Task[Job]],
    reading: "Future[Reading]",
    prepared: "Future[Shards]",
    lost: set[int],
) -> Iterator[tuple[Job, Pending | None]]:
    """Shards of one reading are done in their order, so that the last frees its pixels."""
    release = reading.result().release
    given: list[Pending] = []
    for place, (task, own) in enumerate(zip(tasks, prepared.result(), strict=True), 1):
        then = [release] if place == len(tasks) else []
        pending = None
        if own:
            compute = partial(embedders[task.backbone].compute, own, *then)
            pending = _attempt(lost, task.backbone, compute)
        if pending:
            given.append(pending)
        elif then:
            for one in given:
                _ = one.result  # a GPU may still read its pixels
            release()
        yield task.job, pending


def _attempt(lost: set[int], number: int, call: Callable[[], Given]) -> Given | None:
    """What the call for the backbone of a number gives; None of one that is or gets lost.

    The stage is there for the first backbone: what stops another one is told, and left to its own
    stage, which stops there if that is so when it runs by itself.
    """
    if number in lost:
        return None
    try:
        return call()
    except Exception as error:
        if number == 0:
            raise
        lost.add(number)
        print(f"a backbone beside is left to its own stage: {error!r}", file=sys.stderr)
        return None
