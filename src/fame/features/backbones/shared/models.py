"""How a frozen model is run: its parameters, its device, items of a batch as arrays."""

import os
from itertools import groupby
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
    import torch

    torch.set_deterministic_debug_mode("error")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(devices.choose_device(runtime.device))
    model = model.eval().requires_grad_(False).to(device, getattr(torch, dtype))
    if compiled and device.type == "cuda":
        model = cast(Model, torch.compile(model, dynamic=True))
    return model, device


def measure(item: Item) -> tuple[int, ...]:
    """Height, width and channels of the pixels, then the number of tokens; what there is of it."""
    pixels = () if item.pixels is None else item.pixels.shape
    return pixels if item.tokens is None else (*pixels, len(item.tokens))


def group_by_size(items: list[Item]) -> list[list[Item]]:
    """Items of one size that follow each other."""
    return [list(group) for _, group in groupby(items, key=measure)]


def stack_tokens(items: list[Item]) -> np.ndarray:
    """(n, t) int64 of items of one size."""
    return np.stack([item.tokens for item in items if item.tokens is not None]).astype(np.int64)


def stack_pixels(items: list[Item]) -> np.ndarray:
    """(n, ...) of items of one size."""
    return np.stack([item.pixels for item in items if item.pixels is not None])
