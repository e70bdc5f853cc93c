"""Two processes, as of two GPUs; here both compute on the CPU."""

import errno
import io
import multiprocessing
import os
import pickle
import signal
from pathlib import Path

import pytest
from PIL import Image

from fame.features.backbones.image_stats import ImageStats
from fame.features.engine import block, cards, embed
from fame.features.engine.cards import VISIBLE
from fame.features.engine.store import Store
from fame.runtime.errors import InputError


def encode(width):
    buffer = io.BytesIO()
    Image.new("RGB", (width, 3)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def table(make_table, monkeypatch):
    monkeypatch.setattr(embed, "IMAGES_AT_ONCE", {"cpu": 2})
    return make_table(["a"] * 61, images=[encode(1 + i) for i in range(61)])


@pytest.fixture
def measure(table, make_runtime, tmp_path, monkeypatch):
    """The values of image_stats on so many cards."""

    def call(count, name):
        monkeypatch.setattr(embed, "count_cards", lambda _: count)
        runtime = make_runtime(workers=2)
        backbone = ImageStats(ImageStats.Params(kind="image_stats", reads="images"), runtime)
        (tmp_path / name).mkdir()
        features = embed.embed(backbone, table, tmp_path / f"cache_{name}", runtime)
        return block.publish(backbone, table, features, tmp_path / name).values

    return call


def test_two_cards_give_the_bytes_of_one(measure):
    assert measure(2, "two").tobytes() == measure(1, "one").tobytes()


def test_what_an_embedder_refuses_is_the_error(measure, table):
    Path(table["member"][30].as_py()).write_bytes(encode(99))
    with pytest.raises(InputError, match=r"00030\.png: not the image that was ingested"):
        measure(2, "two")


def test_a_process_that_is_killed_is_one_error_and_the_others_end(measure, monkeypatch):
    started = []
    start = cards._start

    def start_and_kill(processes):
        start(processes)
        started.extend(processes)
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(cards, "_start", start_and_kill)
    with pytest.raises(InputError, match=r"the process of a GPU was killed.*what is done is kept"):
        measure(2, "two")
    assert [process.is_alive() for process in started] == [False, False]


def test_an_error_while_a_shard_is_written_ends_the_processes(measure, monkeypatch):
    running = set(multiprocessing.active_children())

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "write", refuse)
    with pytest.raises(OSError, match="No space left"):
        measure(2, "two")
    assert set(multiprocessing.active_children()) <= running


class OddError(Exception):
    """One that cannot be made again from its text."""

    def __init__(self, left, right):
        super().__init__(f"{left} {right}")


@pytest.mark.parametrize("error", [OddError(1, 2), InputError("no weights here")])
def test_an_error_comes_back_as_it_is_or_as_its_text(error):
    sent = pickle.loads(pickle.dumps(cards._make_portable(error)))
    assert isinstance(sent, InputError) == isinstance(error, InputError)
    assert str(error) in str(sent)


def test_a_process_sees_its_own_gpu_of_those_that_are_visible(monkeypatch):
    seen = []
    monkeypatch.setattr(cards.os, "setpgrp", lambda: None)
    monkeypatch.setattr(cards.signal, "signal", lambda *_: None)
    monkeypatch.setattr(cards, "follow_parent", lambda: None)
    monkeypatch.setattr(
        cards.local, "embed", lambda *_: iter(seen.append(os.environ[VISIBLE]) or [])
    )
    for visible in ("", "3,5"):
        monkeypatch.setenv(VISIBLE, visible)
        ours, theirs = multiprocessing.Pipe()
        cards._serve(1, (), None, 0, theirs)
        assert ours.recv() == (cards.END, None)
    assert seen == ["1", "5"]
