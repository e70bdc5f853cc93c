import numpy as np
import pytest
from PIL import Image
from tests.pictures import encode

from fame.features.backbones.image_stats import MODE_IDS, measure


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
    vector = measure(encode(Image.new(mode, (31, 17)), file_format))
    assert vector.dtype == np.float32
    assert vector.tolist() == [31, 17, 527, mode_id]


def test_a_mode_that_is_not_in_the_table_has_an_id_of_its_own(monkeypatch):
    monkeypatch.delitem(MODE_IDS, "RGB")
    assert measure(encode(Image.new("RGB", (2, 3)), "PNG"))[3] == 1
    assert measure(encode(Image.new("L", (2, 3)), "PNG"))[3] == 3


def test_the_size_is_as_stored():
    exif = Image.Exif()
    exif[0x0112] = 6
    vector = measure(encode(Image.new("RGB", (40, 20)), "JPEG", exif=exif))
    assert vector[:2].tolist() == [40, 20]


def test_no_pixel_is_decoded():
    noise = np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), "JPEG")
    assert measure(content[: len(content) // 4])[:3].tolist() == [600, 400, 240_000]
