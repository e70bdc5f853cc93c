"""How a frozen model is run: its parameters, its device, items of a batch as arrays."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import numpy as np
from pydantic import Field

from fame.features.backbones.contract import Item, Preparer
from fame.features.resampling import Decoded, Geometry, resize
from fame.params import BackboneParams, RuntimeParams, Strict
from fame.runtime import devices

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 on a GPU, float32 on a CPU
# draft: a JPEG's own smaller scales; gpu: a GPU's own decoder, and exact where there is no GPU.
# Both are faster, and the pixels are others.
Decode = Literal["exact", "draft", "gpu"]
Model = TypeVar("Model", bound="torch.nn.Module")
SPECIAL_TOKENS = 2  # one before and one after every text


class CheckpointParams(BackboneParams):
    """`checkpoint` is a folder or a model's id on the hub, `revision` a branch, tag or commit."""

    checkpoint: str
    revision: str
    dtype: Dtype


class TextParams(Strict):
    """Of a model that reads texts; `max_text_tokens` counts the two special tokens."""

    max_text_tokens: Annotated[int, Field(gt=SPECIAL_TOKENS)]


class ImageParams(Strict):
    """Of a model that sees images; `image_size` is in pixels."""

    image_size: Annotated[int, Field(ge=1)]
    decode: Decode


def choose_dtype(wanted: str, runtime: RuntimeParams) -> str:
    """``float32`` or ``bfloat16`` for a block's dtype; ``auto`` is bfloat16 on a GPU only."""
    if wanted == "auto":
        return "bfloat16" if devices.choose_device(runtime.device) == "cuda" else "float32"
    return wanted


def choose_decode(wanted: str, runtime: RuntimeParams) -> str:
    """``exact``, ``draft`` or ``gpu`` for a block's decode; ``gpu`` is exact without a GPU."""
    if wanted == "gpu" and devices.choose_device(runtime.device) == "cpu":
        return "exact"
    return wanted


def make_preparer(
    plan: Callable[[int, int], Geometry], decode: str, size: int, runtime: RuntimeParams
) -> Preparer:
    """How a backbone takes images that become ``size`` pixels wide or high."""
    chosen = choose_decode(decode, runtime)
    return Preparer(plan, size if chosen == "draft" else None, chosen == "gpu")


def open_model(model: Model, dtype: str, runtime: RuntimeParams) -> tuple[Model, "torch.device"]:
    """The model, frozen and ready to run on the device of ``runtime``.

    torch is set to deterministic arithmetic, and to full float32 where the dtype is float32. A GPU
    still rounds otherwise than a CPU does.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    # cuBLAS reads it at its start and is not deterministic without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What Triton compiles: the next run does not compile it again.
    os.environ.setdefault("TRITON_CACHE_DIR", str(Path(runtime.cache).absolute() / "compiled"))
    import torch

    torch.set_deterministic_debug_mode("error")
    # It would fill each new tensor, though none is read before it is written: a fifth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(devices.choose_device(runtime.device))
    return model.eval().requires_grad_(False).to(device, getattr(torch, dtype)), device


def join_tokens(items: list[Item], device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Ids and positions of all tokens, each (t,) int64."""
    texts = [item.tokens for item in items if item.tokens is not None]
    lengths = [len(text) for text in texts]
    ids = np.concatenate(texts).astype(np.int64)
    positions = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return devices.send(ids, device), devices.send(positions, device)


def open_pixels(
    images: "Sequence[np.ndarray | torch.Tensor | Decoded]", device: "torch.device"
) -> "torch.Tensor":
    """Images of one shape as they are seen, (n, h, w, 3) uint8, on the device."""
    import torch

    if device.type == "cpu":
        return torch.from_numpy(np.stack([_resize(image) for image in images]))
    from fame.features.gpu_resampling import resize_on_gpu

    sources = [_describe_source(image) for image in images]
    order = sorted(range(len(images)), key=lambda place: repr(sources[place]))
    parts = []
    for (_, _, geometry), places in groupby(order, key=sources.__getitem__):
        group = [images[place] for place in places]
        copied = _copy([one.array if isinstance(one, Decoded) else one for one in group], device)
        parts.append(copied if geometry is None else resize_on_gpu(copied, geometry))
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts)[devices.send(np.argsort(order), device)]


def _resize(image: "np.ndarray | torch.Tensor | Decoded") -> np.ndarray:
    if not isinstance(image, Decoded):
        return np.asarray(image)
    from PIL import Image

    return resize(Image.fromarray(image.array), image.geometry)


def _describe_source(
    image: "np.ndarray | torch.Tensor | Decoded",
) -> tuple[bool, tuple[int, ...], Geometry | None]:
    """Whether it is on a GPU, its shape, and how it is still to be resized.

    Images of one source are copied and resized together.
    """
    if isinstance(image, Decoded):
        return False, image.array.shape, image.geometry
    return not isinstance(image, np.ndarray), tuple(image.shape), None


def _copy(arrays: "list[np.ndarray | torch.Tensor]", device: "torch.device") -> "torch.Tensor":
    """Arrays of one shape as one, on a GPU.

    It copies each from where it lies, beside what it computes, if that memory is pinned.
    """
    import torch

    computing, copying = torch.cuda.current_stream(device), _open_stream(device)
    there = [array for array in arrays if isinstance(array, torch.Tensor)]
    if there:  # by another stream
        for array in there:
            array.record_stream(computing)
        return torch.stack(there)
    with torch.cuda.stream(copying):
        together = torch.empty((len(arrays), *arrays[0].shape), dtype=torch.uint8, device=device)
        for place, array in zip(together, arrays, strict=True):
            place.copy_(torch.from_numpy(array), non_blocking=True)
    computing.wait_stream(copying)
    together.record_stream(computing)
    return together


@cache
def _open_stream(device: "torch.device") -> "torch.cuda.Stream":
    import torch

    return torch.cuda.Stream(device)
