"""What a frozen backbone must do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from fame.features.blocks import Column
from fame.features.resampling import Decoded, Geometry, resize

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pass:
    """What a model is shown of every post, and what that gives. Equal contents are shown once.

    Attributes:
        kind: the model's forward; passes of one kind share their items.
        text: "title", "tags" (joined by spaces), "" (the empty text, for every post) or None.
        image: whether it sees the image.
        gives: output of the forward -> modality of the block; each modality comes from one pass.
    """

    kind: str
    text: Literal["title", "tags", ""] | None
    image: bool
    gives: Mapping[str, str]


@dataclass(frozen=True)
class Item:
    """One content as a model takes it; None where the kind's passes have no such input.

    Attributes:
        tokens: (t,) int, of `Backbone.tokenize`.
        pixels: of `Backbone.image_preparer`'s function, or on a GPU, or what a GPU makes them of.
    """

    tokens: np.ndarray | None
    pixels: "np.ndarray | torch.Tensor | Decoded | None"


@dataclass(frozen=True)
class Preparer:
    """Bytes of an image file -> what a model sees of it, (height, width, 3) uint8.

    Attributes:
        plan: width and height of an image -> what is seen of it; worker processes import it.
        draft_pixels: see `fame.features.images.decode`.
        by_gpu: whether a GPU decodes what it can.
    """

    plan: Callable[[int, int], Geometry]
    draft_pixels: int | None
    by_gpu: bool = False

    @property
    def way(self) -> tuple[int | None, bool]:
        """Backbones that agree on it share what is decoded."""
        return self.draft_pixels, self.by_gpu

    def __call__(self, content: bytes) -> np.ndarray:
        """The pixels.

        Raises:
            UnreadableImageError: the image cannot be decoded.
        """
        from fame.features.images import decode

        image = decode(content, self.draft_pixels)
        return resize(image, self.plan(image.width, image.height))


class Backbone(ABC):
    """A frozen extractor: deterministic, and a vector depends on its item alone.

    The engine decides which items are embedded when and keeps their vectors, so a backbone neither
    sees a post nor a repeated content. Making one is cheap: weights wait for `load`.
    """

    Params: ClassVar[type]  # its block of params.yaml, a subclass of fame.params.BackboneParams
    # The input that re-runs it: "texts", "images", "contents" (both), or "posts" (texts with their
    # split) where it fits on the training posts.
    reads: ClassVar[str]
    passes: ClassVar[tuple[Pass, ...]]
    special_tokens: ClassVar[int] = 0  # around every text; a text without any other is NO_TEXT
    batch_size: int = 16  # items shown at once, of about one size
    _made_from: tuple[Any, Any]

    def __new__(cls, params: Any, runtime: Any) -> Self:
        """Remember what it is made from, for `__reduce__`."""
        made = super().__new__(cls)
        made._made_from = params, runtime
        return made

    @property
    def runtime(self) -> Any:
        """The block runtime that it was made with."""
        return self._made_from[1]

    @abstractmethod
    def __init__(self, params: Any, runtime: Any) -> None:
        """From its block of params.yaml and the block runtime."""

    def __reduce__(self) -> tuple[type, tuple[Any, Any]]:
        """Another process gets one that is made anew: what was loaded stays where it is."""
        return type(self), self._made_from

    @abstractmethod
    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Modality -> its columns, in the order of the vectors; readable names."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What changes a vector (JSON-able) beside the code: weights' digests, dtype, sizes, ...

        Raises:
            InputError: weights are not available, or a parameter does not fit them.
        """

    def notes(self) -> dict[str, Any]:
        """Facts for the block's manifest: where the weights came from, their digest."""
        return {}

    def load(self) -> None:  # noqa: B027
        """Load what `tokenize` and `run` need. Called once, where there is something to embed."""

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Texts -> ids of their tokens, (t,) int each; cut where the model ends."""
        raise NotImplementedError

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """A function that worker processes import and call: bytes of a file -> pixels.

        It needs no weights and raises `fame.features.images.UnreadableImageError`. Where it is a
        `Preparer`, an image is decoded once for several backbones.
        """
        raise NotImplementedError

    @property
    def pixel_bytes(self) -> int:
        """Bytes of an image's pixels; what is larger is slower to bring over."""
        return 0

    def cost(self, kind: str, item: Item) -> int:  # noqa: ARG002
        """How much of a batch an item takes."""
        return 1

    def cost_at_once(self, kind: str) -> int:  # noqa: ARG002
        """How much a batch holds."""
        return self.batch_size

    @abstractmethod
    def run(self, kind: str, items: list[Item]) -> "dict[str, np.ndarray | torch.Tensor]":
        """The forward of a batch, called from several threads: output -> (n, width) float32.

        A tensor may be on a GPU that still computes it.
        """

    def widths(self) -> dict[str, int]:
        """Modality -> width of what `run` gives for it; other than `columns` where it fits."""
        return {modality: len(columns) for modality, columns in self.columns().items()}

    def fit(self, modality: str, vectors: Iterator[np.ndarray]) -> None:  # noqa: B027
        """See the training posts' vectors, in the order of their ids; only where it reads posts.

        Args:
            modality: of the block.
            vectors: chunks (m, width) float32 of `run`'s outputs, rows that are OK only.
        """

    def project(self, modality: str, vectors: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Vectors (n, width) -> the block's values (n, d), by what was fitted."""
        return vectors

    def save_fitted(self, folder: Path) -> None:  # noqa: B027
        """Write what was fitted into ``folder``. Most backbones have nothing to write."""

    def load_fitted(self, folder: Path) -> None:  # noqa: B027
        """Read what ``save_fitted`` wrote: `project` gives the same values as after `fit`."""
