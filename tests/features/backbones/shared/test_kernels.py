"""Run where Triton is: beside a torch that is built for GPUs; TRITON_INTERPRET=1 needs no GPU."""

import os

import pytest
import torch
from torch import nn

pytest.importorskip("triton", reason="Triton comes with a torch that is built for GPUs")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("no GPU, and TRITON_INTERPRET is not 1", allow_module_level=True)

from fame.features.backbones.shared import kernels  # noqa: E402

DEVICE = "cpu" if INTERPRETED else "cuda"


def make(width, count=7):
    torch.manual_seed(width)
    norm = nn.LayerNorm(width, eps=1e-5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    rows, update = (torch.randn(count, width, device=DEVICE) * 3 + 1 for _ in range(2))
    return norm.to(DEVICE).requires_grad_(False), rows, update


@pytest.mark.parametrize("width", [1, 40, 768, 1024])
def test_rows_are_normalised_as_by_torch(width):
    norm, rows, _ = make(width)
    torch.testing.assert_close(kernels.normalise(rows, norm, torch.float32), norm(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sum_is_kept_in_full_and_normalised_as_it_is_multiplied(dtype):
    norm, rows, update = make(768)
    update = update.to(dtype)
    total, normed = kernels.add_and_normalise(rows, update, norm, dtype)
    torch.testing.assert_close(total, rows + update, rtol=0, atol=0)
    torch.testing.assert_close(normed, norm(rows + update).to(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("height", "width", "side"), [(64, 96, 32), (48, 48, 16), (28, 14, 14)])
@pytest.mark.parametrize("cut", [False, True])
def test_patches_are_cut_as_by_torch(height, width, side, dtype, cut):
    torch.manual_seed(height)
    shape = (3, height, width, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=DEVICE)
    if cut:
        wider = torch.randint(0, 256, (3, height, width + 9, 3), dtype=torch.uint8, device=DEVICE)
        pixels = wider[:, :, 4 : 4 + width]
    mean, deviation = torch.rand(2, 3, device=DEVICE) + 0.1
    scaled = ((pixels.float() / 255 - mean) / deviation).to(dtype)
    expected = scaled.reshape(3, height // side, side, width // side, side, 3).transpose(2, 3)
    found = kernels.cut_patches(pixels, side, mean, deviation, dtype)
    torch.testing.assert_close(found, expected.reshape(found.shape))
