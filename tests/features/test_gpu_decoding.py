"""Run where Triton is; with TRITON_INTERPRET=1 Pillow decodes in place of a GPU."""

import io
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.pictures import encode

from fame.features.images import decode
from fame.features.resampling import Encoded, resize, whole
from fame.runtime.errors import InputError

pytest.importorskip("triton", reason="Triton comes with a torch that is built for GPUs")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
if not INTERPRETED and not torch.cuda.is_available():
    pytest.skip("no GPU, and TRITON_INTERPRET is not 1", allow_module_level=True)

from fame.features import gpu_decoding  # noqa: E402

FAILED = "Error while decoding JPEG images: Failed to"
APART = 0 if INTERPRETED else 40  # of 255, at most


def decode_by_pillow(contents):
    images = [Image.open(io.BytesIO(content.tobytes())) for content in contents]
    if any(image.format != "JPEG" for image in images):
        raise RuntimeError(f"{FAILED} decode jpeg stream: 3\nException raised from memory ...")
    return [torch.from_numpy(np.array(image).transpose(2, 0, 1).copy()) for image in images]


@pytest.fixture
def calls(monkeypatch):
    """Files of each call."""
    made, real = [], gpu_decoding.call_nvjpeg
    call = decode_by_pillow if INTERPRETED else real

    def count(contents):
        made.append(len(contents))
        return call(contents)

    monkeypatch.setattr(gpu_decoding, "call_nvjpeg", count)
    if INTERPRETED:
        stream = SimpleNamespace(synchronize=lambda: None)
        monkeypatch.setattr(gpu_decoding, "_open_stream", lambda: stream)
        monkeypatch.setattr(gpu_decoding, "send", lambda array, _: torch.from_numpy(array))
    return made


def make(width, height, kind="JPEG"):
    """A smooth picture's file, which decoders hardly differ in."""
    small = np.random.default_rng(width).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.frombuffer(
        encode(image, kind, **({"quality": 95} if kind == "JPEG" else {})), np.uint8
    )


def show(content, size, to):
    return Encoded(content.copy(), size, whole(*size, to))


def check(image, found):
    expected = resize(decode(image.array.tobytes()), image.geometry)
    assert found.shape == expected.shape
    assert np.abs(found.cpu().numpy().astype(int) - expected).max() <= APART


def test_images_of_any_sizes_come_in_their_order(calls):
    images = [
        show(make(*size), size, to) for size in ((40, 30), (30, 40)) for to in ((8, 8), (9, 6))
    ]
    for image, found in zip(images, gpu_decoding.decode_on_gpu(images), strict=True):
        check(image, found)
    assert calls == [4]


def test_a_file_is_decoded_once_for_all_that_are_made_of_it(calls):
    one = show(make(40, 30), (40, 30), (8, 8))
    other = Encoded(one.array, (40, 30), whole(40, 30, (20, 10)))
    for image, found in zip((one, other), gpu_decoding.decode_on_gpu([one, other]), strict=True):
        check(image, found)
    assert calls == [1]


def test_what_it_cannot_decode_is_left_to_pillow_and_told(calls, capsys):
    good = show(make(40, 30), (40, 30), (8, 8))
    other = show(make(20, 10, "PNG"), (20, 10), (8, 8))
    damaged = show(make(20, 10, "PNG")[:-40], (20, 10), (8, 8))
    first, second, third = gpu_decoding.decode_on_gpu([good, other, damaged])
    check(good, first)
    check(other, second)
    assert third == "truncated"
    assert capsys.readouterr().err.count("the GPU refused a JPEG, which is decoded exactly: ") == 2
    assert calls == [3, 1, 1, 1]


def test_a_part_of_them_is_decoded_at_once(calls, monkeypatch):
    monkeypatch.setattr(gpu_decoding, "DECODED_BYTES", 2 * 3 * 40 * 30)
    images = [show(make(40, 30), (40, 30), (8, 8)) for _ in range(5)]
    assert len(gpu_decoding.decode_on_gpu(images)) == 5
    assert calls == [2, 2, 1]


@pytest.mark.usefixtures("calls")
def test_what_nvjpeg_takes_for_another_size_is_left_to_pillow(monkeypatch):
    image = show(make(40, 30), (40, 30), (8, 8))
    other = [torch.zeros(3, 20, 40, dtype=torch.uint8)]
    monkeypatch.setattr(gpu_decoding, "call_nvjpeg", lambda _: other)
    check(image, gpu_decoding.decode_on_gpu([image])[0])


@pytest.mark.usefixtures("calls")
@pytest.mark.parametrize(
    "said", ["CUDA out of memory. Tried to allocate 4 GiB", f"{FAILED} create device buffer: 5"]
)
def test_a_gpu_without_memory_is_an_error_and_no_other_pixels(monkeypatch, said):
    def refuse(_):
        raise RuntimeError(f"{said}\nException raised from ...")

    monkeypatch.setattr(gpu_decoding, "call_nvjpeg", refuse)
    with pytest.raises(InputError, match=f"{re.escape(said)}; start again .* decode: exact"):
        gpu_decoding.decode_on_gpu([show(make(40, 30), (40, 30), (8, 8))])


@pytest.mark.usefixtures("calls")
def test_one_thread_decodes_at_a_time(monkeypatch):
    """nvJPEG does not wait for who used its memory before."""
    inside, most, counted = 0, 0, gpu_decoding.call_nvjpeg

    def call(contents):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.05)
        inside -= 1
        return counted(contents)

    monkeypatch.setattr(gpu_decoding, "call_nvjpeg", call)
    images = [[show(make(40, 30), (40, 30), (8, 8))] for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        assert len(list(threads.map(gpu_decoding.decode_on_gpu, images))) == 3
    assert most == 1
