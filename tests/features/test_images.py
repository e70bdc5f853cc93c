import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from tests.pictures import encode, make_bomb

from fame.features.images import UnreadableImageError, decode, find_plain_jpeg, read_header
from fame.posts.contract import UNREADABLE

# Stored = upright turned by this; its EXIF orientation turns it back.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def make_picture():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


PICTURE = make_picture()
JPEG = encode(PICTURE.resize((300, 200)), "JPEG")


def read_status(read, content):
    with pytest.raises(UnreadableImageError) as caught:
        read(content)
    return caught.value.status


@pytest.mark.parametrize("orientation", STORED)
def test_an_image_is_upright(orientation):
    stored = PICTURE if STORED[orientation] is None else PICTURE.transpose(STORED[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encode(stored, exif=exif))
    assert np.array_equal(np.asarray(decoded), np.asarray(PICTURE))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("damage", [b"garbage", b"MM\x00*\xff\xff\xff\xff"])
def test_damaged_exif_leaves_the_image_as_it_is(damage):
    content = encode(PICTURE, exif=b"Exif\x00\x00" + damage)
    assert np.array_equal(np.asarray(decode(content)), np.asarray(PICTURE))


def test_transparency_is_over_white():
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert list(decode(encode(image)).get_flattened_data()) == [(255, 0, 0), (255, 255, 255)]


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 200, 10, 20, 30])
    image.putpixel((1, 0), 1)
    decoded = decode(encode(image, transparency=0))
    assert list(decoded.get_flattened_data()) == [(255, 255, 255), (10, 20, 30)]


def test_sixteen_bits_keep_their_upper_eight():
    image = Image.fromarray(np.array([[0, 255, 256, 32_768, 65_535]], dtype=np.uint16))
    decoded = np.asarray(decode(encode(image)))
    assert decoded[0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "GIF"), ("1", "PNG"), ("LA", "PNG"), ("RGB", "BMP")],
)
def test_a_grey_of_any_mode_is_that_grey(mode, file_format):
    shade = 255 if mode == "1" else 128
    image = Image.new("L", (16, 16), shade)
    image = image.convert("RGB").convert(mode) if mode == "CMYK" else image.convert(mode)
    decoded = decode(encode(image, file_format))
    assert decoded.mode == "RGB"
    np.testing.assert_allclose(np.asarray(decoded), shade, atol=2)


def test_the_first_frame_of_several():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content).getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_bomb_is_never_decoded(side):
    assert read_status(decode, make_bomb(side)) == "bomb"
    assert read_status(read_header, make_bomb(side)) == "bomb"


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", "empty"), (b"GIF", "not_an_image"), (b"<html>gone</html>", "not_an_image")],
)
def test_what_is_no_image(content, status):
    assert read_status(decode, content) == status
    assert read_status(read_header, content) == status


def test_other_formats_are_no_images():
    assert read_status(decode, encode(PICTURE, "TIFF")) == "not_an_image"
    assert read_status(decode, encode(PICTURE, "PPM")) == "not_an_image"


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP", "BMP"])
def test_half_a_file_is_truncated_but_may_have_a_header(file_format):
    content = encode(PICTURE.resize((300, 200)), file_format)
    half = content[: len(content) // 2]
    assert read_status(decode, half) in ("truncated", "not_an_image")
    if file_format != "WEBP":  # it gives no header without the whole
        assert read_status(decode, half) == "truncated"
        header = read_header(half)
        assert (header.width, header.height) == (300, 200)


def test_half_a_file_is_truncated_though_another_library_says_otherwise(monkeypatch):
    content = encode(PICTURE.resize((300, 200)), "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as AutoGluon's import does
    assert read_status(decode, content[: len(content) // 2]) == "truncated"


@settings(max_examples=300, deadline=None)
@given(
    file_format=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=12),
    cut=st.floats(0, 1),
)
def test_damage_of_any_kind_ends_in_an_image_or_a_status(file_format, changes, cut):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {} if file_format in ("GIF", "BMP") else {"exif": exif}
    content = bytearray(encode(PICTURE, file_format, **options))
    for place, value in changes:
        content[min(int(place * len(content)), len(content) - 1)] = value
    content = bytes(content[: int(len(content) * (1 - cut**4))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)  # damaged sizes stay small
        assert decode_or_explain(content, None) in ("RGB", *UNREADABLE)
        assert decode_or_explain(content, 4) in ("RGB", *UNREADABLE)


def decode_or_explain(content, draft_pixels):
    try:
        return decode(content, draft_pixels).mode
    except UnreadableImageError as error:
        return error.status


@pytest.mark.parametrize(("draft_pixels", "size"), [(None, (900, 600)), (150, (225, 150))])
def test_a_draft_is_the_smallest_scale_that_is_large_enough(draft_pixels, size):
    content = encode(PICTURE.resize((900, 600)), "JPEG")
    assert decode(content, draft_pixels).size == size


def test_a_draft_of_another_format_is_the_image():
    assert decode(encode(PICTURE.resize((900, 600))), 100).size == (900, 600)


def test_without_a_limit_of_pixels_an_image_of_any_size_is_read(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode(encode(PICTURE)).size == PICTURE.size


def encode_jpeg(image=PICTURE, **options):
    return encode(image.resize((300, 200)), "JPEG", **options)


@pytest.mark.parametrize("added", [b"", b"\0" * 20, b"what a camera adds"])
def test_a_plain_jpeg_has_a_size(added):
    assert find_plain_jpeg(JPEG + added) == (300, 200)
    exif = Image.Exif()
    exif[0x0112] = 1
    assert find_plain_jpeg(encode_jpeg(exif=exif) + added) == (300, 200)


def rename(content, names):
    """Other names of the components, in the frame and in the scan."""
    frame, scan = content.index(b"\xff\xc0") + 10, content.index(b"\xff\xda") + 5
    changed = bytearray(content)
    for place, name in enumerate(names):
        changed[frame + 3 * place] = changed[scan + 2 * place] = name
    return bytes(changed)


def add_preview(content):
    """A file within the file, as cameras add it."""
    preview = encode(PICTURE, "JPEG")
    return content[:2] + b"\xff\xe5" + (len(preview) + 2).to_bytes(2) + preview + content[2:]


def test_neither_a_preview_nor_other_numbers_matter():
    assert find_plain_jpeg(add_preview(JPEG)) == (300, 200)
    assert find_plain_jpeg(rename(JPEG, bytes([0, 1, 2]))) == (300, 200)


def make_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode_jpeg(exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        encode(PICTURE),
        JPEG[:-100],
        JPEG + b"x" * 5000,  # maybe a second image
        encode_jpeg(progressive=True),
        encode_jpeg(PICTURE.convert("L")),
        encode_jpeg(PICTURE.convert("CMYK")),
        encode_jpeg(keep_rgb=True),
        rename(JPEG, b"RGB"),
        JPEG.replace(b"\xff\xc0", b"\xff\xc1"),
        add_preview(JPEG)[: add_preview(JPEG).rindex(b"\xff\xda") + 100],
        make_turned(),
    ],
)
def test_what_decoders_take_in_several_ways_is_no_plain_jpeg(content):
    assert find_plain_jpeg(content) is None


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_what_is_no_image_is_no_plain_jpeg_either(content):
    assert read_status(find_plain_jpeg, content) == read_status(read_header, content)
