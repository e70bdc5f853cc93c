"""JPEG files decoded by a GPU (nvJPEG, through torchvision) and resized there.

A JPEG decoder may round as it likes: its pixels are near Pillow's, but not the same.
"""

import math
import re
import sys
import threading
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import torch

from fame.features.gpu_resampling import resize_on_gpu
from fame.features.images import UnreadableImageError, decode
from fame.features.resampling import Encoded
from fame.runtime.devices import import_torchvision, send
from fame.runtime.errors import InputError

STATUS = re.compile(r"Failed to [a-z ]+: (\d+)")  # as torchvision tells nvJPEG's
OF_THE_GPU = {1, 5, 7}  # of them: not initialised, no memory, another architecture
DECODED_BYTES = 256 << 20  # of the images that are decoded at once; what is kept is resized
_decoding = threading.Lock()


def decode_on_gpu(images: Sequence[Encoded]) -> list[torch.Tensor | str]:
    """Each one's pixels (height, width, 3) uint8 as they are seen, on the GPU, or why there are
    none: a kind of contracts.UNREADABLE.

    A file that several are made of is decoded once. What the GPU cannot decode is left to Pillow.
    The pixels are there when this returns; what else the GPU does goes on meanwhile.

    Raises:
        InputError: torchvision is not built for nvJPEG, or the GPU has no memory left.
    """
    of_file: dict[int, list[int]] = {}
    for place, image in enumerate(images):
        of_file.setdefault(image.array.ctypes.data, []).append(place)
    files = list(of_file.values())
    before = np.cumsum([0, *(3 * math.prod(images[places[0]].size) for places in files)])
    shown: dict[int, torch.Tensor | str] = {}
    stream = _open_stream()
    with _decoding, torch.cuda.stream(stream):
        for _, part in groupby(range(len(files)), lambda number: before[number] // DECODED_BYTES):
            try:
                _show(images, [files[number] for number in part], shown)
            finally:
                stream.synchronize()  # nvJPEG does not wait for who used its memory before
    return [shown[place] for place in range(len(images))]


def _show(
    images: Sequence[Encoded], files: list[list[int]], shown: dict[int, torch.Tensor | str]
) -> None:
    """The images made of each of ``files``; those of one size and geometry are resized together."""
    decoded = _decode([images[places[0]].array for places in files])
    for number, (places, planes) in enumerate(zip(files, decoded, strict=True)):
        first = images[places[0]]
        if not isinstance(planes, str) and planes.shape[:0:-1] != first.size:
            decoded[number] = _decode_by_pillow(first.array)
    alike: dict[Any, list[tuple[int, torch.Tensor]]] = {}
    for places, planes in zip(files, decoded, strict=True):
        for place in places:
            if isinstance(planes, str):
                shown[place] = planes
            else:
                key = images[place].size, images[place].geometry
                alike.setdefault(key, []).append((place, planes))
    for (_, geometry), group in alike.items():
        together = torch.stack([planes for _, planes in group]).permute(0, 2, 3, 1).contiguous()
        resized = resize_on_gpu(together, geometry)
        shown |= {place: pixels for (place, _), pixels in zip(group, resized, strict=True)}


def _decode(contents: list[np.ndarray]) -> list[torch.Tensor | str]:
    """(3, height, width) uint8 each, or why not; one that stops a call does not stop the others."""
    try:
        return list(call_nvjpeg(contents))
    except RuntimeError as error:
        if len(contents) > 1:
            return [planes for content in contents for planes in _decode([content])]
        said = str(error).partition("\n")[0]
        found = STATUS.search(said)
        if "memory" in said or (found and int(found[1]) in OF_THE_GPU):
            # Not by Pillow: what the cache holds must not depend on what was free.
            raise InputError(
                f"the GPU cannot decode images, maybe as its memory is used up: {said}; start "
                "again (what is done is kept), alone on the GPU or with decode: exact"
            ) from None
    print(f"the GPU refused a JPEG, which is decoded exactly: {said}", file=sys.stderr)
    return [_decode_by_pillow(contents[0])]


def _decode_by_pillow(content: np.ndarray) -> torch.Tensor | str:
    try:
        pixels = np.asarray(decode(content.tobytes()))
    except UnreadableImageError as error:
        return error.status
    return send(pixels.transpose(2, 0, 1).copy(), torch.device("cuda"))


def call_nvjpeg(contents: list[np.ndarray]) -> list[torch.Tensor]:
    """Bytes (n,) uint8 of JPEG files -> (3, height, width) uint8 on the GPU.

    Raises:
        RuntimeError: it decodes none, as it cannot decode one.
        InputError: torchvision is not built for it.
    """
    import_torchvision()
    from torchvision.io import ImageReadMode, decode_jpeg

    tensors = [torch.from_numpy(content) for content in contents]
    try:
        return decode_jpeg(tensors, ImageReadMode.RGB, "cuda")
    except RuntimeError as error:
        if "nvJPEG support" in str(error) or "image extension" in str(error):
            raise InputError(
                "params.yaml: decode: found 'gpu', but torchvision is not built for nvJPEG here; "
                "allowed: exact, draft"
            ) from None
        raise


@cache
def _open_stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()
