"""Images resized by a GPU, in Triton, which comes with torch there: the very pixels of Pillow.

Pillow's filter is whole numbers: a pixel is the sum of some neighbours' values, each times a
coefficient of 22 bits behind the point, rounded to eight bits after the rows and again after the
columns. So is this one.
"""

from functools import lru_cache

import torch
import triton
import triton.language as tl

from fame.features.resampling import BITS, Geometry, Span, find_taps
from fame.runtime.devices import send

AXES = 4096  # of which the coefficients are kept, some kilobytes each
BLOCK = 1024  # numbers that a program computes
COUNTS = ("rows", "length", "size", "inner", "taps")


def resize_on_gpu(images: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Images (n, h, w, 3) uint8 as they are seen, (n, height, width, 3): as `resize` gives them.

    Of `fame.features.resampling`. What the cut leaves out is not computed.
    """
    left, top, right, bottom = geometry.part
    x0, y0, x1, y1 = geometry.cut
    across, down = (geometry.box[0], geometry.box[2]), (geometry.box[1], geometry.box[3])
    wide, high = geometry.size
    part = images[:, top:bottom, left:right]
    rows = _filter(part, across, wide, (x0, x1), axis=2)
    return _filter(rows, down, high, (y0, y1), axis=1)


def _filter(
    images: torch.Tensor, span: Span, size: int, cut: tuple[int, int], axis: int
) -> torch.Tensor:
    """(n, h, w, 3) uint8, that axis resized to ``size`` and cut."""
    length = images.shape[axis]
    if (0, length, size) == (*span, length):  # as Pillow leaves it
        return images[:, cut[0] : cut[1]] if axis == 1 else images[:, :, cut[0] : cut[1]]
    stream = torch.cuda.current_stream().cuda_stream if images.is_cuda else 0
    first, weights = _open_taps(length, span, size, cut, images.device, stream)
    count, high, wide, _ = images.shape
    shape = (count, len(first), wide, 3) if axis == 1 else (count, high, len(first), 3)
    found = images.new_empty(shape)
    if axis == 1:  # a line is an image, and its pixels are rows of numbers
        images = images.contiguous()
        rows, inner, row_step = 1, 3 * wide, 0
    else:
        rows, inner, row_step = high, 3, images.stride(1)
    grid = count * rows, triton.cdiv(len(first) * inner, BLOCK)
    _filter_line[grid](
        images,
        first,
        weights,
        found,
        images.stride(0),
        row_step,
        images.stride(axis),
        rows,
        length,
        len(first),
        inner,
        len(weights),
        BITS,
        BLOCK,
    )
    return found


@lru_cache(maxsize=AXES)
def _open_taps(
    length: int,
    span: Span,
    size: int,
    cut: tuple[int, int],
    device: torch.device,
    stream: int,  # noqa: ARG001  # each has its own: it needs not wait for another one's copy
) -> tuple[torch.Tensor, torch.Tensor]:
    """(outputs,) int32 and (taps, outputs) int32, see `find_taps`; of the outputs of the cut."""
    first, weights = (each[slice(*cut)] for each in find_taps(length, span, size))
    return send(first, device), send(weights.T.copy(), device)


# Compiled once, and not again for sizes that are multiples of 16 and the like.
@triton.jit(do_not_specialize=["image_step", "row_step", "step", *COUNTS])
def _filter_line(
    images,
    first,
    weights,
    found,
    image_step,
    row_step,
    step,
    rows,
    length,
    size,
    inner,
    taps,
    bits: tl.constexpr,
    block: tl.constexpr,
):
    """A line is ``length`` pixels, ``step`` apart, each ``inner`` numbers beside each other."""
    line = tl.program_id(0).to(tl.int64)
    places = tl.program_id(1) * block + tl.arange(0, block)
    inside = places < size * inner
    pixel = places // inner
    begin = images + line // rows * image_step + line % rows * row_step
    taken = tl.load(first + pixel, mask=inside, other=0)
    values_at = begin + taken * step + places % inner
    total = tl.full((block,), 1 << (bits - 1), tl.int32)
    for tap in tl.range(taps):
        there = inside & (taken + tap < length)
        value = tl.load(values_at + tap * step, mask=there, other=0).to(tl.int32)
        total += value * tl.load(weights + tap * size + pixel, mask=inside, other=0)
    result = tl.minimum(tl.maximum(total >> bits, 0), 255)
    tl.store(found + line * size * inner + places, result.to(tl.uint8), mask=inside)
