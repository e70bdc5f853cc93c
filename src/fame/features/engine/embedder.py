"""Inputs -> vectors: the one place where a model is run, on this machine or on a node of a cluster.

Items of a shard are put into batches by size, and a batch runs in one thread. A vector's last bits
may depend on its batch, but neither on the number of threads nor on what runs beside it.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from fame.features.backbones.contract import Backbone, Item
from fame.features.engine.contents import STATUSES, Inputs, Place
from fame.features.engine.reader import Ready
from fame.features.resampling import Decoded
from fame.params import RuntimeParams
from fame.posts.contract import NO_TEXT
from fame.runtime import devices

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Prepared:
    """Items of a shard, ready for the model.

    Attributes:
        items: m items; those that are not OK have no use.
        status: (m,) int8 codes of STATUSES.
    """

    kind: str
    items: list[Item]
    status: np.ndarray


@dataclass(frozen=True)
class Embedded:
    """A shard's vectors.

    Attributes:
        status: (m,) int8 codes of STATUSES.
        vectors: output -> (m, width) float32, NaN where the status is not OK.
    """

    status: np.ndarray
    vectors: dict[str, np.ndarray]


@dataclass(frozen=True)
class Result:
    """A shard's vectors, and the seconds that the model waited for input and computed."""

    embedded: Embedded
    waited: float
    computed: float


def nothing() -> None:
    """To be called where there is nothing to do."""


class Watch:
    """Since when a device has been idle, and what it has to do."""

    def __init__(self) -> None:
        self.idle_since = time.perf_counter()
        self.pending = 0  # shards
        self.computing, self.counting = threading.Lock(), threading.Lock()


@dataclass(frozen=True)
class Done:
    """A shard that was computed elsewhere."""

    result: Result


class Pending:
    """A shard that has been computed, or that a GPU still computes.

    Args:
        watch: of the device.
        status: (m,) int8 codes of STATUSES.
        batches: rows of each.
        outputs: of each; a GPU may still have to write them.
        mark: called when all is launched; returns what waits until it is computed.
        afterwards: called when the pixels are not needed any more.
    """

    def __init__(
        self,
        watch: Watch,
        status: np.ndarray,
        batches: list[list[int]],
        outputs: Iterable[dict[str, np.ndarray]],
        mark: Callable[[], Callable[[], None]],
        afterwards: Callable[[], None],
    ) -> None:
        self._watch, self._afterwards = watch, afterwards
        self._start = time.perf_counter()
        self._status, self._batches, self._outputs = status, batches, list(outputs)
        self._wait = mark()
        with watch.counting:
            self._waited = 0.0 if watch.pending else self._start - watch.idle_since
            watch.pending += 1

    @cached_property
    def result(self) -> Result:
        """The vectors, waited for where a GPU computes them."""
        self._wait()
        vectors: dict[str, np.ndarray] = {}
        for batch, given in zip(self._batches, self._outputs, strict=True):
            for name, values in given.items():
                if name not in vectors:
                    shape = (len(self._status), values.shape[1])
                    vectors[name] = np.full(shape, np.nan, dtype=np.float32)
                vectors[name][batch] = values
        self._afterwards()
        with self._watch.counting:
            now = time.perf_counter()
            computed = now - max(self._start, self._watch.idle_since)
            self._watch.idle_since = now
            self._watch.pending -= 1
        return Result(Embedded(self._status, vectors), self._waited, computed)


class Embedder:
    """A backbone with its threads; a context manager.

    `prepare` and `compute` may be called from threads of their own: one shard is prepared while
    another is computed. `load` comes first.

    Args:
        watch: shared by the embedders that use a device by turns.
    """

    def __init__(
        self, backbone: Backbone, runtime: RuntimeParams, watch: Watch | None = None
    ) -> None:
        self._backbone = backbone
        self._workers = runtime.workers
        self._on_gpu = devices.choose_device(runtime.device) == "cuda"
        self._tokenizing = threading.Lock()
        self._watch = watch or Watch()

    def load(self) -> None:
        """Load the model, before any thread starts: two must not import a library at once."""
        self._backbone.load()
        self._watch.idle_since = time.perf_counter()

    def prepare(self, inputs: Inputs, read: Callable[[], Sequence[Ready]]) -> Prepared:
        """Tokenise the texts, take the pixels.

        Args:
            inputs: of a shard.
            read: called where there are images, for the pixels of each of `list_places`.
        """
        shown = inputs.places if inputs.texts is None else inputs.texts
        assert shown is not None
        status = np.zeros(len(shown), dtype=np.int8)
        tokens: Sequence[np.ndarray | None] = [None] * len(shown)
        pixels: Sequence[np.ndarray | torch.Tensor | Decoded | None] = [None] * len(shown)
        if inputs.texts is not None:
            with self._tokenizing:
                tokens = found = self._backbone.tokenize(inputs.texts)
            for i, (text, ids) in enumerate(zip(inputs.texts, found, strict=True)):
                # The empty text is only here where a pass asks for it.
                if text and len(ids) <= self._backbone.special_tokens:
                    status[i] = STATUSES.index(NO_TEXT)
        if inputs.places is not None:
            decoded = dict(zip(list_places(inputs), read(), strict=True))
            images = [decoded[place] for place in inputs.places]
            pixels = [None if isinstance(image, str) else image for image in images]
            for i, image in enumerate(images):
                if isinstance(image, str):
                    status[i] = STATUSES.index(image)
        return Prepared(inputs.kind, list(map(Item, tokens, pixels)), status)

    def compute(self, prepared: Prepared, afterwards: Callable[[], None] = nothing) -> Pending:
        """Run the model on the items that are OK, in batches of about one size.

        A GPU has got all it must do when this returns, and a CPU has done it.

        Args:
            prepared: the shard.
            afterwards: called when its pixels are not needed any more.
        """
        with self._watch.computing:
            batches = self._cut(prepared)
            outputs = self._threads.map(partial(self._run, prepared), batches)
            mark = devices.mark if self._on_gpu else lambda: nothing
            pending = Pending(self._watch, prepared.status, batches, outputs, mark, afterwards)
            if not self._on_gpu:
                _ = pending.result
        return pending

    def _cut(self, prepared: Prepared) -> list[list[int]]:
        """Rows of each batch; those of a GPU are of about one size, as a small one idles it."""
        ready = np.flatnonzero(prepared.status == 0).tolist()
        rows = sorted(ready, key=partial(_order, prepared.items))
        if self._on_gpu:
            rows = _join_images(prepared.items, rows)
        room: float = self._backbone.cost_at_once(prepared.kind)
        costs = [self._backbone.cost(prepared.kind, prepared.items[row]) for row in rows]
        if self._on_gpu:
            room = sum(costs) / max(1, math.ceil(sum(costs) / room))
        middles = np.cumsum(costs) - np.array(costs, dtype=float) / 2
        batch = (middles // max(room, 1)).astype(int).tolist()
        return [
            [row for row, _ in group]
            for _, group in groupby(zip(rows, batch, strict=True), key=itemgetter(1))
        ]

    def _run(self, prepared: Prepared, batch: list[int]) -> dict[str, np.ndarray]:
        given = self._backbone.run(prepared.kind, [prepared.items[row] for row in batch])
        return {name: _fetch(values) for name, values in given.items()}

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Threads with one core each; one thread feeds a GPU."""
        threads = 1 if self._on_gpu else self._workers
        return ThreadPoolExecutor(threads, initializer=devices.use_one_thread)

    def __enter__(self) -> "Embedder":
        return self

    def __exit__(self, *_: object) -> None:
        if "_threads" in self.__dict__:
            self._threads.shutdown(cancel_futures=True)


def list_places(inputs: Inputs) -> list[Place]:
    """The distinct images, each of which several items may show."""
    return list(dict.fromkeys(inputs.places or []))


def _fetch(values: "np.ndarray | torch.Tensor") -> np.ndarray:
    """What a GPU still computes, it copies as soon as it has: not behind what is launched next."""
    if isinstance(values, np.ndarray):
        return values
    return values.to("cpu", non_blocking=True).numpy()


def _order(items: list[Item], row: int) -> tuple[int, ...]:
    """Height and width of the pixels, then tokens; the row makes the order the only one."""
    item = items[row]
    tokens = 0 if item.tokens is None else len(item.tokens)
    return (tokens, row) if item.pixels is None else (*item.pixels.shape, tokens, row)


def _join_images(items: list[Item], rows: list[int]) -> list[int]:
    """Items of one image beside each other, so that a GPU, which sees items of any length at once,
    gets and embeds it once."""
    images: dict[int, list[int]] = {}
    for row in rows:
        pixels = items[row].pixels
        images.setdefault(-row - 1 if pixels is None else id(pixels), []).append(row)
    return [row for together in images.values() for row in together]
