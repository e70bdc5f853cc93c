"""Images of any size as a model sees them: what is seen of each, and how Pillow makes it.

A GPU makes the same pixels by the same coefficients (`fame.features.gpu_resampling`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

BITS = 22  # of a coefficient behind the point
SUPPORT = 2.0  # of the bicubic filter, to each side
SLOPE = -0.5  # its parameter
Span = tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """What is seen of an image: a box of a part of it, resized, and a cut of that.

    Attributes:
        part: left, top, right and bottom in pixels; nothing outside it counts.
        box: the same, in pixels of the part, with fractions: what is resized.
        size: width and height that it is resized to.
        cut: left, top, right and bottom of the resized image.
    """

    part: tuple[int, int, int, int]
    box: tuple[float, float, float, float]
    size: tuple[int, int]
    cut: tuple[int, int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the pixels: height, width, channels."""
        left, top, right, bottom = self.cut
        return bottom - top, right - left, 3


@dataclass(frozen=True)
class Decoded:
    """An image (h, w, 3) uint8 that is still to be resized."""

    array: np.ndarray
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its pixels when it is."""
        return self.geometry.shape


@dataclass(frozen=True)
class Encoded:
    """A JPEG file (n,) uint8 that a GPU decodes and resizes.

    Attributes:
        array: its bytes.
        size: width and height in pixels.
        geometry: what is seen of it.
    """

    array: np.ndarray
    size: tuple[int, int]
    geometry: Geometry


def whole(width: int, height: int, size: tuple[int, int]) -> Geometry:
    """All of an image, stretched to ``size`` (width, height)."""
    return Geometry((0, 0, width, height), (0, 0, width, height), size, (0, 0, *size))


def resize(image: "Image.Image", geometry: Geometry) -> np.ndarray:
    """An RGB image as it is seen, (height, width, 3) uint8."""
    from PIL import Image

    part = image.crop(geometry.part) if geometry.part != (0, 0, *image.size) else image
    resized = part.resize(geometry.size, Image.Resampling.BICUBIC, box=geometry.box)
    if geometry.cut != (0, 0, *geometry.size):
        resized = resized.crop(geometry.cut)
    return np.asarray(resized)


def find_taps(length: int, span: Span, size: int) -> tuple[np.ndarray, np.ndarray]:
    """From where each of ``size`` pixels takes of ``length``, and how much of each, times 2^22.

    As in Pillow's Resample.c, for the part ``span`` of the axis: its order of operations is kept.

    Returns:
        (size,) int32, the first pixel taken; (size, taps) int32, of it and of those that follow.
    """
    start, stop = (np.float32(end) for end in span)  # as Pillow has them
    scale = float(stop - start) / size
    stretch = max(scale, 1.0)
    reach = SUPPORT * stretch
    centres = float(start) + (np.arange(size) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int64), length)
    taken = first[:, None] + np.arange((last - first).max())
    inside = taken < last[:, None]
    weights = np.where(inside, bicubic((taken - centres[:, None] + 0.5) * (1.0 / stretch)), 0.0)
    totals = np.cumsum(weights, axis=1)[:, -1:]  # added one by one, as there
    shares = np.divide(weights, totals, out=weights.copy(), where=totals != 0)
    rounded = (np.copysign(0.5, shares) + shares * (1 << BITS)).astype(np.int32)
    return first.astype(np.int32), rounded


def bicubic(x: np.ndarray) -> np.ndarray:
    """The filter (Keys, 1981)."""
    x = np.abs(x)
    inner = ((SLOPE + 2) * x - (SLOPE + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * SLOPE
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
