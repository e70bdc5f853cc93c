"""Image files -> pixels, in worker processes that know neither the model nor torch."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cached_property
from multiprocessing import resource_tracker
from typing import Any, Protocol

import numpy as np

from fame.features.engine.contents import KEY_BYTES, Place
from fame.features.images import UnreadableImageError
from fame.posts.archives import UNREADABLE, ImageReader
from fame.posts.contract import MISSING
from fame.runtime.errors import InputError

IMAGES_AT_ONCE = 8  # sent to a process
Prepare = Callable[[bytes], np.ndarray]
Pixels = np.ndarray | str  # or why there are none: a kind of contracts.UNREADABLE

# Set in a worker process alone, by `_start_worker`.
_files: ImageReader
_prepare: Prepare


class PixelSource(Protocol):
    """What an embedder asks of a reader of images."""

    def submit(self, places: list[Place]) -> list[Any]:
        """Start to read; what `collect` takes."""

    def collect(self, started: list[Any], /) -> Iterator[Pixels]:
        """The pixels of each place, in the order of `submit`."""

    def __exit__(self, *_: object) -> None: ...


class Reader:
    """Reads and prepares images in ``workers`` processes; a context manager."""

    def __init__(self, prepare: Prepare, workers: int) -> None:
        self._prepare = prepare
        self._workers = workers

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork would copy the locks of torch's threads in any state.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            self._workers, context, initializer=_start_worker, initargs=(self._prepare,)
        )

    def submit(self, places: list[Place]) -> list[Future]:
        """Start to read; what `collect` takes.

        Raises:
            InputError: a process was killed.
        """
        parts = [places[i : i + IMAGES_AT_ONCE] for i in range(0, len(places), IMAGES_AT_ONCE)]
        with _explaining(), _shielding():
            return [self._pool.submit(_read_images, part) for part in parts]

    @staticmethod
    def collect(futures: list[Future]) -> Iterator[Pixels]:
        """The pixels of each place, in the order of `submit`.

        Raises:
            InputError: an archive is not whole, a file changed since it was ingested, or a process
                was killed.
        """
        for future in futures:
            with _explaining():
                pixels = future.result()
            yield from pixels

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if "_pool" in self.__dict__:
            self._pool.shutdown(cancel_futures=True)


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            "a process that decodes images was killed, by the system if its memory was used up; "
            "start again (what is done is kept), with fewer runtime.workers"
        ) from None


@contextmanager
def _shielding() -> Iterator[None]:
    """Processes that are started now do not get Ctrl-C, not even before `_start_worker`."""
    resource_tracker.ensure_running()  # its start would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(prepare: Prepare) -> None:
    """Called in a new process: it leaves signals to its parent, and ends with it."""
    global _files, _prepare
    _files, _prepare = ImageReader(), prepare
    os.setpgrp()  # what is sent to all processes of a terminal or a job does not reach it
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """A killed parent says no goodbye, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read_images(places: list[Place]) -> list[Pixels]:
    return [read_image(_files, _prepare, *place) for place in places]


def read_image(
    files: ImageReader, prepare: Prepare, container: str, member: str, digest: str
) -> Pixels:
    """The pixels of one image, or why there are none.

    Raises:
        InputError: the bytes are not those that were located.
        OSError: the machine cannot read it (no permission, a failing disk).
    """
    try:
        content = files.read(container, member)
    except UNREADABLE:  # gone or damaged since it was located
        return MISSING
    if hashlib.blake2b(content, digest_size=KEY_BYTES).hexdigest() != digest:
        where = f"{container}: {member}" if container else member
        raise InputError(f"{where}: not the image that was ingested; run `dvc repro`")
    try:
        return prepare(content)
    except UnreadableImageError as error:
        return error.status
