"""Image files -> pixels, in worker processes that know neither the model nor torch."""

import hashlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property, partial
from multiprocessing import resource_tracker
from multiprocessing.heap import Arena
from typing import TYPE_CHECKING, Union

import numpy as np

from fame.features.backbones.contract import Preparer
from fame.features.engine.contents import KEY_BYTES, Place
from fame.features.images import UnreadableImageError, decode, find_plain_jpeg
from fame.features.resampling import Decoded, Encoded, resize
from fame.posts.archives import UNREADABLE, ImageReader
from fame.posts.contract import MISSING
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

IMAGES_AT_ONCE = 8  # sent to a process; with fewer it often waits for the parent's interpreter
NICENESS = 5  # of the processes that decode: they are ahead anyway, and who computes comes first
ALIGNED = 64  # bytes: where pixels begin in a slot
Prepare = Callable[[bytes], np.ndarray]
Pixels = np.ndarray | Decoded | Encoded | str  # or why not: a kind of contracts.UNREADABLE
Ready = Union[np.ndarray, "torch.Tensor", Decoded, str]  # what is left to a GPU is decoded there
# What a process sends of an array that it wrote into a slot: where in it that begins, how it lies,
# and what it belongs to.
Written = tuple[int, tuple[int, ...], str, Decoded | Encoded | None]
NOTHING = np.empty(0, np.uint8)  # in place of an array that is in a slot
Sent = Pixels | Written

# Set in a worker process alone, by `_start_worker`.
_files: ImageReader
_preparers: Sequence[Prepare]
_memory: np.ndarray


class Reader:
    """Reads and prepares images in ``workers`` processes; a context manager.

    Pixels come through memory that all processes share. It has slots, one an image; where none is
    free, or pixels are larger, they are sent instead.

    Args:
        preparers: of the backbones; those that can share what is decoded do.
        slot_bytes: of the pixels of an image for all of them; 0: no memory is shared.
        slots: so many images are held at most.
        as_decoded: whether an image that fits a slot comes as it was decoded: a GPU resizes it.
            A JPEG that a GPU decodes, too, comes as it is in any case.
    """

    def __init__(
        self,
        preparers: Sequence[Prepare],
        workers: int,
        slot_bytes: int = 0,
        slots: int = 0,
        as_decoded: bool = False,
    ) -> None:
        self._preparers, self._workers = preparers, workers
        self._slot_bytes, self.as_decoded = slot_bytes, as_decoded
        self._free = list(range(slots if slot_bytes else 0))

    @cached_property
    def memory(self) -> np.ndarray:
        """(slots, bytes) uint8."""
        return _view(self._shared, self._slot_bytes)

    @cached_property
    def _shared(self) -> Arena:
        # What multiprocessing's own arrays lie in, but not filled with zeros first, which takes
        # seconds. Where /dev/shm is too small for it, Python takes a file that has no name.
        return Arena(max(len(self._free) * self._slot_bytes, 1))

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        arguments = self._preparers, self._shared, self._slot_bytes
        return ProcessPoolExecutor(
            self._workers, _CONTEXT, initializer=_start_worker, initargs=arguments
        )

    def read(self, places: list[Place], wanted: Sequence[int] = (0,)) -> "Reading":
        """Start to read images, as the preparers at ``wanted`` take them.

        Raises:
            InputError: a process was killed.
        """
        reading = Reading(self, wanted)
        if places:
            memory, pool = self.memory, self._pool
            for start in range(0, len(places), IMAGES_AT_ONCE):
                part = places[start : start + IMAGES_AT_ONCE]
                slots = [self._free.pop() if self._free else None for _ in part]
                with _explaining(), shielding():
                    future = pool.submit(_read_images, part, slots, wanted, self.as_decoded)
                reading.parts.append((future, [None if s is None else memory[s] for s in slots]))
                reading.slots += [slot for slot in slots if slot is not None]
        return reading

    def free(self, slots: list[int]) -> None:
        """Nobody looks at these slots any more."""
        self._free += slots

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        if "_pool" in self.__dict__:
            self._pool.shutdown(cancel_futures=True)


class Reading:
    """Images that are being read.

    Attributes:
        parts: of the images: what is to come, and the slot of each.
        slots: that are taken.
    """

    def __init__(self, reader: Reader, wanted: Sequence[int]) -> None:
        self._reader, self._wanted = reader, wanted
        self.parts: list[tuple[Future, list[np.ndarray | None]]] = []
        self.slots: list[int] = []

    def collect(self) -> list[list[Ready]]:
        """For each of the preparers that are wanted, the pixels of each place.

        Raises:
            InputError: an archive is not whole, a file changed since it was ingested, a process
                was killed, or see `decode_rest`.
        """
        found: list[list[Pixels]] = [[] for _ in self._wanted]
        for future, slots in self.parts:
            with _explaining():
                images = future.result()
            for sent, slot in zip(images, slots, strict=True):
                for own, one in zip(found, sent, strict=True):
                    own.append(_find(one, slot))
        return decode_rest(found)

    def release(self) -> None:
        """The pixels are not looked at any more: their slots are free."""
        self._reader.free(self.slots)
        self.slots = []


# Spawned, not forked: a fork would copy the locks of torch's threads in any state.
_CONTEXT = multiprocessing.get_context("spawn")


def _view(shared: Arena, slot_bytes: int) -> np.ndarray:
    width = slot_bytes or 1
    memory = np.frombuffer(shared.buffer, np.uint8)
    return memory[: len(memory) // width * width].reshape(-1, width)


def _find(sent: Sent, slot: np.ndarray | None) -> Pixels:
    if not isinstance(sent, tuple):
        return sent
    assert slot is not None
    start, shape, dtype, owner = sent
    array = _take(slot, start, shape, np.dtype(dtype))
    return replace(owner, array=array) if owner else array


def _take(slot: np.ndarray, start: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    stop = start + dtype.itemsize * math.prod(shape)
    return slot[start:stop].view(dtype).reshape(shape)


def decode_rest(found: list[list[Pixels]]) -> list[list[Ready]]:
    """For each preparer, the pixels of each place; a GPU decodes what is left to it, once for all.

    Raises:
        InputError: see `fame.features.gpu_decoding.decode_on_gpu`.
    """
    left = [pixels for own in found for pixels in own if isinstance(pixels, Encoded)]
    if left:
        from fame.features.gpu_decoding import decode_on_gpu

        decoded = iter(decode_on_gpu(left))
    return [
        [next(decoded) if isinstance(pixels, Encoded) else pixels for pixels in own]
        for own in found
    ]


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
def shielding() -> Iterator[None]:
    """Processes that are started now do not get Ctrl-C, not even before `_start_worker`."""
    resource_tracker.ensure_running()  # its start would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(preparers: Sequence[Prepare], shared: Arena, slot_bytes: int) -> None:
    """Called in a new process: it leaves signals to its parent, and ends with it."""
    global _files, _preparers, _memory
    _files, _preparers, _memory = ImageReader(), preparers, _view(shared, slot_bytes)
    os.nice(NICENESS)
    os.setpgrp()  # what is sent to all processes of a terminal or a job does not reach it
    threading.Thread(target=follow_parent, daemon=True).start()


def follow_parent() -> None:
    """A killed parent says no goodbye, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read_images(
    places: list[Place], slots: list[int | None], wanted: Sequence[int], as_decoded: bool
) -> list[list[Sent]]:
    preparers = [_preparers[i] for i in wanted]
    sent = []
    for place, number in zip(places, slots, strict=True):
        slot = None if number is None else _memory[number]
        room = len(slot) if as_decoded and slot is not None else 0
        sent.append(_send(read_image(_files, preparers, *place, room), slot))
    return sent


def _send(found: list[Pixels], slot: np.ndarray | None) -> list[Sent]:
    """Pixels that fit are written into the slot, one after another; the same ones once."""
    sent: list[Sent] = []
    start, starts = 0, {}
    for pixels in found:
        if isinstance(pixels, str):
            sent.append(pixels)
            continue
        if isinstance(pixels, Decoded | Encoded):
            array, owner = pixels.array, replace(pixels, array=NOTHING)
        else:
            array, owner = pixels, None
        if id(array) not in starts:
            if slot is None or start + array.nbytes > len(slot):
                sent.append(pixels)
                continue
            _take(slot, start, array.shape, array.dtype)[...] = array
            starts[id(array)] = start
            start += align(array.nbytes)
        sent.append((starts[id(array)], array.shape, array.dtype.str, owner))
    return sent


def align(size: int) -> int:
    """Bytes that pixels of ``size`` take of a slot."""
    return -(-size // ALIGNED) * ALIGNED


def read_image(
    files: ImageReader,
    preparers: Sequence[Prepare],
    container: str,
    member: str,
    digest: str,
    room: int = 0,
) -> list[Pixels]:
    """The pixels of one image as each preparer takes it, or why there are none.

    Args:
        files, container, member, digest: where it lies.
        preparers: of those who want it.
        room: bytes up to which an image is left as it was decoded.

    Raises:
        InputError: the bytes are not those that were located.
        OSError: the machine cannot read it (no permission, a failing disk).
    """
    try:
        content = files.read(container, member)
    except UNREADABLE:  # gone or damaged since it was located
        return [MISSING] * len(preparers)
    if hashlib.blake2b(content, digest_size=KEY_BYTES).hexdigest() != digest:
        where = f"{container}: {member}" if container else member
        raise InputError(f"{where}: not the image that was ingested; run `dvc repro`")
    image = _Image(content, room)
    return [image.show(prepare) for prepare in preparers]


class _Image:
    """An image file, decoded once for each way to do so."""

    def __init__(self, content: bytes, room: int) -> None:
        self._content, self._room = content, room
        self._decoded = cache(partial(decode, content))  # an error is raised again, as quickly
        self._bytes = cache(lambda: np.frombuffer(content, np.uint8).copy())
        self._find_plain_jpeg = cache(partial(find_plain_jpeg, content))
        self._arrays = cache(lambda draft_pixels: np.asarray(self._decoded(draft_pixels)))

    def show(self, prepare: Prepare) -> Pixels:
        """What a preparer makes of it."""
        try:
            if not isinstance(prepare, Preparer):
                return prepare(self._content)
            if prepare.by_gpu and (size := self._find_plain_jpeg()):
                return Encoded(self._bytes(), size, prepare.plan(*size))
            image = self._decoded(prepare.draft_pixels)
        except UnreadableImageError as error:
            return error.status
        geometry = prepare.plan(image.width, image.height)
        if image.width * image.height * 3 <= self._room:
            return Decoded(self._arrays(prepare.draft_pixels), geometry)
        return resize(image, geometry)
