import io

import numpy as np
import pytest
from PIL import Image

from fame.backbones.image_stats import MODE_IDS, ImageStats
from fame.core.contracts import LOCATED, OK, Batch
from fame.params import RuntimeParams


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def embed(*contents):
    backbone = ImageStats(
        ImageStats.Params(kind="image_stats", reads="images"),
        RuntimeParams(device="cpu", workers=1),
    )
    count = len(contents)
    return backbone.embed(
        Batch([""] * count, images=list(contents), image_status=[LOCATED] * count)
    )["image"]


@pytest.mark.parametrize(
    ("mode", "file_format", "mode_id"),
    [
        ("1", "PNG", 2),
        ("L", "JPEG", 3),
        ("P", "GIF", 4),
        ("RGB", "JPEG", 5),
        ("RGBA", "PNG", 6),
        ("CMYK", "JPEG", 7),
        ("LA", "PNG", 13),
        ("I;16", "PNG", 15),
    ],
)
def test_size_and_mode(mode, file_format, mode_id):
    vectors = embed(encode(Image.new(mode, (31, 17)), file_format))
    assert vectors.values.tolist() == [[31, 17, 527, mode_id]]


def test_a_mode_that_is_not_in_the_table_has_an_id_of_its_own(monkeypatch):
    monkeypatch.delitem(MODE_IDS, "RGB")
    vectors = embed(encode(Image.new("RGB", (2, 3)), "PNG"), encode(Image.new("L", (2, 3)), "PNG"))
    assert vectors.values[:, 3].tolist() == [1, 3]


def test_the_size_is_as_stored():
    exif = Image.Exif()
    exif[0x0112] = 6
    vectors = embed(encode(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    assert vectors.values[0, :2].tolist() == [40, 20]


def test_no_pixel_is_decoded():
    noise = np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), "JPEG")
    vectors = embed(content[: len(content) // 4])
    assert vectors.status == [OK]
    assert vectors.values[0, :3].tolist() == [600, 400, 240_000]
