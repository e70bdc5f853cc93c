"""Bytes of an image file -> its header or its pixels, or why it cannot be read."""

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
TRAILER_BYTES = 1024  # behind the end of a JPEG, as some cameras and programs leave them
# Markers of a JPEG: its end, the beginning of its pixels, how it can be encoded.
_END, _SCAN, _BASELINE = b"\xff\xd9", b"\xff\xda", 0xC0
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_COMPONENTS = {(1, 2, 3), (0, 1, 2)}  # as luminance and two colours are numbered
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


def read_header(content: bytes) -> Header:
    """Size and mode, without decoding a pixel: a file cut off after its header passes.

    Raises:
        UnreadableImageError: empty, not_an_image or bomb.
    """
    with _open(content) as image:
        return Header(image.width, image.height, image.mode)


def find_plain_jpeg(content: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG that every decoder takes in the same way; None of anything else.

    It is whole, baseline, of luminance and two colours, and upright.

    Raises:
        UnreadableImageError: empty, not_an_image or bomb.
    """
    with _open(content) as image:
        if not isinstance(image, JpegImageFile) or (image.format, image.mode) != ("JPEG", "RGB"):
            return None
        names = tuple(component[0] for component in image.layer)
        usual = names in _COMPONENTS and image.info.get("adobe_transform") != 0
        try:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        except _DAMAGE:
            turned = False  # as `turn_upright` takes it
        end = content.find(_END, -TRAILER_BYTES)
        whole = end > content.rfind(_SCAN)  # and not the end of a preview
        plain = whole and usual and not turned and _find_frame(content) == _BASELINE
        return image.size if plain else None


def _find_frame(content: bytes) -> int | None:
    """Of a JPEG, the marker that tells how it is encoded."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        if content[place + 1] in _FRAMES:
            return content[place + 1]
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return None


def decode(content: bytes, draft_pixels: int | None = None) -> Image.Image:
    """The first frame as RGB, upright as its EXIF orientation says, transparency over white.

    With ``draft_pixels`` a JPEG is decoded at the smallest of its own scales (1/1 to 1/8) whose
    shorter side has as many pixels: faster, with other pixels than the exact way.

    Raises:
        UnreadableImageError: empty, truncated, not_an_image or bomb.
    """
    with _open(content) as image:
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # AutoGluon's import sets it for the whole process
        try:
            if draft_pixels:
                image.draft("RGB", (draft_pixels, draft_pixels))
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
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnreadableImageError("bomb")
    return image
