"""How a frozen model is run: its parameters, its device, items of a batch as arrays."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, cast

import numpy as np
from pydantic import Field

from fame.features.contract import Item
from fame.params import BackboneParams, RuntimeParams, Strict
from fame.runtime import devices

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 on a GPU, float32 on a CPU
Decode = Literal["exact", "draft"]  # draft: a JPEG's own smaller scales; faster, other pixels
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


def open_model(
    model: Model, dtype: str, runtime: RuntimeParams, compiled: bool = True
) -> tuple[Model, "torch.device"]:
    """The model, frozen and ready to run on the device of ``runtime``, ``compiled`` on a GPU.

    torch is set to deterministic arithmetic, and to full float32 where the dtype is float32. A GPU
    still rounds otherwise than a CPU does.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    # cuBLAS reads it at its start and is not deterministic without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What torch's compiler made of a model, so that the next run does not compile it again.
    os.environ.setdefault(
        "TORCHINDUCTOR_CACHE_DIR", str(Path(runtime.cache).absolute() / "compiled")
    )
    import torch

    torch.set_deterministic_debug_mode("error")
    # It would fill each new tensor, though none is read before it is written: a fifth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(devices.choose_device(runtime.device))
    model = model.eval().requires_grad_(False).to(device, getattr(torch, dtype))
    if compiled and device.type == "cuda":
        model = cast(Model, torch.compile(model, dynamic=True))
    return model, device


def join_tokens(items: list[Item], device: "torch.device") -> "tuple[torch.Tensor, torch.Tensor]":
    """Ids and positions of all tokens (t, 1) int64: each a sequence of its own to an embedding."""
    import torch

    ids = [item.tokens for item in items if item.tokens is not None]
    places = [np.arange(len(one)) for one in ids]
    joined = (np.concatenate(parts).astype(np.int64)[:, None] for parts in (ids, places))
    ids_of, places_of = (torch.from_numpy(each).to(device, non_blocking=True) for each in joined)
    return ids_of, places_of


def join_rows(arrays: Sequence[np.ndarray], device: "torch.device") -> "torch.Tensor":
    """Arrays (r, width) uint8 under each other, on the device.

    A GPU copies each from where it lies, beside what it computes, if that memory is pinned.
    """
    import torch

    if device.type == "cpu":
        return torch.from_numpy(np.concatenate(arrays))
    computing, copying = torch.cuda.current_stream(device), _open_stream(device)
    with torch.cuda.stream(copying):
        shape = sum(map(len, arrays)), arrays[0].shape[1]
        rows = torch.empty(shape, dtype=torch.uint8, device=device)
        for part, array in zip(rows.split([len(one) for one in arrays]), arrays, strict=True):
            part.copy_(torch.from_numpy(array), non_blocking=True)
    computing.wait_stream(copying)
    rows.record_stream(computing)
    return rows


@cache
def _open_stream(device: "torch.device") -> "torch.cuda.Stream":
    import torch

    return torch.cuda.Stream(device)


def cut_patches(pixels: np.ndarray, side: int) -> np.ndarray:
    """(height, width, 3) -> (rows, columns, side x side x 3), the patches that do not overlap."""
    high, wide = pixels.shape[0] // side, pixels.shape[1] // side
    cut = pixels.reshape(high, side, wide, side, 3).transpose(0, 2, 1, 3, 4)
    return cut.reshape(high, wide, -1)
