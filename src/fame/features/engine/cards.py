"""The engine on several GPUs of this machine: a process for each, which runs the local engine."""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice, repeat
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from fame.features.contract import Backbone
from fame.features.engine import local
from fame.features.engine.embedder import Done
from fame.features.engine.reader import follow_parent, shielding
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

Job = TypeVar("Job")  # of no matter here

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS = 1.0  # between two looks whether all processes live
# Of the shards given out, a process waits with some for one more: so many for each keep all busy.
SHARDS_AHEAD = local.SHARDS_HELD


def embed(
    cards: int,
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    work: Iterable[list[local.Task[Job]]],
    images_at_once: int,
) -> Iterator[tuple[Job, Done | None]]:
    """The vectors of each job, in the order in which they are finished.

    As `fame.features.engine.local.embed`, on the first ``cards`` GPUs that are visible.

    Raises:
        InputError: what an embedder raises, or a process was killed.
    """
    context = multiprocessing.get_context("spawn")
    asked, answers = context.Queue(), context.Queue()
    own = runtime.model_copy(update={"workers": max(1, runtime.workers // cards)})
    arguments = (tuple(backbones), own, images_at_once, asked, answers)
    processes = [context.Process(target=_serve, args=(card, *arguments)) for card in range(cards)]
    jobs: dict[tuple[int, int], Job] = {}  # by the numbers of a bundle and of a task in it

    bundles = chain(enumerate(work), repeat(None, cards))  # which ends each process

    def ask(count: int) -> None:
        for bundle in islice(bundles, count):
            if bundle is None:
                asked.put(None)
                continue
            number, tasks = bundle
            jobs.update({(number, place): task.job for place, task in enumerate(tasks)})
            asked.put((number, [(task.backbone, task.inputs) for task in tasks]))

    with _running(processes):
        ask(SHARDS_AHEAD * cards)
        while jobs:
            (number, place), result = _wait(answers, processes)
            if isinstance(result, BaseException):
                raise result
            yield jobs.pop((number, place)), Done(result) if result else None
            if not any(number == other for other, _ in jobs):  # its last task
                ask(1)


def _wait(answers: Any, processes: Sequence[BaseProcess]) -> Any:
    while True:
        try:
            return answers.get(timeout=SECONDS)
        except queue.Empty:
            if any(process.exitcode for process in processes):
                raise InputError(
                    "the process of a GPU was killed, by the system if its memory was used up; "
                    "start again: what is done is kept"
                ) from None


@contextmanager
def _running(processes: Sequence[BaseProcess]) -> Iterator[None]:
    # In a thread, as Ctrl-C is raised in the main one: none is cut off while it starts.
    starting = threading.Thread(target=_start, args=(processes,))
    starting.start()
    starting.join()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _start(processes: Sequence[BaseProcess]) -> None:
    with shielding():
        for process in processes:
            process.start()


def _serve(
    card: int,
    backbones: Sequence[Backbone],
    runtime: RuntimeParams,
    images_at_once: int,
    asked: Any,
    answers: Any,
) -> None:
    """In a process of its own, before anything has imported torch."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgrp()  # it leaves signals to its parent, and ends with it
    threading.Thread(target=follow_parent, daemon=True).start()
    visible = os.environ.get(VISIBLE, "").split(",")
    os.environ[VISIBLE] = visible[card] if card < len(visible) and visible[card] else str(card)
    try:
        work = (
            [
                local.Task(backbone, (number, place), inputs)
                for place, (backbone, inputs) in enumerate(tasks)
            ]
            for number, tasks in iter(asked.get, None)
        )
        for place, pending in local.embed(backbones, runtime, work, images_at_once):
            answers.put((place, pending.result if pending else None))
    except Exception as error:  # the parent raises it
        answers.put(((0, 0), error))
