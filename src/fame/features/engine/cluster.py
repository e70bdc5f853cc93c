"""The engine on a Ray cluster: one embedder a GPU, or one for every runtime.workers cores.

An embedder is what runs on one machine too, so a vector is the same wherever it is computed. Texts
and places of images travel to it, vectors travel back. Image files and weights are read where it
runs: paths must mean the same on every node, and the project must be installed there.
"""

import os
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from fame.features.backbones.contract import Backbone
from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import Done, Embedder, Result, list_places
from fame.features.engine.local import Task, open_reader
from fame.params import RuntimeParams
from fame.runtime import devices
from fame.runtime.errors import InputError
from fame.runtime.ray import connect, count_places

SHARDS_AT_ONCE = 2  # in an embedder: one is prepared while another is computed
LOSSES_ALLOWED = 4  # of one shard: then it is what kills its embedders
Job = TypeVar("Job")  # of no matter here


def embed(
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    work: Iterable[list[Task[Job]]],
    slots: int,
) -> Generator[tuple[Job, Done]]:
    """The vectors of each job, in the order in which they are finished.

    As `fame.features.engine.local.embed`, but of one backbone.

    Raises:
        InputError: there is no cluster or no room in it, or what an embedder raises.
    """
    with connect(runtime.ray_address, "runtime.engine local") as ray:
        [backbone] = backbones
        dispatcher: _Dispatcher[Job] = _Dispatcher(ray, backbone, runtime, slots)
        shards = ((task.job, task.inputs) for tasks in work for task in tasks)
        for job, result in dispatcher.embed(shards):
            yield job, Done(result)


class _Worker:
    """An embedder in a process of the cluster."""

    def __init__(self, backbone: Backbone, runtime: RuntimeParams, slots: int, folder: str) -> None:
        os.chdir(folder)
        self._backbone = backbone
        self._embedder = Embedder(backbone, runtime)
        self._embedder.load()
        self._reader, self._reading = open_reader([backbone], runtime, slots), Lock()
        self._stack = ExitStack()  # as long as this process
        if self._reader.as_decoded and slots:
            self._stack.enter_context(devices.pinning(self._reader.memory))

    def describe(self) -> dict[str, Any]:
        """The backbone's fingerprint here, where a GPU or a file may be another one."""
        return self._backbone.fingerprint()

    def embed(self, inputs: Inputs) -> Result:
        """Prepare and compute a shard; called from SHARDS_AT_ONCE threads."""
        with self._reading:
            reading = self._reader.read(list_places(inputs))
        prepared = self._embedder.prepare(inputs, lambda: reading.collect()[0])
        return self._embedder.compute(prepared, reading.release).result


class _Dispatcher(Generic[Job]):
    """Gives shards to embedders, no more than they can hold, and again when they are lost."""

    def __init__(self, ray: Any, backbone: Backbone, runtime: RuntimeParams, slots: int) -> None:
        self._ray = ray
        self._fingerprint = backbone.fingerprint()
        self._free: deque = deque()  # embedders, once for each shard that they can take
        self._lost: deque = deque()  # tasks to give out again
        self._losses: Counter = Counter()  # by the id of a task
        self._reason = ""  # of the last loss
        self._running: dict[Any, tuple[Any, tuple[Job, Inputs]]] = {}
        self._asked: dict[Any, Any] = {}  # embedders that start, by their answer
        for worker in self._start(backbone, runtime, slots):
            self._ask(worker)

    def embed(self, work: Iterable[tuple[Job, Inputs]]) -> Iterator[tuple[Job, Result]]:
        """See `embed`."""
        waiting = iter(work)
        while True:
            while self._free and (task := self._take(waiting)):
                worker = self._free.popleft()
                self._running[worker.embed.remote(task[1])] = worker, task
            if self._free and not self._running:
                return  # whoever is still starting is not needed
            if not self._running and not self._asked:
                raise InputError(f"ray: the cluster has no embedder left: {self._reason}")
            [answer], _ = self._ray.wait([*self._running, *self._asked])
            if answer in self._asked:
                self._welcome(self._asked.pop(answer), answer)
            else:
                worker, task = self._running.pop(answer)
                result = self._get(answer)
                if result is None:
                    self._lose(worker, task)
                else:
                    self._free.append(worker)
                    yield task[0], result

    def _take(self, waiting: Iterator[tuple[Job, Inputs]]) -> tuple[Job, Inputs] | None:
        return self._lost.popleft() if self._lost else next(waiting, None)

    def _start(self, backbone: Backbone, runtime: RuntimeParams, slots: int) -> list[Any]:
        gpus = self._ray.cluster_resources().get("GPU", 0) if runtime.device != "cpu" else 0
        cores = count_places(self._ray, runtime.workers)
        if not gpus and not cores:
            raise InputError(
                f"params.yaml: runtime.workers: found {runtime.workers}, more than the cores of "
                "any node of the Ray cluster"
            )
        needs = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": runtime.workers}
        actor = self._ray.remote(_Worker).options(
            **needs, max_concurrency=SHARDS_AT_ONCE, max_restarts=-1
        )
        folder = str(Path.cwd())
        return [actor.remote(backbone, runtime, slots, folder) for _ in range(int(gpus) or cores)]

    def _ask(self, worker: Any) -> None:
        self._asked[worker.describe.options(max_task_retries=-1).remote()] = worker

    def _welcome(self, worker: Any, answer: Any) -> None:
        """Use an embedder that has started; one that cannot start is not asked again."""
        fingerprint = self._get(answer)
        if fingerprint is None:
            return
        if fingerprint != self._fingerprint:
            differs = [
                key for key, value in fingerprint.items() if value != self._fingerprint.get(key)
            ]
            raise InputError(
                f"ray: an embedder of the cluster would make other vectors than this machine "
                f"({', '.join(differs)}); name the dtype in the backbone's block of params.yaml, "
                "no `decode: gpu` unless all have one, and install the same weights everywhere"
            )
        self._free.extend([worker] * SHARDS_AT_ONCE)

    def _lose(self, worker: Any, task: tuple[Job, Inputs]) -> None:
        """Ray starts the embedder again where there is room; it is used when it answers."""
        self._losses[id(task)] += 1
        if self._losses[id(task)] == LOSSES_ALLOWED:
            raise InputError(
                f"ray: a shard was lost with its embedder {LOSSES_ALLOWED} times; what is done is "
                f"kept: {self._reason}"
            )
        self._lost.append(task)
        self._free = deque(other for other in self._free if other is not worker)
        if worker not in self._asked.values():
            self._ask(worker)

    def _get(self, answer: Any) -> Any:
        """An answer, or None if its embedder is lost."""
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayActorError as error:
            self._reason = str(error).strip().splitlines()[-1]
            return None
