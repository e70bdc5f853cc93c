"""The weights of a checkpoint, read by the names that transformers gives them.

They are read to the device where the model runs, and joined and rounded there. On a CPU they are
not copied: a weight is memory of its file until it is rounded or packed.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from fame.features.backbones.shared.encoder import Linear, Patches
from fame.runtime.errors import InputError


@dataclass
class _Source:
    """What is open, and what was asked for in vain.

    Attributes:
        files: name of a tensor -> the open file that holds it.
        missing: names.
        unfit: what is said of those of another shape.
    """

    files: dict[str, Any]
    device: str
    asked: int = 0
    missing: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)


class Weights:
    """Those whose names begin with ``prefix``, all of them float32.

    In place of one that is missing or of another shape stands one without values: all that are so
    are said together at the end.
    """

    def __init__(self, source: _Source, prefix: str) -> None:
        self._source, self._prefix = source, prefix

    def under(self, prefix: str) -> "Weights":
        """Those of a part of the model."""
        return Weights(self._source, self._prefix + prefix)

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """A tensor."""
        source, full = self._source, self._prefix + name
        source.asked += 1
        if full not in source.files:
            source.missing.append(full)
            return torch.empty(shape, device=source.device)
        found = tuple(source.files[full].get_slice(full).get_shape())
        if found != shape:
            source.unfit.append(f"size mismatch for {full}: found {found}, expected {shape}")
            return torch.empty(shape, device=source.device)
        return source.files[full].get_tensor(full).to(source.device, torch.float32)

    def linear(
        self, *names: str, shape: tuple[int, int], bias: bool = True, activation: str | None = None
    ) -> Linear:
        """Layers of one shape (outputs, inputs) that see the same input, side by side, as one."""
        weights = [self.take(f"{name}.weight", *shape) for name in names]
        biases = [
            self.take(f"{name}.bias", shape[0])
            if bias
            else torch.zeros(shape[0], device=self._source.device)
            for name in names
        ]
        return Linear(_join(weights), _join(biases), activation)

    def norm(self, name: str, width: int, epsilon: float) -> nn.LayerNorm:
        """A norm over ``width`` numbers."""
        norm = nn.LayerNorm(width, epsilon, device="meta")
        norm.weight = nn.Parameter(self.take(f"{name}.weight", width))
        norm.bias = nn.Parameter(self.take(f"{name}.bias", width))
        return norm

    def projection(self, name: str, shape: tuple[int, int]) -> nn.Linear:
        """A linear layer without a bias, whose weight is (outputs, inputs)."""
        projection = nn.Linear(shape[1], shape[0], bias=False, device="meta")
        projection.weight = nn.Parameter(self.take(name, *shape))
        return projection

    def patches(
        self,
        name: str,
        width: int,
        side: int,
        colours: tuple[list[float], list[float]],
        bias: bool = True,
    ) -> Patches:
        """A convolution over patches of ``side`` x ``side`` pixels."""
        weight = self.take(f"{name}.weight", width, 3, side, side)
        return Patches(weight, self.take(f"{name}.bias", width) if bias else None, *colours)

    def check(self, name: str, prefixes: Sequence[str]) -> None:
        """Whether all that was asked for was there.

        Raises:
            InputError: some was not.
        """
        source = self._source
        if source.missing:
            raise InputError(
                f"checkpoint {name}: holds {source.asked - len(source.missing)} of the "
                f"{source.asked} weights under {' or '.join(map(repr, prefixes))} that its model "
                f"needs; missing: {', '.join(sorted(source.missing)[:3])}"
                f"{', ...' * (len(source.missing) > 3)}; name a checkpoint of a model that has them"
            )
        if source.unfit:
            others = f" (and {len(source.unfit) - 1} more)" if len(source.unfit) > 1 else ""
            raise InputError(
                f"checkpoint {name}: does not fit its config.json: {source.unfit[0]}{others}"
            )


def _join(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


@contextmanager
def open_weights(
    name: str, paths: Sequence[Path], device: str, *prefixes: str
) -> Iterator[Weights]:
    """The weights under the first of ``prefixes`` that there are.

    Args:
        name: of the checkpoint, for errors.
        paths: its safetensors files.
        device: to which they are read.
        prefixes: the first of them, if there are none under any.

    Raises:
        InputError: a file is damaged; or, at the end, weights are missing or of another shape.
    """
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for path in paths:
            file = stack.enter_context(_open(path))
            files |= dict.fromkeys(file.keys(), file)
        found = (prefix for prefix in prefixes if any(key.startswith(prefix) for key in files))
        weights = Weights(_Source(files, device), next(found, prefixes[0]))
        yield weights
        weights.check(name, prefixes)


def _open(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except SafetensorError as error:
        raise InputError(f"{path}: not a readable safetensors file: {error}") from None
