"""Size and mode of the image, from the header of its file ("ImgLength, ImgWidth" of the paper)."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from fame.features.backbones.contract import Backbone, Item, Pass
from fame.features.blocks import Column
from fame.params import BackboneParams, RuntimeParams

# Ids of Pillow's modes are positions, from 1 on; 0 is no mode. A new mode goes to the end.
MODES = (
    "other",
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "PA",
    "I;16",
)
MODE_IDS = {mode: position for position, mode in enumerate(MODES, start=1)}


class ImageStats(Backbone):
    """Width, height and their product in pixels as stored, and the mode as a category.

    Nothing is decoded, so a file that is cut off after its header has its numbers.
    """

    class Params(BackboneParams):
        """No parameter of its own."""

        kind: Literal["image_stats"]

    reads: ClassVar[str] = "images"
    passes: ClassVar[tuple[Pass, ...]] = (Pass("header", None, True, {"header": "image"}),)
    batch_size = 1024

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        """Nothing to prepare."""

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """One modality, image."""
        numbers = (Column("width"), Column("height"), Column("pixels"))
        return {"image": (*numbers, Column("mode", categorical=True))}

    def fingerprint(self) -> dict[str, Any]:
        """Nothing but the code."""
        return {}

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """The header, read: what is the vector already."""
        return measure

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:  # noqa: ARG002
        """(n, 4): width, height, pixels, id of the mode."""
        return {"header": np.stack([np.asarray(item.pixels) for item in items])}


def measure(content: bytes) -> np.ndarray:
    """The vector of an image file.

    Raises:
        UnreadableImageError: empty, not_an_image or bomb.
    """
    from fame.features.images import read_header

    header = read_header(content)
    mode = MODE_IDS.get(header.mode, MODE_IDS["other"])
    return np.array(
        [header.width, header.height, header.width * header.height, mode], dtype=np.float32
    )
