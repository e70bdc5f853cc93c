"""The engine on several GPUs of this machine: a process for each, which runs the local engine."""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from fame.features.backbones.contract import Backbone
from fame.features.engine import local
from fame.features.engine.embedder import Done, Pending
from fame.features.engine.reader import follow_parent, shielding
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

Job = TypeVar("Job")  # of no matter here

VISIBLE = "CUDA_VISIBLE_DEVICES"
# What a process says: it wants a bundle, a shard is done, it has no more, or why it cannot go on.
ASK, RESULT, END, FAILED = "ask", "result", "end", "failed"


def embed(
    cards: int,
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    work: Iterable[list[local.Task[Job]]],
    slots: int,
) -> Generator[tuple[Job, Done | None]]:
    """The vectors of each job, in the order in which they are finished.

    As `fame.features.engine.local.embed`, on the first ``cards`` GPUs that are visible.

    Raises:
        InputError: what an embedder raises, or a process was killed.
    """
    own = runtime.model_copy(update={"workers": max(1, runtime.workers // cards)})
    bundles = enumerate(work)
    jobs: dict[tuple[int, int], Job] = {}  # by the numbers of a bundle and of a task in it
    with _running(cards, (tuple(backbones), own, slots)) as connections:
        while connections:
            for connection in wait(connections):
                assert isinstance(connection, Connection)
                kind, content = _receive(connection)
                if kind == ASK:
                    number, tasks = next(bundles, (0, []))
                    jobs |= {(number, place): task.job for place, task in enumerate(tasks)}
                    connection.send((number, [(task.backbone, task.inputs) for task in tasks]))
                elif kind == RESULT:
                    place, result = content
                    yield jobs.pop(place), Done(result) if result else None
                elif kind == FAILED:
                    raise content
                else:
                    connections.remove(connection)


def _receive(connection: Connection) -> tuple[str, Any]:
    try:
        return connection.recv()
    except EOFError:
        raise InputError(
            "the process of a GPU was killed, by the system if its memory (or /dev/shm) was used "
            "up; start again: what is done is kept"
        ) from None


@contextmanager
def _running(cards: int, arguments: tuple[Any, ...]) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(cards)]
    processes = [
        context.Process(target=_serve, args=(card, *arguments, theirs))
        for card, (_, theirs) in enumerate(pairs)
    ]
    # In a thread, as Ctrl-C is raised in the main one: none is cut off while it starts.
    starting = ThreadPoolExecutor(1)
    try:
        starting.submit(_start, processes).result()
        for _, theirs in pairs:
            theirs.close()  # so that the end of a process is the end of its pipe
        yield [ours for ours, _ in pairs]
    finally:
        starting.shutdown()
        for process in processes:
            if process.pid:
                process.terminate()
                process.join()


def _start(processes: list[SpawnProcess]) -> None:
    with shielding():
        for process in processes:
            process.start()


def _serve(
    card: int,
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    slots: int,
    connection: Connection,
) -> None:
    """In a process of its own, before anything has imported torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgrp()  # it leaves signals to its parent, and ends with it
    threading.Thread(target=follow_parent, daemon=True).start()
    visible = os.environ.get(VISIBLE, "").split(",")
    os.environ[VISIBLE] = visible[card] if card < len(visible) and visible[card] else str(card)
    sending = threading.Lock()

    def send(kind: str, content: Any = None) -> None:
        with sending:
            connection.send((kind, content))

    try:
        work = _ask(connection, send)
        # A shard is fetched and sent while the next one is computed.
        with ThreadPoolExecutor(1) as answering:
            before: Future | None = None
            for place, pending in local.embed(backbones, runtime, work, slots):
                if before:
                    before.result()
                before = answering.submit(_answer, send, place, pending)
            if before:
                before.result()
        send(END)
    except Exception as error:
        send(FAILED, _make_portable(error))


def _ask(
    connection: Connection, send: Callable[..., None]
) -> Iterator[list[local.Task[tuple[int, int]]]]:
    while True:
        send(ASK)
        number, tasks = connection.recv()
        if not tasks:
            return
        yield [
            local.Task(backbone, (number, place), inputs)
            for place, (backbone, inputs) in enumerate(tasks)
        ]


def _answer(send: Callable[..., None], place: tuple[int, int], pending: Pending | None) -> None:
    send(RESULT, (place, pending.result if pending else None))


def _make_portable(error: Exception) -> Exception:
    """The error, or its text where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
