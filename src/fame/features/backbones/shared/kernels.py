"""A residual and a norm in one pass over a GPU's memory, in Triton, which comes with torch there.

torch's own operators would read and write every number three times: to add, to normalise, to round.
"""

import torch
import triton
import triton.language as tl
from torch import nn


def normalise(rows: torch.Tensor, norm: nn.LayerNorm, dtype: torch.dtype) -> torch.Tensor:
    """Rows (t, width) float32, normalised, in ``dtype``."""
    normed = torch.empty_like(rows, dtype=dtype)
    _launch(rows, rows, norm, rows, normed, adds=False)
    return normed


def add_and_normalise(
    rows: torch.Tensor, update: torch.Tensor, norm: nn.LayerNorm, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of rows (t, width) float32 and ``update``, and that sum normalised in ``dtype``."""
    total, normed = torch.empty_like(rows), torch.empty_like(rows, dtype=dtype)
    _launch(rows, update, norm, total, normed, adds=True)
    return total, normed


def _launch(
    rows: torch.Tensor,
    update: torch.Tensor,
    norm: nn.LayerNorm,
    total: torch.Tensor,
    normed: torch.Tensor,
    adds: bool,
) -> None:
    count, width = rows.shape
    block = triton.next_power_of_2(width)
    _normalise_row[(count,)](
        rows, update, norm.weight, norm.bias, total, normed, width, norm.eps, block, adds
    )


@triton.jit
def _normalise_row(
    rows,
    update,
    weight,
    bias,
    total,
    normed,
    width,
    eps,
    block: tl.constexpr,
    adds: tl.constexpr,
):
    columns = tl.arange(0, block)
    inside = columns < width
    places = tl.program_id(0).to(tl.int64) * width + columns
    values = tl.load(rows + places, mask=inside, other=0.0)
    if adds:
        values += tl.load(update + places, mask=inside, other=0.0).to(tl.float32)
        tl.store(total + places, values, mask=inside)
    centred = tl.where(inside, values - tl.sum(values, 0) / width, 0.0)
    deviation = tl.sqrt(tl.sum(centred * centred, 0) / width + eps)
    scale = tl.load(weight + columns, mask=inside, other=0.0)
    shift = tl.load(bias + columns, mask=inside, other=0.0)
    result = centred / deviation * scale + shift
    tl.store(normed + places, result.to(normed.dtype.element_ty), mask=inside)
