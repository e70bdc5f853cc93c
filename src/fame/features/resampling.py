"""Images of any size as a model sees them: by Pillow, or the same numbers by products of matrices.

Pillow's bicubic filter is whole numbers: a pixel is the sum of some neighbours' values, each times
a coefficient of 22 bits behind the point, rounded to eight bits after the rows and again after the
columns. A GPU's products of half-precision numbers, summed in single precision, hold that without
rounding if the coefficients come in two parts, the lower one of twelve bits with its sign.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from PIL import Image

BITS, LOW_BITS = 22, 12  # of a coefficient; of its lower part
AXES = 256  # of which a GPU keeps the coefficients, about a megabyte each
ALIGNED = 8  # numbers of half precision that are read at once
SUPPORT = 2.0  # of the bicubic filter, to each side
SLOPE = -0.5  # its parameter
# Neighbours of a pixel of which the sums stay below 2^24, where single precision has every number.
MOST_TAPS = 32
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

    @property
    def by_matrices(self) -> bool:
        """Whether `resize_by_matrices` can do it."""
        left, top, right, bottom = self.box
        scales = (right - left) / self.size[0], (bottom - top) / self.size[1]
        return max(map(count_taps, scales)) <= MOST_TAPS


@dataclass(frozen=True)
class Decoded:
    """An image (h, w, 3) uint8 that is still to be resized."""

    array: np.ndarray
    geometry: Geometry

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its pixels when it is."""
        return self.geometry.shape

    @property
    def nbytes(self) -> int:
        """Bytes as it is."""
        return self.array.nbytes


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


def resize_by_matrices(images: "torch.Tensor", geometry: Geometry) -> "torch.Tensor":
    """Images (n, h, w, 3) uint8 as they are seen, (n, height, width, 3): as `resize` gives them."""
    left, top, right, bottom = geometry.part
    wide, high = geometry.size
    planes = images[:, top:bottom, left:right].permute(0, 3, 1, 2)
    rows = _filter(planes, (geometry.box[0], geometry.box[2]), wide)
    columns = _filter(rows.transpose(2, 3), (geometry.box[1], geometry.box[3]), high)
    left, top, right, bottom = geometry.cut
    return columns.permute(0, 3, 2, 1)[:, top:bottom, left:right]


def _filter(planes: "torch.Tensor", span: Span, size: int) -> "torch.Tensor":
    """(n, 3, a, b) uint8 -> (n, 3, a, size), along the last axis."""
    import torch

    length = planes.shape[3]
    if (0, length, size) == (*span, length):
        return planes
    device = planes.device
    # A CPU adds in single precision anyway.
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    both = _open_parts(length, span, size, device, dtype)
    values = torch.empty((*planes.shape[:3], len(both)), dtype=dtype, device=device)
    values[..., :length] = planes
    values[..., length:] = 0
    rows = values.view(-1, len(both))
    exact = {"out_dtype": torch.float32} if device.type == "cuda" else {}
    sums = torch.mm(rows, both, **exact)
    upper, lower = sums.view(*planes.shape[:3], 2, size).unbind(3)
    total = upper.int().bitwise_left_shift_(LOW_BITS).add_(lower.int()).add_(1 << (BITS - 1))
    return total.bitwise_right_shift_(BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=AXES)
def _open_parts(
    length: int, span: Span, size: int, device: "torch.device", dtype: "torch.dtype"
) -> "torch.Tensor":
    """The upper parts of the coefficients, then the lower ones: (inputs, 2 x size).

    The inputs are ``length``, filled up to what a GPU multiplies quickly.
    """
    import torch

    coefficients = find_coefficients(length, span, size)
    parts = np.pad(split(coefficients), ((0, 0), (0, -length % ALIGNED)))
    return torch.from_numpy(parts.T.astype(np.float32)).to(device, dtype)


def split(coefficients: np.ndarray) -> np.ndarray:
    """(n, m) int32 -> (2 x n, m): the upper parts, then the lower ones, all within 2048 of 0.

    Half precision has every whole number up to there.
    """
    half = 1 << (LOW_BITS - 1)
    lower = ((coefficients + half) & ((1 << LOW_BITS) - 1)) - half
    return np.concatenate([(coefficients - lower) >> LOW_BITS, lower])


def find_coefficients(length: int, span: Span, size: int) -> np.ndarray:
    """(size, length) int32: what each of ``size`` pixels takes of ``length``, times 2^22.

    As in Pillow's Resample.c, for the part ``span`` of the axis: its order of operations is kept.
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
    found = np.zeros((size, length), dtype=np.int32)
    rows = np.broadcast_to(np.arange(size)[:, None], taken.shape)
    found[rows[inside], taken[inside]] = rounded[inside]
    return found


def count_taps(scale: float) -> int:
    """Pixels that one of the resized image takes from, where it is smaller by ``scale``."""
    return int(2 * SUPPORT * max(scale, 1.0)) + 1


def bicubic(x: np.ndarray) -> np.ndarray:
    """The filter (Keys, 1981)."""
    x = np.abs(x)
    inner = ((SLOPE + 2) * x - (SLOPE + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * SLOPE
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))
