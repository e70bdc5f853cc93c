import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fame.features.resampling import BITS, Decoded, Geometry, find_taps, resize, whole

SIDES = st.integers(1, 70)


def make_pictures(draw, count, width, height):
    """Noise at its extremes, where sums are largest and clipped."""
    return draw.choice([0, 3, 128, 250, 255], (count, height, width, 3)).astype(np.uint8)


def apply(lines, span, size):
    """(length, m) uint8 -> (size, m) in whole numbers of 32 bits."""
    if (0, len(lines), size) == (*span, len(lines)):
        return lines
    first, weights = find_taps(len(lines), span, size)
    total = np.full((size, lines.shape[1]), 1 << (BITS - 1), dtype=np.int32)
    for tap in range(weights.shape[1]):
        taken = lines[np.minimum(first + tap, len(lines) - 1)].astype(np.int32)
        total += taken * weights[:, tap : tap + 1]
    return np.clip(total >> BITS, 0, 255).astype(np.uint8)


def apply_both(picture, geometry):
    left, top, right, bottom = geometry.part
    part = picture[top:bottom, left:right]
    wide, high = geometry.size
    columns = part.transpose(1, 0, 2)
    rows = apply(columns.reshape(len(columns), -1), geometry.box[::2], wide)
    rows = rows.reshape(wide, -1, 3).transpose(1, 0, 2)
    found = apply(rows.reshape(len(rows), -1), geometry.box[1::2], high).reshape(high, wide, 3)
    left, top, right, bottom = geometry.cut
    return found[top:bottom, left:right]


def check(picture, geometry):
    expected = resize(Image.fromarray(picture), geometry)
    np.testing.assert_array_equal(apply_both(picture, geometry), expected)
    assert expected.shape == geometry.shape == Decoded(picture, geometry).shape


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**16))
def test_the_coefficients_give_pillows_pixels(width, height, to_width, to_height, seed):
    [picture] = make_pictures(np.random.default_rng(seed), 1, width, height)
    check(picture, whole(width, height, (to_width, to_height)))


def make_geometry(data):
    """A size of an image, and a part, box and cut of it."""
    width, height = data.draw(st.integers(8, 60)), data.draw(st.integers(8, 60))
    left, top = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    inner = width - left, height - top
    fraction = data.draw(st.floats(0, 0.4))
    box = (fraction, fraction / 2, inner[0] - fraction, inner[1] - fraction)
    size = data.draw(st.integers(6, 50)), data.draw(st.integers(6, 50))
    cut = (1, 2, size[0] - 1, size[1] - 2)
    return width, height, Geometry((left, top, width, height), box, size, cut)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_coefficients_give_pillows_pixels_of_parts_boxes_and_cuts(data):
    width, height, geometry = make_geometry(data)
    check(make_pictures(np.random.default_rng(1), 1, width, height)[0], geometry)


@pytest.mark.parametrize(("width", "height"), [(500, 375), (1024, 768), (333, 500), (2400, 900)])
def test_photographs_become_the_same(width, height):
    draw = np.random.default_rng(width)
    small = Image.fromarray(draw.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    grain = np.clip(picture + draw.normal(0, 9, picture.shape), 0, 255).astype(np.uint8)
    check(grain, whole(width, height, (512, 384)))


@given(st.integers(1, 5000), st.integers(1, 640))
def test_a_pixels_sum_has_room_in_32_bits(length, size):
    _, weights = find_taps(length, (0.0, float(length)), size)
    assert 255 * np.abs(weights.astype(np.int64)).sum(axis=1).max() + (1 << (BITS - 1)) < 1 << 31


def test_a_pixels_coefficients_are_one_in_all():
    _, weights = find_taps(100, (0.0, 100.0), 37)
    assert np.abs(weights.sum(axis=1) - (1 << BITS)).max() < 20
