"""What works on each number alone in one pass over a GPU's memory, in Triton, which torch brings.

torch's own operators would read and write every number several times: to add, to normalise, to
round; to make a number of a pixel, to scale it, to put it in its patch.
"""

import torch
import triton
import triton.language as tl
from torch import nn

BLOCK = 1024  # numbers of an image that a program puts in their patches


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


def cut_patches(
    pixels: torch.Tensor,
    side: int,
    mean: torch.Tensor,
    deviation: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Pixels (n, height, width, 3) uint8 -> (n, patches, side x side x 3), scaled, in ``dtype``.

    ``mean`` and ``deviation`` (3,) float32 are of colours from 0 to 1.
    """
    pixels = pixels.contiguous()  # it may be cut from what was resized along one side
    count, height, width, _ = pixels.shape
    patches = height // side * (width // side)
    found = torch.empty((count, patches, side * side * 3), dtype=dtype, device=pixels.device)
    grid = count, triton.cdiv(height * width * 3, BLOCK)
    _cut_image[grid](pixels, mean, deviation, found, height, width, side, BLOCK)
    return found


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


@triton.jit(do_not_specialize=["height", "width"])
def _cut_image(
    pixels,
    mean,
    deviation,
    found,
    height,
    width,
    side: tl.constexpr,
    block: tl.constexpr,
):
    size = height * width * 3
    begin = tl.program_id(0).to(tl.int64) * size
    places = tl.program_id(1) * block + tl.arange(0, block)
    inside = places < size
    patch, within = places // (side * side * 3), places % (side * side * 3)
    row = patch // (width // side) * side + within // (side * 3)
    column = patch % (width // side) * side * 3 + within % (side * 3)
    value = tl.load(pixels + begin + row * width * 3 + column, mask=inside, other=0)
    colour = within % 3
    share = tl.div_rn(value.to(tl.float32), 255.0) - tl.load(mean + colour)
    result = tl.div_rn(share, tl.load(deviation + colour))
    tl.store(found + begin + places, result.to(found.dtype.element_ty), mask=inside)
