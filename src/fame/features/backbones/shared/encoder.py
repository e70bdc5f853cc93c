"""A transformer's encoder over items of any size, none of which is padded.

transformers pads the items of a batch to one length and masks the padding. Here the tokens of all
items are rows of one matrix: what works on each token alone (everything but attention) sees no
item. Attention is one call for all items on a GPU (in bfloat16, which flash attention takes), else
one for each run of items of one size. The last layer computes the tokens that are wanted of it and
no others. All this equals the plain forward of an item alone but for rounding.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fame.runtime import devices


def quick_gelu(rows: torch.Tensor) -> torch.Tensor:
    """GELU as OpenAI's CLIP was trained with it: a sigmoid in place of the normal distribution."""
    return rows * torch.sigmoid(1.702 * rows)


# As transformers names them.
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "quick_gelu": quick_gelu,
}


@dataclass(frozen=True)
class Run:
    """Items of one size that follow each other.

    Attributes:
        count: items.
        length: tokens of an item.
        kept: first and last + 1 token of an item that are wanted of the last layer.
    """

    count: int
    length: int
    kept: tuple[int, int]

    @property
    def width(self) -> int:
        """Kept tokens of an item."""
        return self.kept[1] - self.kept[0]


def make_runs(sizes: Iterable[tuple[int, tuple[int, int]]]) -> list[Run]:
    """The runs among items, by the length of each and by what is kept of it."""
    return [Run(len(list(group)), *size) for size, group in groupby(sizes)]


@dataclass(frozen=True)
class Bounds:
    """Where items lie in a matrix of their tokens.

    Attributes:
        rows: (items + 1,) int32, where each begins, then where the last one ends.
        longest: tokens of an item.
    """

    rows: torch.Tensor
    longest: int


class Packing:
    """The items of a batch, in runs, and their bounds on its device."""

    def __init__(self, runs: Sequence[Run], device: torch.device) -> None:
        self.runs = runs
        self._device = device

    @cached_property
    def seen(self) -> Bounds:
        """Of all tokens."""
        return self._bound([run.length for run in self.runs])

    @cached_property
    def kept(self) -> Bounds:
        """Of the kept tokens."""
        return self._bound([run.width for run in self.runs])

    @cached_property
    def kept_rows(self) -> torch.Tensor:
        """(kept tokens,) int64, where each lies among all."""
        counts = [run.count for run in self.runs]
        first = np.repeat([run.kept[0] for run in self.runs], counts)
        lengths = np.repeat([run.length for run in self.runs], counts)
        widths = np.repeat([run.width for run in self.runs], counts)
        begin = np.cumsum(lengths) - lengths + first
        places = np.arange(widths.sum()) + np.repeat(begin - (np.cumsum(widths) - widths), widths)
        return devices.send(places, self._device)

    @cached_property
    def ends(self) -> bool:
        """Whether each item's kept tokens are its last."""
        return all(run.kept[1] == run.length for run in self.runs)

    def _bound(self, lengths: list[int]) -> Bounds:
        each = np.repeat(lengths, [run.count for run in self.runs])
        rows = np.append(0, np.cumsum(each)).astype(np.int32)
        return Bounds(devices.send(rows, self._device), max(lengths))


class Linear(nn.Module):
    """A linear layer, and one of ACTIVATIONS after it if wanted.

    On a CPU, oneDNN multiplies with the weight in its own layout and applies GELU while the result
    is in the core's cache (docs/performance.md has what that is worth). On a GPU, in bfloat16,
    cuBLAS applies it while the result is in registers, by a tanh that is nearer than a bfloat16 is.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str | None = None
    ) -> None:
        super().__init__()
        bias = torch.zeros(len(weight)) if bias is None else bias
        self.weight, self.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
        self._activation = activation
        self._packed: torch.Tensor | None = None

    def pack(self) -> None:
        """Bring the weight into oneDNN's layout, once it has its dtype, and drop the other."""
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach())
        del self.weight

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(t, inputs) -> (t, outputs) of the weight's dtype."""
        rows = rows.to(self.bias.dtype)
        if self._packed is None:
            if self._activation == "gelu" and rows.is_cuda and rows.dtype == torch.bfloat16:
                return torch._addmm_activation(self.bias, rows, self.weight.t(), use_gelu=True)
            result = functional.linear(rows, self.weight, self.bias)
            return ACTIVATIONS[self._activation](result) if self._activation else result
        fused = "gelu" if self._activation == "gelu" else "none"
        result = torch.ops.mkldnn._linear_pointwise(
            rows, self._packed, self.bias, fused, [], "none"
        )
        return quick_gelu(result) if self._activation == "quick_gelu" else result


class Layer(nn.Module):
    """Attention, then a perceptron, each with a residual and a norm: before it, or after both.

    In a ``causal`` layer a token sees itself and those before it.
    """

    def __init__(
        self,
        query: Linear,
        key_value: Linear,
        attended: Linear,
        perceptron: tuple[Linear, Linear],
        norms: tuple[nn.LayerNorm, nn.LayerNorm],
        heads: int,
        norm_first: bool,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.query, self.key_value, self.attended = query, key_value, attended
        self.up, self.down = perceptron
        self.attention_norm, self.perceptron_norm = norms
        self._heads = heads
        self._norm_first, self._causal = norm_first, causal

    def forward(
        self, rows: torch.Tensor, update: torch.Tensor | None, packing: Packing, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Rows (t, width) float32, and what is still to be added to them -> the same, after it.

        ``last`` keeps the tokens that are wanted; all are seen.
        """
        rows, seen = self._enter(rows, update)
        asking = seen
        if last:
            rows, asking = rows[packing.kept_rows], seen[packing.kept_rows]
        query, key_value = self.query(asking), self.key_value(seen)
        # Flash attention takes the kept tokens of a causal layer for an item's last.
        ends = not (self._causal and last) or packing.ends
        flash = query.device.type == "cuda" and query.dtype == torch.bfloat16 and ends
        attend = self._attend_at_once if flash else self._attend_by_runs
        return self._finish(rows, self.attended(attend(query, key_value, packing, last)))

    def _enter(
        self, rows: torch.Tensor, update: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows as they go on beside attention, and as it sees them."""
        if update is not None:
            return self._add_and_normalise(rows, update, self.attention_norm)
        return rows, self._normalise(rows, self.attention_norm) if self._norm_first else rows

    def _finish(
        self, rows: torch.Tensor, update: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What follows attention, row by row.

        The last sum is left to the next layer where that begins with a norm: both are one pass.
        """
        if self._norm_first:
            rows, normed = self._add_and_normalise(rows, update, self.perceptron_norm)
            return rows, self.down(self.up(normed))
        rows = self._normalise(rows + update, self.attention_norm)
        return self._normalise(rows + self.down(self.up(rows)), self.perceptron_norm), None

    def _normalise(self, rows: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
        """In float32 where the norm's result is the residual too, else as it is multiplied."""
        if not rows.is_cuda:
            return norm(rows)
        from fame.features.backbones.shared import kernels

        return kernels.normalise(rows, norm, self._dtype if self._norm_first else rows.dtype)

    def _add_and_normalise(
        self, rows: torch.Tensor, update: torch.Tensor, norm: nn.LayerNorm
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not rows.is_cuda:
            rows = rows + update
            return rows, norm(rows)
        from fame.features.backbones.shared import kernels

        return kernels.add_and_normalise(rows, update, norm, self._dtype)

    def _attend_at_once(
        self, query: torch.Tensor, key_value: torch.Tensor, packing: Packing, last: bool
    ) -> torch.Tensor:
        from torch.nn.attention.varlen import varlen_attn

        asking, seeing = packing.kept if last else packing.seen, packing.seen
        keys, values = key_value.view(len(key_value), 2, self._heads, self._size).unbind(1)
        context = varlen_attn(
            query.view(len(query), self._heads, self._size),
            keys,
            values,
            asking.rows,
            seeing.rows,
            asking.longest,
            seeing.longest,
            **({"window_size": (-1, 0)} if self._causal else {}),
        )
        return cast(torch.Tensor, context).reshape(len(query), -1)

    def _attend_by_runs(
        self, query: torch.Tensor, key_value: torch.Tensor, packing: Packing, last: bool
    ) -> torch.Tensor:
        contexts, asked, seen = [], 0, 0
        for run in packing.runs:
            asking = run.count * (run.width if last else run.length)
            seeing = run.count * run.length
            queries = query[asked : asked + asking].view(run.count, -1, self._heads, self._size)
            both = key_value[seen : seen + seeing].view(run.count, -1, 2, self._heads, self._size)
            keys, values = both.permute(2, 0, 3, 1, 4)
            context = functional.scaled_dot_product_attention(
                queries.transpose(1, 2), keys, values, attn_mask=self._mask(run, queries, last)
            )
            contexts.append(context.transpose(1, 2).reshape(asking, -1))
            asked, seen = asked + asking, seen + seeing
        return torch.cat(contexts)

    def _mask(self, run: Run, queries: torch.Tensor, last: bool) -> torch.Tensor | None:
        """(queries, keys) bool: what a token sees; None: all."""
        if not self._causal:
            return None
        first, asking = run.kept[0] if last else 0, queries.shape[1]
        seen = torch.ones(asking, run.length, dtype=torch.bool, device=queries.device)
        return seen.tril(first)

    @property
    def _size(self) -> int:
        return len(self.query.bias) // self._heads

    @property
    def _dtype(self) -> torch.dtype:
        return self.query.bias.dtype


class Encoder(nn.Module):
    """Layers, and a norm (or whatever stands there) over what they give."""

    def __init__(self, layers: Iterable[Layer], norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = cast("list[Layer]", nn.ModuleList(layers))
        self.norm = norm or nn.Identity()

    def optimise(self) -> None:
        """Once it is on its device and has its dtype: norms in full, the rest packed on a CPU."""
        for norm in self.modules():
            if isinstance(norm, nn.LayerNorm):
                norm.float()  # with the residuals: bfloat16 would lose what each layer adds
        self.norm.float()  # and what else stands over them
        if self.layers[0].query.bias.device.type == "cpu":
            for linear in self.modules():
                if isinstance(linear, Linear):
                    linear.pack()

    def forward(self, rows: torch.Tensor, runs: Sequence[Run]) -> torch.Tensor:
        """Rows (t, width) of the items' tokens -> (items, width) float32: mean over the kept."""
        rows, update = rows.float(), None
        packing = Packing(runs, rows.device)
        for layer in self.layers:
            rows, update = layer(rows, update, packing, last=layer is self.layers[-1])
        kept = rows if update is None else rows + update
        return average(self.norm(kept), packing.kept)


def average(rows: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """The mean of each item's rows: (t, width) -> (items, width)."""
    places = torch.arange(len(rows), dtype=bounds.rows.dtype, device=rows.device)
    return functional.embedding_bag(
        places, rows, bounds.rows, mode="mean", include_last_offset=True
    )


class Patches(nn.Module):
    """A convolution over patches that do not overlap, as one multiplication.

    Its weight is (outputs, 3, side, side), as a convolution has it.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        mean: list[float],
        deviation: list[float],
    ) -> None:
        super().__init__()
        self.side = weight.shape[2]
        # Channels last, as pixels lie in an image.
        self.linear = Linear(weight.permute(0, 2, 3, 1).flatten(1), bias)
        # No buffers: those would be rounded with the weights.
        self._colours = torch.tensor(mean), torch.tensor(deviation)

    def cut(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, height, width, 3) uint8 -> (n, patches, inputs), scaled as the weights want it."""
        n, height, width, _ = pixels.shape
        mean, deviation = self._open_colours(pixels.device)
        if pixels.is_cuda:
            from fame.features.backbones.shared import kernels

            return kernels.cut_patches(pixels, self.side, mean, deviation, self.linear.bias.dtype)
        scaled = ((pixels.float() / 255 - mean) / deviation).to(self.linear.bias.dtype)
        rows, columns = height // self.side, width // self.side
        cut = scaled.view(n, rows, self.side, columns, self.side, 3).transpose(2, 3)
        return cut.reshape(n, rows * columns, -1)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(..., inputs) of `cut` -> (..., outputs)."""
        return self.linear(patches.flatten(0, -2)).view(*patches.shape[:-1], -1)

    def _open_colours(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation on the pixels' device, to which they are copied once."""
        if self._colours[0].device != device:
            mean, deviation = self._colours
            self._colours = mean.to(device), deviation.to(device)
        return self._colours


class Grid(nn.Module):
    """A square image as an encoder sees it: a class token, then its patches, at their positions.

    The learnt positions (1 + places, width), the class token's first, are stretched over the
    image's, as transformers does, on the CPU: a GPU would round otherwise.
    """

    def __init__(
        self, patches: Patches, learnt: torch.Tensor, token: torch.Tensor, size: int
    ) -> None:
        super().__init__()
        self.patches = patches
        with torch.no_grad():
            positions = stretch(learnt.cpu(), size // patches.side)
            positions[:1] += token.cpu()
        self.positions = nn.Parameter(positions)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, size, size, 3) uint8 -> (n, 1 + patches, width)."""
        first = self.positions[:1].expand(len(pixels), 1, -1)
        patches = self.patches(self.patches.cut(pixels))
        return torch.cat([first, patches + self.positions[1:]], dim=1)


def stretch(learnt: torch.Tensor, side: int) -> torch.Tensor:
    """Positions (1 + places, width) of a square -> (1 + side x side, width), a copy."""
    places, width = len(learnt) - 1, learnt.shape[1]
    if places == side**2:
        return learnt.clone()
    own = int(places**0.5)
    square = learnt[1:].reshape(1, own, own, width).permute(0, 3, 1, 2)
    grid = functional.interpolate(square, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([learnt[:1], grid.permute(0, 2, 3, 1).view(-1, width)])
