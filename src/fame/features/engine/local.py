"""The engine on this machine: one shard is computed while the next ones are prepared."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fame.features.contract import Backbone
from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import Embedder, Result
from fame.params import RuntimeParams

Job = TypeVar("Job")  # of no matter here

PREPARED_AHEAD = 2  # shards


def embed(
    backbone: Backbone, runtime: RuntimeParams, work: Iterable[tuple[Job, Inputs]]
) -> Iterator[tuple[Job, Result]]:
    """The vectors of each job, in the order of ``work``, of which little is taken ahead.

    Raises:
        InputError: see `fame.features.engine.reader.Reader.collect`.
    """
    with Embedder(backbone, runtime) as embedder, ThreadPoolExecutor(1) as ahead:
        waiting: deque[tuple[Job, Future]] = deque()
        embedder.load()
        for job, inputs in work:
            waiting.append((job, ahead.submit(embedder.prepare, inputs)))
            if len(waiting) > PREPARED_AHEAD:
                first, prepared = waiting.popleft()
                yield first, embedder.compute(prepared.result())
        for job, prepared in waiting:
            yield job, embedder.compute(prepared.result())
