"""Pictures of the simulated posts: drawn from what carries their popularity.

A picture shows one subject, which follows the post's category and carries no popularity, in one of
many looks: warmth and saturation (colour), contrast, and simplicity (composition: one large object
in the middle, or clutter). The looks are what a frozen image backbone must find.
"""

import colorsys
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

LOOKS = ("warmth", "saturation", "contrast", "simplicity")
SIZES_PIXELS = ((320, 240), (375, 250), (400, 300), (440, 330), (500, 333), (500, 375))
JPEG_QUALITY = 85
PORTRAIT_FRACTION = 0.35
MOST_OBJECTS = 14

Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """What a picture shows: a subject (0 .. 10) and the looks, each in 0 .. 1."""

    subject: int
    warmth: float
    saturation: float
    contrast: float
    simplicity: float


def draw(picture: Picture, generator: np.random.Generator) -> Image.Image:
    """The picture as RGB; size, orientation, texture and places are random."""
    width, height = SIZES_PIXELS[generator.integers(len(SIZES_PIXELS))]
    if generator.random() < PORTRAIT_FRACTION:
        width, height = height, width
    ground, shade, paint, accent = _palette(picture, generator)
    image = _background(width, height, ground, shade, picture.contrast, generator)
    canvas = ImageDraw.Draw(image)
    subject = SUBJECTS[picture.subject]
    for box in _boxes(width, height, picture.simplicity, generator):
        subject(canvas, box, paint, accent)
    return image


def encode_jpeg(image: Image.Image, **options: object) -> bytes:
    """The bytes of a JPEG file of the image's own mode."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, **options)
    return buffer.getvalue()


def encode(image: Image.Image, file_format: str) -> bytes:
    """The bytes of a lossless file: PNG or GIF."""
    buffer = io.BytesIO()
    image.save(buffer, file_format)
    return buffer.getvalue()


def _palette(picture: Picture, generator: np.random.Generator) -> tuple[Colour, ...]:
    """Two colours of the background, two of the objects."""
    light_on_dark = 1 if generator.random() < 0.5 else -1
    hue = 0.62 - 0.58 * picture.warmth
    saturation = 0.08 + 0.87 * picture.saturation
    distance = light_on_dark * (0.06 + 0.36 * picture.contrast)
    values = (0.55 - distance, 0.5 - 0.8 * distance, 0.55 + distance, 0.55 - 0.5 * distance)
    return tuple(
        _colour(hue + generator.normal(0, 0.02), saturation * generator.uniform(0.9, 1.0), value)
        for value in values
    )


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, min(max(value, 0.02), 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)


def _background(
    width: int,
    height: int,
    top: Colour,
    bottom: Colour,
    contrast: float,
    generator: np.random.Generator,
) -> Image.Image:
    """A gradient from top to bottom with a soft cloudy texture."""
    grain = generator.normal(0, 6 + 20 * contrast, (height // 25, width // 25))
    clouds = np.asarray(
        Image.fromarray(grain.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    )
    upper, lower = np.array(top, np.float32), np.array(bottom, np.float32)
    slope = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    pixels = upper * (1 - slope) + lower * slope + clouds[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _boxes(width: int, height: int, simplicity: float, generator: np.random.Generator) -> list[Box]:
    """Where the objects stand: one large in the middle, or ever more, smaller and scattered."""
    clutter = 1 - simplicity
    count = 1 + round((MOST_OBJECTS - 1) * clutter)
    scatter = np.sqrt(clutter)
    side = min(width, height) * (0.72 - 0.54 * scatter)
    boxes = []
    for _ in range(count):
        size = side * generator.uniform(0.8, 1.2)
        shift = scatter * generator.uniform(-1, 1, 2)
        x = width / 2 + shift[0] * (width - size) / 2
        y = height / 2 + shift[1] * (height - size) / 2
        boxes.append((x - size / 2, y - size / 2, x + size / 2, y + size / 2))
    return boxes


def _at(box: Box, *points: tuple[float, float]) -> list[tuple[float, float]]:
    """Points of the unit square in the box."""
    left, top, right, bottom = box
    return [(left + x * (right - left), top + y * (bottom - top)) for x, y in points]


def _mountain(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.polygon(_at(box, (0, 1), (0.45, 0), (1, 1)), fill=paint)
    canvas.polygon(_at(box, (0.3, 0.33), (0.45, 0), (0.63, 0.33)), fill=accent)


def _star(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    angles = np.arange(10) * np.pi / 5
    radii = np.where(np.arange(10) % 2, 0.22, 0.5)
    corners = zip(0.5 + radii * np.sin(angles), 0.5 - radii * np.cos(angles), strict=True)
    canvas.polygon(_at(box, *corners), fill=paint)
    canvas.ellipse(_at(box, (0.42, 0.42), (0.58, 0.58)), fill=accent)


def _dress(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.polygon(_at(box, (0.4, 0.05), (0.6, 0.05), (0.9, 1), (0.1, 1)), fill=paint)
    canvas.rectangle(_at(box, (0.34, 0.38), (0.66, 0.47)), fill=accent)


def _guitar(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.rectangle(_at(box, (0.46, 0), (0.54, 0.6)), fill=accent)
    canvas.ellipse(_at(box, (0.22, 0.45), (0.78, 1)), fill=paint)
    canvas.ellipse(_at(box, (0.4, 0.62), (0.6, 0.82)), fill=accent)


def _face(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.ellipse(_at(box, (0.1, 0), (0.9, 1)), fill=paint)
    for x in (0.28, 0.6):
        canvas.ellipse(_at(box, (x, 0.32), (x + 0.12, 0.44)), fill=accent)
    canvas.chord(_at(box, (0.3, 0.5), (0.7, 0.82)), 0, 180, fill=accent)


def _cloud(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    for x, y, size in ((0, 0.35, 0.4), (0.25, 0.15, 0.5), (0.55, 0.3, 0.45)):
        canvas.ellipse(_at(box, (x, y), (x + size, y + size)), fill=paint)
    for x in (0.2, 0.45, 0.7):
        canvas.line(_at(box, (x, 0.78), (x - 0.06, 1)), fill=accent, width=3)


def _cat(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.polygon(_at(box, (0.15, 0), (0.4, 0.35), (0.1, 0.45)), fill=paint)
    canvas.polygon(_at(box, (0.85, 0), (0.6, 0.35), (0.9, 0.45)), fill=paint)
    canvas.ellipse(_at(box, (0.08, 0.22), (0.92, 1)), fill=paint)
    canvas.polygon(_at(box, (0.44, 0.6), (0.56, 0.6), (0.5, 0.7)), fill=accent)


def _plate(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.ellipse(_at(box, (0, 0.1), (1, 0.9)), fill=paint)
    canvas.ellipse(_at(box, (0.2, 0.25), (0.8, 0.75)), fill=accent)


def _tower(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    canvas.rectangle(_at(box, (0.25, 0), (0.75, 1)), fill=paint)
    for y in (0.1, 0.32, 0.54, 0.76):
        for x in (0.33, 0.56):
            canvas.rectangle(_at(box, (x, y), (x + 0.11, y + 0.12)), fill=accent)


def _phone(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    radius = (box[2] - box[0]) / 12
    canvas.rounded_rectangle(_at(box, (0.24, 0), (0.76, 1)), radius, fill=paint)
    canvas.rectangle(_at(box, (0.29, 0.1), (0.71, 0.84)), fill=accent)


def _people(canvas: ImageDraw.ImageDraw, box: Box, paint: Colour, accent: Colour) -> None:
    for x, y in ((0.0, 0.1), (0.55, 0.1), (0.3, 0.4)):
        canvas.ellipse(_at(box, (x + 0.12, y), (x + 0.32, y + 0.2)), fill=accent)
        canvas.pieslice(_at(box, (x, y + 0.2), (x + 0.45, y + 0.95)), 180, 360, fill=paint)


SUBJECTS: tuple[Callable[[ImageDraw.ImageDraw, Box, Colour, Colour], None], ...] = (
    _mountain,
    _star,
    _dress,
    _guitar,
    _face,
    _cloud,
    _cat,
    _plate,
    _tower,
    _phone,
    _people,
)
