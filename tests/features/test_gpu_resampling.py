"""Run where Triton is: beside a torch that is built for GPUs; TRITON_INTERPRET=1 needs no GPU."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fame.features.resampling import Geometry, resize, whole

pytest.importorskip("triton", reason="Triton comes with a torch that is built for GPUs")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("no GPU, and TRITON_INTERPRET is not 1", allow_module_level=True)

from fame.features.gpu_resampling import resize_on_gpu  # noqa: E402

DEVICE = "cpu" if INTERPRETED else "cuda"
SIDES = st.integers(1, 60)


def check(width, height, geometry, count=2):
    draw = np.random.default_rng(width)
    pictures = draw.choice([0, 3, 128, 250, 255], (count, height, width, 3)).astype(np.uint8)
    expected = np.stack([resize(Image.fromarray(one), geometry) for one in pictures])
    found = resize_on_gpu(torch.from_numpy(pictures).to(DEVICE), geometry)
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.cpu().numpy(), expected)


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES, SIDES, SIDES)
def test_pixels_are_pillows(width, height, to_width, to_height):
    check(width, height, whole(width, height, (to_width, to_height)))


@pytest.mark.parametrize("width", [37, 64])
@pytest.mark.parametrize("size", [(37, 20), (50, 61), (9, 41)])
def test_pixels_of_parts_boxes_and_cuts_are_pillows(width, size):
    box = (0.3, 0.2, width - 3.4, 38.7)
    cut = (1, 2, size[0] - 1, size[1] - 2)
    check(width, 41, Geometry((3, 2, width, 41), box, size, cut))
    check(width, 41, Geometry((0, 0, width, 41), (0, 0, width, 41), (width, size[1]), (2, 1, 9, 8)))


def test_photographs_sizes():
    check(500, 375, whole(500, 375, (512, 384)), count=1)
