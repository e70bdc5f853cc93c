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
