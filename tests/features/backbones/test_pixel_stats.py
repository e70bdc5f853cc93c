import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from tests.pictures import encode

from fame.features.backbones.pixel_stats import NAMES, measure
from fame.features.images import UnreadableImageError

SIDE = 64


def read(image, file_format="PNG", **options):
    vector = measure(encode(image, file_format, **options), SIDE)
    assert vector.shape == (len(NAMES),)
    assert vector.dtype == np.float32
    return dict(zip(NAMES, vector.tolist(), strict=True))


def paint(pixels):
    return Image.fromarray(np.asarray(pixels, np.uint8))


def test_an_image_of_one_colour():
    found = read(Image.new("RGB", (40, 30), (255, 0, 0)))
    assert found == {
        "red_green": 1,
        "yellow_blue": 0.5,
        "colourfulness": pytest.approx(0.3 * 1.25**0.5, abs=1e-5),
        "hue_cosine": 1,
        "hue_sine": 0,
        "saturation": 1,
        "saturation_deviation": 0,
        "brightness": pytest.approx(0.299),
        "contrast": 0,
        "entropy": 0,
        "edges": 0,
        "edges_centre": 0,
    }


def test_a_grey_image_has_no_hue():
    found = read(Image.new("L", (9, 9), 128))
    assert str(found["entropy"]) == "0.0"  # not -0.0
    assert (found["hue_cosine"], found["hue_sine"], found["saturation"]) == (0, 0, 0)


def test_half_black_half_white():
    found = read(paint(np.repeat([[0] * 10 + [255] * 10], 20, axis=0)))
    assert found["brightness"] == found["contrast"] == 0.5
    assert found["entropy"] == 1
    assert found["edges"] == pytest.approx(1 / 20)
    assert found["edges_centre"] == 0.5  # one line through all of the middle, half its height


@pytest.mark.parametrize(("square", "share"), [((9, 23), 1), ((0, 7), 0)])
def test_where_the_edges_are(square, share):
    pixels = np.zeros((32, 32))
    pixels[slice(*square), slice(*square)] = 200
    found = read(paint(pixels))["edges_centre"]
    assert found == share


def test_a_larger_image_is_made_smaller_and_a_smaller_one_stays():
    fine = np.indices((512, 512)).sum(axis=0) % 2 * 255
    assert read(paint(fine))["contrast"] < 0.05
    assert read(paint(fine[:SIDE, :SIDE]))["contrast"] == 0.5


def test_an_image_is_turned_upright_before():
    exif = Image.Exif()
    exif[0x0112] = 6
    lines = np.repeat([[0] * 10 + [255] * 10], 40, axis=0)
    assert read(paint(lines), exif=exif) == read(paint(lines.T[:, ::-1]))


def test_a_colour_between_two_bins_is_in_the_upper_one_however_sums_are_rounded():
    colours = np.indices((256, 256)).reshape(2, -1).T  # of green and blue; red is 128
    thousandths = 299 * 128 + colours @ (587, 114)
    between = colours[thousandths % (255_000 // 8) == 0]
    assert len(between) > 1
    for green, blue in between:
        grey = (299 * 128 + 587 * green + 114 * blue) // 1000  # the next one below
        pixels = np.array([[[128, green, blue], [grey + 1] * 3, [grey] * 3]])
        assert read(paint(pixels[:, :2]))["entropy"] == 0
        assert read(paint(pixels[:, ::2]))["entropy"] == 1


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_all_numbers_are_within_their_bounds(pixels):
    found = read(paint(pixels))
    assert all(-1 <= found[name] <= 1 for name in ("red_green", "yellow_blue"))
    assert np.hypot(found["hue_cosine"], found["hue_sine"]) <= 1 + 1e-4
    for name in ("saturation", "brightness", "edges_centre"):
        assert 0 <= found[name] <= 1
    assert 0 <= found["contrast"] <= 0.5 + 1e-4
    assert 0 <= found["entropy"] <= 6
    assert 0 <= found["edges"] <= 2


@pytest.mark.parametrize(("content", "status"), [(b"", "empty"), (b"no image", "not_an_image")])
def test_what_is_no_image(content, status):
    with pytest.raises(UnreadableImageError) as error:
        measure(content, SIDE)
    assert error.value.status == status


def test_an_image_that_is_cut_off_has_no_numbers():
    noise = np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8)
    content = encode(paint(noise), "JPEG")
    with pytest.raises(UnreadableImageError, match="truncated"):
        measure(content[: len(content) // 4], SIDE)
