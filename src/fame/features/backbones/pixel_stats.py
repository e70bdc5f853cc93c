"""Colour, light and composition of the image, as numbers of its pixels.

What studies of popular and of beautiful pictures count (Datta et al., ECCV 2006; Ke, Tang and Jing,
CVPR 2006; Khosla, Das Sarma and Hamid, WWW 2014) and a network that names things leaves out.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.features.backbones.contract import Backbone, Item, Pass
from fame.features.blocks import Column
from fame.params import BackboneParams, RuntimeParams

NAMES = (
    "red_green",  # mean of red - green
    "yellow_blue",  # mean of the mean of red and green - blue
    "colourfulness",  # of both (Hasler and Suesstrunk, 2003)
    "hue_cosine",  # mean direction on the circle of hues, weighted by saturation
    "hue_sine",
    "saturation",  # mean
    "saturation_deviation",
    "brightness",  # mean of the luma
    "contrast",  # standard deviation of the luma
    "entropy",  # bits of the luma in GREYS bins
    "edges",  # mean change of the luma to the left and upper neighbour
    "edges_centre",  # share of the edges in the middle half of both sides
)
GREYS = 64
# Of red, green and blue (ITU-R BT.601), in thousandths: sums of whole numbers are exact, so that a
# colour is in the same bin on each machine.
LUMA = (299, 587, 114)
COLOUR_MEAN_WEIGHT = 0.3  # of Hasler and Suesstrunk's M3
DECIMALS = 5  # so that sums rounded otherwise on another machine are the same number


class PixelStats(Backbone):
    """Of the image as it is shown upright, made smaller."""

    class Params(BackboneParams):
        """`side` is that of the longer side in pixels; smaller images stay as they are."""

        kind: Literal["pixel_stats"]
        side: Annotated[int, Field(ge=16)]

    reads: ClassVar[str] = "images"
    passes: ClassVar[tuple[Pass, ...]] = (Pass("pixels", None, True, {"pixels": "image"}),)
    batch_size = 1024

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:  # noqa: ARG002
        self._side = params.side

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """One modality, image."""
        return {"image": tuple(map(Column, NAMES))}

    def fingerprint(self) -> dict[str, Any]:
        """How small an image is made."""
        return {"side": self._side}

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """Decodes and counts: what is the vector already."""
        return partial(measure, side=self._side)

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:  # noqa: ARG002
        """(n, 12) of NAMES."""
        return {"pixels": np.stack([np.asarray(item.pixels) for item in items])}


def measure(content: bytes, side: int) -> np.ndarray:
    """The numbers NAMES (12,) of an image file.

    Raises:
        UnreadableImageError: empty, truncated, not_an_image or bomb.
    """
    from fame.features.images import decode

    image = decode(content, draft_pixels=side)
    image.thumbnail((side, side), reducing_gap=2.0)
    hue, saturation, _ = np.moveaxis(np.asarray(image.convert("HSV")) / 255, 2, 0)
    pixels = np.asarray(image)
    rgb, luma = pixels / 255, pixels @ np.array(LUMA) / (255 * sum(LUMA))
    edges = find_edges(luma)
    numbers = [
        *count_colours(*np.moveaxis(rgb, 2, 0)),
        *find_direction(hue, saturation),
        saturation.mean(),
        saturation.std(),
        luma.mean(),
        luma.std(),
        count_bits(luma),
        edges.mean(),
        find_share_of_centre(edges),
    ]
    return np.round(numbers, DECIMALS).astype(np.float32)


def count_colours(
    red: np.ndarray, green: np.ndarray, blue: np.ndarray
) -> tuple[float, float, float]:
    """Means of the two pairs of opponent colours, and the colourfulness that they make."""
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    means = red_green.mean(), yellow_blue.mean()
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return *means, spread + COLOUR_MEAN_WEIGHT * np.hypot(*means)


def find_direction(hue: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Cosine and sine of hues (in 0 .. 1) by weight; 0 where nothing has a colour."""
    angle, total = 2 * np.pi * hue, weight.sum() or 1.0
    return (weight * np.cos(angle)).sum() / total, (weight * np.sin(angle)).sum() / total


def count_bits(luma: np.ndarray) -> float:
    """Entropy of the values (in 0 .. 1)."""
    counts, _ = np.histogram(luma, GREYS, (0, 1))
    shares = counts[counts > 0] / luma.size
    return float((shares * np.log2(1 / shares)).sum())


def find_edges(luma: np.ndarray) -> np.ndarray:
    """(h, w) how far each pixel is from its left and from its upper neighbour."""
    across = np.abs(np.diff(luma, axis=1, prepend=luma[:, :1]))
    return across + np.abs(np.diff(luma, axis=0, prepend=luma[:1]))


def find_share_of_centre(edges: np.ndarray) -> float:
    """Of all edges, in the middle half of both sides; a quarter where they are spread evenly."""
    high, wide = edges.shape
    middle = edges[high // 4 : high - high // 4, wide // 4 : wide - wide // 4]
    return middle.sum() / (edges.sum() or 1.0)
