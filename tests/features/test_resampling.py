import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fame.features.resampling import (
    LOW_BITS,
    MOST_TAPS,
    Decoded,
    Geometry,
    count_taps,
    find_coefficients,
    resize,
    resize_by_matrices,
    split,
    whole,
)

SIDES = st.integers(1, 70)


def make_pictures(draw, count, width, height):
    """Noise at its extremes, where sums are largest and clipped."""
    return draw.choice([0, 3, 128, 250, 255], (count, height, width, 3)).astype(np.uint8)


def check(pictures, geometry):
    expected = np.stack([resize(Image.fromarray(one), geometry) for one in pictures])
    found = resize_by_matrices(torch.from_numpy(pictures), geometry)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), expected)
    assert expected.shape[1:] == geometry.shape == Decoded(pictures[0], geometry).shape


@settings(deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**16))
def test_matrices_give_pillows_pixels(width, height, to_width, to_height, seed):
    geometry = whole(width, height, (to_width, to_height))
    if geometry.by_matrices:
        check(make_pictures(np.random.default_rng(seed), 2, width, height), geometry)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_matrices_give_pillows_pixels_of_parts_boxes_and_cuts(data):
    width, height = data.draw(st.integers(8, 60)), data.draw(st.integers(8, 60))
    left, top = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    inner = width - left, height - top
    fraction = data.draw(st.floats(0, 0.4))
    box = (fraction, fraction / 2, inner[0] - fraction, inner[1] - fraction)
    size = data.draw(st.integers(6, 50)), data.draw(st.integers(6, 50))
    cut = (1, 2, size[0] - 1, size[1] - 2)
    geometry = Geometry((left, top, width, height), box, size, cut)
    check(make_pictures(np.random.default_rng(1), 1, width, height), geometry)


@pytest.mark.parametrize(("width", "height"), [(500, 375), (1024, 768), (333, 500), (2400, 900)])
def test_photographs_become_the_same(width, height):
    draw = np.random.default_rng(width)
    small = Image.fromarray(draw.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    picture = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))
    grain = np.clip(picture + draw.normal(0, 9, picture.shape), 0, 255).astype(np.uint8)
    check(grain[None], whole(width, height, (512, 384)))


def test_what_would_need_more_digits_is_left_to_pillow():
    assert whole(500, 500, (65, 65)).by_matrices
    assert not whole(500, 500, (500, 60)).by_matrices
    assert count_taps(500 / 65) <= MOST_TAPS < count_taps(500 / 60)


@given(st.integers(1, 1300), st.integers(16, 640))
def test_half_precision_has_both_parts_of_every_coefficient(length, size):
    """Where an image is enlarged, too: the pixels at its border take more than all of one."""
    coefficients = find_coefficients(length, (0.0, float(length)), size)
    parts = split(coefficients)
    np.testing.assert_array_equal(parts.astype(np.float16).astype(np.int64), parts)
    upper, lower = parts[:size], parts[size:]
    np.testing.assert_array_equal((upper << LOW_BITS) + lower, coefficients)
    if whole(length, length, (size, size)).by_matrices:
        assert 255 * np.abs(lower).sum(axis=1).max() < 1 << 24


def test_a_pixels_coefficients_are_one_in_all():
    sums = find_coefficients(100, (0.0, 100.0), 37).sum(axis=1)
    assert np.abs(sums - (1 << 22)).max() < 20
