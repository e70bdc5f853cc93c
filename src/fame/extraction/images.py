"""Bytes of an image file -> its header or its pixels, or why it cannot be read."""

import io
import struct
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fame.core.contracts import LOCATED, OK, Batch, Vectors

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
# What Pillow's readers raise for damaged content.
_DAMAGE = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, struct.error)

# Pillow warns up to twice its limit and raises above; a warning cannot be made an error in one
# thread only, so `_open` compares with the limit itself.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


class UnreadableImageError(Exception):
    """Content that is no readable image; ``status`` is a kind of contracts.UNREADABLE."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Header:
    """Width and height in pixels as stored (no rotation), and Pillow's name of the mode."""

    width: int
    height: int
    mode: str


def embed_each(
    batch: Batch,
    embed: Callable[[bytes], np.ndarray],
    width: int,
    apply: Callable[..., Iterable[tuple[np.ndarray, str]]] = map,
) -> Vectors:
    """Vectors of a batch's images, one by one; an image that cannot be read is a masked row.

    Args:
        batch: posts with images.
        embed: bytes of a file -> (width,); it raises UnreadableImageError where it must.
        width: of a vector.
        apply: `map`, or the ``map`` of a pool.
    """

    def attempt(content: bytes, status: str) -> tuple[np.ndarray, str]:
        if status != LOCATED:
            return masked, status
        try:
            return embed(content), OK
        except UnreadableImageError as error:
            return masked, error.status

    masked = np.full(width, np.nan, dtype=np.float32)
    rows = list(apply(attempt, batch.images, batch.image_status))
    values = np.array([vector for vector, _ in rows], dtype=np.float32).reshape(-1, width)
    return Vectors(values, [status for _, status in rows])


def read_header(content: bytes) -> Header:
    """Size and mode, without decoding a pixel: a file cut off after its header passes.

    Raises:
        UnreadableImageError: empty, not_an_image or bomb.
    """
    with _open(content) as image:
        return Header(image.width, image.height, image.mode)


def decode(content: bytes) -> Image.Image:
    """The first frame as RGB, upright as its EXIF orientation says, transparency over white.

    Raises:
        UnreadableImageError: empty, truncated, not_an_image or bomb.
    """
    with _open(content) as image:
        try:
            image.load()
        except Image.DecompressionBombError:
            raise UnreadableImageError("bomb") from None
        except _DAMAGE:
            raise UnreadableImageError("truncated") from None
        return to_rgb(turn_upright(image))


def turn_upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; as it is where the EXIF is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as RGB: transparency over white, 16 bits a channel to the upper 8."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion clips at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB")


def _open(content: bytes) -> Image.Image:
    if not content:
        raise UnreadableImageError("empty")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise UnreadableImageError("bomb") from None
    except (UnidentifiedImageError, *_DAMAGE):
        raise UnreadableImageError("not_an_image") from None
    if image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise UnreadableImageError("bomb")
    return image
