import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from fame.features.backbones.contract import Item
from fame.features.engine.embedder import Embedder, Prepared, Watch
from fame.runtime import devices


class Sizes:
    """A backbone whose vectors are on a device: a picture's height and the tokens beside it."""

    def __init__(self, room=10):
        self.room, self.batches = room, []

    def cost(self, kind, item):  # noqa: ARG002
        return len(item.tokens)

    def cost_at_once(self, kind):  # noqa: ARG002
        return self.room

    def run(self, kind, items):  # noqa: ARG002
        self.batches.append([(len(item.tokens), id(item.pixels)) for item in items])
        rows = [[item.pixels.shape[0], len(item.tokens)] for item in items]
        return {"vector": torch.tensor(rows, dtype=torch.float32)}


@pytest.fixture
def on_gpu(make_runtime, monkeypatch):
    """An embedder that takes its device for a GPU."""
    monkeypatch.setattr(devices, "mark", lambda: lambda: None)

    def make(backbone, watch=None):
        embedder = Embedder(backbone, make_runtime(), watch)
        embedder._on_gpu = True
        return embedder

    return make


def prepare(tokens, heights):
    pictures = {height: np.zeros((height, 8, 3), np.uint8) for height in heights}
    items = [
        Item(np.zeros(count, np.int32), pictures[height]) for height in heights for count in tokens
    ]
    return Prepared("joint", items, np.zeros(len(items), np.int8))


def test_the_vectors_of_a_gpu_are_fetched_when_they_are_asked_for(on_gpu):
    released = []
    watch, prepared = Watch(), prepare((2, 3), (8, 16))
    with on_gpu(Sizes(), watch) as embedder:
        pending = embedder.compute(prepared, lambda: released.append(True))
        assert (watch.pending, released) == (1, [])
        found = pending.result.embedded.vectors["vector"]
    assert (watch.pending, released) == (0, [True])
    assert found.tolist() == [[8, 2], [8, 3], [16, 2], [16, 3]]
    assert pending.result.computed > 0


def test_a_cpu_has_its_vectors_at_once(make_runtime):
    released = []
    with Embedder(Sizes(), make_runtime()) as embedder:
        embedder.compute(prepare((2,), (8,)), lambda: released.append(True))
    assert released == [True]


def test_the_time_in_which_a_cpu_computes_is_no_wait(make_runtime, monkeypatch):
    backbone, run = Sizes(), Sizes.run
    monkeypatch.setattr(backbone, "run", lambda *given: time.sleep(0.05) or run(backbone, *given))
    with Embedder(backbone, make_runtime()) as embedder:
        embedder._watch.idle_since = time.perf_counter()
        result = embedder.compute(prepare((2,), (8,))).result
    assert result.computed > 0.04 > result.waited  # the two clocks differ a little


def test_on_a_gpu_the_items_of_an_image_stay_together_in_batches_of_about_one_size(on_gpu):
    backbone = Sizes(room=30)
    with on_gpu(backbone) as embedder:
        shard = prepare((9, 2, 4), (8, 16, 24, 32))
        _ = embedder.compute(replace(shard, items=shard.items[::2] + shard.items[1::2])).result
    images = [image for batch in backbone.batches for _, image in batch]
    assert len(dict.fromkeys(images)) == 4
    assert images == sorted(images, key=images.index)
    sizes = [sum(tokens for tokens, _ in batch) for batch in backbone.batches]
    assert len(sizes) == 2
    assert max(sizes) - min(sizes) <= 9


def test_on_a_cpu_a_batch_has_items_of_about_one_length(make_runtime):
    backbone = Sizes(room=12)
    with Embedder(backbone, make_runtime()) as embedder:
        embedder.compute(prepare((6, 2), (8, 8)))
    assert [[tokens for tokens, _ in batch] for batch in backbone.batches] == [[2, 2, 6], [6]]


def test_the_time_of_a_shard_that_is_pending_is_nobodys_wait(on_gpu):
    watch = Watch()
    with on_gpu(Sizes(), watch) as embedder:
        first = embedder.compute(prepare((2,), (8,)))
        second = embedder.compute(prepare((2,), (8,)))
        assert second.result.waited == 0 <= first.result.waited
