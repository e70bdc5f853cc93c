import numpy as np
import pytest
from tests.features.engine.test_reader import write_picture

from fame.features.backbones.contract import Backbone, Pass, Preparer
from fame.features.engine import embed, local
from fame.features.engine.reader import Reader
from fame.features.resampling import whole


class Means(Backbone):
    """The mean of an image's pixels."""

    reads = "images"
    passes = (Pass("image", None, True, {"mean": "image"}),)

    def __init__(self, params, runtime):
        """Nothing to prepare."""

    @property
    def pixel_bytes(self):
        return 8 * 6 * 3

    def columns(self):
        return {"image": ()}

    def fingerprint(self):
        return {}

    def image_preparer(self):
        return Preparer(shrink, None)

    def run(self, kind, items):  # noqa: ARG002
        return {"mean": np.array([[item.pixels.mean()] for item in items], np.float32)}


def shrink(width, height):
    return whole(width, height, (8, 6))


@pytest.fixture
def table(tmp_path, make_table):
    contents = []
    for width in range(20, 52):
        write_picture(tmp_path / "picture.png", width)
        contents.append((tmp_path / "picture.png").read_bytes())
    return make_table(["a"] * len(contents), images=contents)


def test_there_is_a_slot_for_each_image_that_is_held(table, make_runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 4})
    slots, read = [], Reader.read

    def note(self, places, wanted):
        reading = read(self, places, wanted)
        slots.append(len(reading.slots))
        return reading

    monkeypatch.setattr(Reader, "read", note)
    embed.embed(Means(None, None), table, tmp_path / "cache", make_runtime())
    assert slots == [4] * 8


@pytest.mark.parametrize(("count", "slots"), [(3, 3), (32, 20)])
def test_no_more_memory_is_shared_than_the_images_need(
    table, make_runtime, tmp_path, monkeypatch, count, slots
):
    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 4})
    given, opened = [], local.open_reader

    def note(backbones, runtime, slots):
        given.append(slots)
        return opened(backbones, runtime, slots)

    monkeypatch.setattr(local, "open_reader", note)
    some = table.slice(0, count)
    embed.embed(Means(None, None), some, tmp_path / "cache", make_runtime())
    assert given == [slots]
