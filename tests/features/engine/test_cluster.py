"""On a real Ray cluster of several nodes, all on this machine."""

import os
import threading
import time
from pathlib import Path

import pytest
from tests.clusters import start_cluster

from fame.features.engine import embed
from fame.runtime.errors import InputError

ray = pytest.importorskip("ray")

ROOT = Path(__file__).parents[3]
# In a file of its own: the nodes must be able to import it.
SLOW = '''
import os
import time
import numpy as np
from fame.features.backbones.shared.weights import number_columns
from fame.features.backbones.contract import Backbone, Pass


class Slow(Backbone):
    """The size of an image and the length of a title; a batch takes a while, and leaves a mark."""

    reads = "texts"
    passes = (Pass("text", "title", False, {"letters": "title"}),)
    batch_size = 4

    def __init__(self, params, runtime):
        self.seconds = params

    def columns(self):
        return {"title": number_columns("title", 2)}

    def fingerprint(self):
        # As a GPU that is not on every node would.
        return {"process": os.getpid() if self.seconds == "differs" else None}

    def tokenize(self, texts):
        if "unreadable" in texts:
            from fame.runtime.errors import InputError
            raise InputError("the text is unreadable")
        return [np.frombuffer(text.encode(), np.uint8) for text in texts]

    def load(self):
        if self.seconds == "unloadable":
            raise RuntimeError("no weights here")

    def run(self, kind, items):
        time.sleep(self.seconds)
        mark = 1e-6 * sum(len(item.tokens) for item in items)
        rows = [[len(item.tokens), item.tokens.sum() + mark] for item in items]
        return {"letters": np.array(rows, np.float32)}
'''


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A backbone that the nodes can import."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "slow_backbone.py").write_text(SLOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT / "src")]))
        from slow_backbone import Slow

        yield Slow


@pytest.fixture(scope="module")
def cluster(slow):  # noqa: ARG001
    with start_cluster() as made:
        yield made


@pytest.fixture
def on_cluster(cluster, make_runtime):
    def make(**changes):
        runtime = make_runtime(engine="ray", cache="ray")
        return runtime.model_copy(update={"ray_address": cluster.address, **changes})

    return make


@pytest.mark.slow
def test_a_node_that_is_killed_leaves_no_mark(
    slow, cluster, on_cluster, make_table, extract, tmp_path, monkeypatch
):
    monkeypatch.setattr(embed, "TEXTS_AT_ONCE", {"cpu": 16})
    table = make_table([f"{'word ' * (i % 9)}{i}" for i in range(400)]).select(
        embed.INPUTS["texts"]
    )
    expected, _ = extract(slow(0, None), table, "expected")
    node = next(iter(cluster.worker_nodes))
    killed_at = []

    def kill_midway():
        while len(done := list((tmp_path / "ray").rglob("*.safetensors"))) < 4:
            time.sleep(0.01)
        cluster.remove_node(node, allow_graceful=False)
        killed_at.append(len(done))

    killer = threading.Thread(target=kill_midway)
    killer.start()
    found, features = extract(slow(0.05, None), table, "found", settings=on_cluster())
    killer.join()
    assert killed_at[0] < 25
    assert features.new == 400
    assert found.values.tobytes() == expected.values.tobytes()


def test_what_an_embedder_refuses_is_the_error(slow, on_cluster, make_table, extract):
    table = make_table(["a", "unreadable"]).select(embed.INPUTS["texts"])
    with pytest.raises(InputError, match=r"^the text is unreadable$"):
        extract(slow(0, None), table, settings=on_cluster())


def test_an_embedder_that_would_make_other_vectors_is_refused(
    slow, on_cluster, make_table, extract
):
    table = make_table(["a"]).select(embed.INPUTS["texts"])
    with pytest.raises(InputError, match=r"would make other vectors than this machine \(process\)"):
        extract(slow("differs", None), table, settings=on_cluster())


def test_an_embedder_that_cannot_start_says_why(slow, on_cluster, make_table, extract):
    table = make_table(["a"]).select(embed.INPUTS["texts"])
    with pytest.raises(InputError, match=r"no embedder left: .*no weights here"):
        extract(slow("unloadable", None), table, settings=on_cluster())


def test_more_workers_than_a_node_has_cores_is_an_error(slow, on_cluster, make_table, extract):
    table = make_table(["a"]).select(embed.INPUTS["texts"])
    with pytest.raises(InputError, match=r"runtime.workers: found 64, more than the cores of any"):
        extract(slow(0, None), table, settings=on_cluster(workers=64))


def test_no_cluster_is_one_error(slow, on_cluster, make_table, extract):
    table = make_table(["a"]).select(embed.INPUTS["texts"])
    settings = on_cluster(ray_address="127.0.0.1:1")
    with pytest.raises(InputError, match=r"runtime.ray_address: no cluster at '127.0.0.1:1'"):
        extract(slow(0, None), table, settings=settings)
