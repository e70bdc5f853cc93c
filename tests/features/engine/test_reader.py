import errno
import hashlib
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fame.features.backbones.contract import Preparer
from fame.features.backbones.efficientnet import plan
from fame.features.backbones.image_stats import measure
from fame.features.engine import reader
from fame.features.engine.reader import Reader
from fame.features.images import decode
from fame.features.resampling import Decoded, Encoded, whole
from fame.runtime.errors import InputError


def list_modules(content):
    """What a worker has imported, as an array: a preparer of the tests."""
    heavy = [name for name in ("torch", "transformers", "torchvision") if name in sys.modules]
    return np.array([len(heavy), len(content)])


def end_process(content):  # noqa: ARG001
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def places(tmp_path):
    made = []
    for i in range(20):
        (tmp_path / str(i)).write_bytes(b"x" * i)
        digest = hashlib.blake2b(b"x" * i, digest_size=16).hexdigest()
        made.append(("", str(tmp_path / str(i)), digest))
    return made


def read(function, places, workers=2):
    with Reader([function], workers) as opened:
        [pixels] = opened.read(places).collect()
        return pixels


def test_pixels_come_in_the_order_of_their_places(places):
    assert [pixels[1] for pixels in read(list_modules, places)] == list(range(20))


def test_no_worker_imports_a_models_library(places):
    assert {int(pixels[0]) for pixels in read(list_modules, places)} == {0}
    assert read(Preparer(plan, None), places[:1]) == ["empty"]


def test_a_worker_that_is_killed_is_one_error(places):
    with pytest.raises(InputError, match=r"a process that decodes images was killed"):
        read(end_process, places)


def test_a_machine_that_cannot_read_is_an_error_and_no_missing_image(monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "a.jpg")

    monkeypatch.setattr(reader.ImageReader, "read", refuse)
    with pytest.raises(PermissionError):
        reader.read_image(reader.ImageReader(), [list_modules], "", "a.jpg", "")


def test_nothing_to_read_starts_no_process(monkeypatch):
    monkeypatch.setattr(reader, "ProcessPoolExecutor", None)
    assert read(list_modules, []) == []


def halve(width, height):
    return whole(width, height, (width // 2, height // 2))


def write_picture(path, width=40, height=30):
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return ("", str(path), hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest())


@pytest.fixture
def pictures(tmp_path):
    return [write_picture(tmp_path / f"{width}.png", width) for width in range(40, 52)]


def test_pixels_lie_in_shared_memory_until_they_are_released(pictures):
    prepare = Preparer(halve, None)
    expected = [prepare(Path(member).read_bytes()) for _, member, _ in pictures]
    with Reader([prepare], 2, slot_bytes=4096, slots=8) as opened:
        for _ in range(2):  # the second time as the first: the slots are free again
            reading = opened.read(pictures)
            [found] = reading.collect()
            shared = [np.shares_memory(pixels, opened.memory) for pixels in found]
            assert shared == [True] * 8 + [False] * 4  # there are no more slots
            for pixels, wanted in zip(found, expected, strict=True):
                np.testing.assert_array_equal(pixels, wanted)
            reading.release()


def test_pixels_larger_than_a_slot_are_sent(pictures):
    with Reader([Preparer(halve, None)], 1, slot_bytes=64, slots=20) as opened:
        [found] = opened.read(pictures[:2]).collect()
        assert [pixels.shape for pixels in found] == [(15, 20, 3), (15, 20, 3)]
        assert not any(np.shares_memory(pixels, opened.memory) for pixels in found)


def test_a_gpu_gets_an_image_as_it_was_decoded_once_for_all_if_it_fits(pictures, tmp_path):
    large = write_picture(tmp_path / "large.png", 400, 300)
    with Reader([Preparer(halve, None), Preparer(plan, None)], 1, 8192, 20, True) as opened:
        half, square = opened.read([pictures[0], large], (0, 1)).collect()
    assert isinstance(half[0], Decoded)
    assert np.shares_memory(half[0].array, square[0].array)
    assert half[0].array.shape == (30, 40, 3)
    assert (half[0].shape, square[0].shape) == ((15, 20, 3), (224, 224, 3))
    assert (half[1].shape, square[1].shape) == ((150, 200, 3), (224, 224, 3))
    assert not isinstance(half[1], Decoded)


def test_a_plain_jpeg_is_left_to_a_gpu_that_decodes_it(pictures, tmp_path, monkeypatch):
    (tmp_path / "plain.jpg").touch()
    jpeg = write_picture(tmp_path / "plain.jpg", 64, 48)
    preparers = [Preparer(halve, None, by_gpu=True), Preparer(plan, None, by_gpu=True)]
    with Reader(preparers, 1, 8192, 20, True) as opened:
        monkeypatch.setattr(reader, "decode_rest", lambda found: found)
        half, square = opened.read([pictures[0], jpeg], (0, 1)).collect()
        assert (half[0].shape, square[0].shape) == ((15, 20, 3), (224, 224, 3))
        assert isinstance(half[0], Decoded)
        for encoded, shape in ((half[1], (24, 32, 3)), (square[1], (224, 224, 3))):
            assert isinstance(encoded, Encoded)
            assert np.shares_memory(encoded.array, opened.memory)
            assert encoded.array.tobytes() == Path(jpeg[1]).read_bytes()
            assert (encoded.size, encoded.geometry.shape) == ((64, 48), shape)
        assert half[1].array.ctypes.data == square[1].array.ctypes.data


def test_what_is_left_to_a_gpu_comes_back_in_its_place(monkeypatch):
    def decode_on_gpu(images):
        return [f"{image.size[0]} by the GPU" for image in images]

    name = "fame.features.gpu_decoding"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(decode_on_gpu=decode_on_gpu))
    first, second = (Encoded(np.empty(0), (n, 1), halve(n, 2)) for n in (2, 4))
    found = reader.decode_rest([["empty", first], [second, "truncated"]])
    assert found == [["empty", "2 by the GPU"], ["4 by the GPU", "truncated"]]


def test_an_image_is_decoded_once_for_each_way_to_do_so(pictures, monkeypatch):
    decoded = []

    def count(content, draft_pixels):
        decoded.append(draft_pixels)
        return decode(content, draft_pixels)

    monkeypatch.setattr(reader, "decode", count)
    preparers = [Preparer(halve, None), Preparer(plan, None), Preparer(halve, 16), measure]
    with reader.ImageReader() as files:
        found = reader.read_image(files, preparers, *pictures[0])
    assert decoded == [None, 16]
    assert [pixels.shape for pixels in found] == [(15, 20, 3), (224, 224, 3), (15, 20, 3), (4,)]


def test_what_one_cannot_read_another_may(tmp_path):
    """A header is enough for the one, the other decodes."""
    path = tmp_path / "cut.png"
    write_picture(path, 400, 300)
    path.write_bytes(path.read_bytes()[:2000])
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    with reader.ImageReader() as files:
        preparers = [Preparer(plan, None), measure]
        status, header = reader.read_image(files, preparers, "", str(path), digest)
    assert status == "truncated"
    assert header[:2].tolist() == [400, 300]
