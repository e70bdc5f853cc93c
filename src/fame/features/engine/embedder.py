"""Inputs -> vectors: the one place where a model is run, on this machine or on a node of a cluster.

Items of a shard are put into batches by size, and a batch runs in one thread. A vector's last bits
may depend on its batch, but neither on the number of threads nor on what runs beside it.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from fame.features.contract import Backbone, Item
from fame.features.engine.contents import STATUSES, Inputs
from fame.features.engine.reader import PixelSource, Reader
from fame.params import RuntimeParams
from fame.posts.contract import NO_TEXT
from fame.runtime import devices


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


class Embedder:
    """A backbone with its worker processes and threads; a context manager.

    `prepare` and `compute` may be called from threads of their own: one shard is prepared while
    another is computed. `load` comes first.
    """

    def __init__(self, backbone: Backbone, runtime: RuntimeParams) -> None:
        self._backbone = backbone
        self._workers = runtime.workers
        self._on_gpu = devices.choose_device(runtime.device) == "cuda"
        self._tokenizing, self._computing = threading.Lock(), threading.Lock()

    def load(self) -> None:
        """Load the model, before any thread starts: two must not import a library at once."""
        self._backbone.load()
        self._idle_since = time.perf_counter()

    def prepare(self, inputs: Inputs) -> Prepared:
        """Tokenise the texts, read and decode the images.

        Raises:
            InputError: see `Reader.collect`.
        """
        shown = inputs.places if inputs.texts is None else inputs.texts
        assert shown is not None
        status = np.zeros(len(shown), dtype=np.int8)
        tokens: Sequence[np.ndarray | None] = [None] * len(shown)
        pixels: Sequence[np.ndarray | None] = tokens
        # An image that several items show is decoded once.
        places = list(dict.fromkeys(inputs.places or []))
        reading = self._reader.submit(places) if places else []
        if inputs.texts is not None:
            with self._tokenizing:
                tokens = found = self._backbone.tokenize(inputs.texts)
            for i, (text, ids) in enumerate(zip(inputs.texts, found, strict=True)):
                # The empty text is only here where a pass asks for it.
                if text and len(ids) <= self._backbone.special_tokens:
                    status[i] = STATUSES.index(NO_TEXT)
        if inputs.places is not None:
            decoded = dict(zip(places, self._reader.collect(reading), strict=True))
            images = [decoded[place] for place in inputs.places]
            pixels = [None if isinstance(image, str) else image for image in images]
            for i, image in enumerate(images):
                if isinstance(image, str):
                    status[i] = STATUSES.index(image)
        return Prepared(inputs.kind, list(map(Item, tokens, pixels)), status)

    def compute(self, prepared: Prepared) -> Result:
        """Run the model on the items that are OK, in batches of about one size."""
        rows = sorted(np.flatnonzero(prepared.status == 0), key=partial(_size, prepared.items))
        at_once = self._backbone.items_at_once(prepared.kind)
        batches = [rows[i : i + at_once] for i in range(0, len(rows), at_once)]
        vectors: dict[str, np.ndarray] = {}
        with self._computing:
            start = time.perf_counter()
            waited = start - self._idle_since
            for batch, outputs in zip(
                batches, self._threads.map(partial(self._run, prepared), batches), strict=True
            ):
                for name, values in outputs.items():
                    if name not in vectors:
                        shape = (len(prepared.status), values.shape[1])
                        vectors[name] = np.full(shape, np.nan, dtype=np.float32)
                    vectors[name][batch] = values
            self._idle_since = time.perf_counter()
        computed = self._idle_since - start
        return Result(Embedded(prepared.status, vectors), waited, computed)

    def _run(self, prepared: Prepared, batch: list[int]) -> dict[str, np.ndarray]:
        return self._backbone.run(prepared.kind, [prepared.items[row] for row in batch])

    @cached_property
    def _reader(self) -> PixelSource:
        return Reader(self._backbone.image_preparer(), self._workers)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Threads with one core each; one thread feeds a GPU."""
        threads = 1 if self._on_gpu else self._workers
        return ThreadPoolExecutor(threads, initializer=devices.use_one_thread)

    def __enter__(self) -> "Embedder":
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("_reader", "_threads"):
            if name in self.__dict__:
                self.__dict__[name].__exit__(None, None, None)


def _size(items: list[Item], row: int) -> tuple[int, ...]:
    """Height and width of the pixels, then tokens; the row makes the order the only one."""
    item = items[row]
    shape = () if item.pixels is None else item.pixels.shape
    return (*shape, 0 if item.tokens is None else len(item.tokens), row)
