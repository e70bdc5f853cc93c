import errno
import hashlib
import os
import signal
import sys

import numpy as np
import pytest

from fame.features.backbones.efficientnet import plan
from fame.features.contract import Preparer
from fame.features.engine import reader
from fame.features.engine.reader import Reader
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
