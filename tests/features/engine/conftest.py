"""A backbone that needs no weights, posts for it, and the engine as the stage calls it."""

import hashlib
from collections import Counter
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from fame.features.backbones.contract import Backbone, Pass
from fame.features.backbones.image_stats import measure
from fame.features.backbones.shared.weights import number_columns
from fame.features.engine import block, embed
from fame.params import RuntimeParams
from fame.posts.contract import IMAGES, LOCATED, NO_IMAGE


class Lengths(Backbone):
    """Numbers of a text and sizes of an image; a batch leaves its mark, as rounding does.

    `seen` counts how often each item was shown to any instance in this process.
    """

    reads = "contents"
    passes = (
        Pass("text", "title", False, {"letters": "title"}),
        Pass("text", "tags", False, {"letters": "tags"}),
        Pass("joint", "title", True, {"both": "image"}),
        Pass("joint", "", True, {"both": "plain"}),
    )
    batch_size = 5
    seen: ClassVar[Counter] = Counter()

    def __init__(self, params, runtime):  # noqa: ARG002
        self.version = params
        self.loaded = False

    def columns(self):
        return {name: number_columns(name, 3) for name in ("title", "tags", "image", "plain")}

    def fingerprint(self):
        return {"version": self.version}

    def load(self):
        self.loaded = True

    def tokenize(self, texts):
        return [np.array([ord(letter) for letter in text.strip()], np.int32) for text in texts]

    def image_preparer(self):
        return measure

    def run(self, kind, items):
        assert self.loaded
        assert len(items) <= self.batch_size
        mark = 1e-6 * sum(len(item.tokens) for item in items)
        rows = []
        for item in items:
            size = 0 if item.pixels is None else item.pixels[2]
            self.seen[kind, bytes(item.tokens), float(size)] += 1
            rows.append([len(item.tokens), item.tokens.sum() + mark, size])
        return {"both" if kind == "joint" else "letters": np.array(rows, np.float32)}


@pytest.fixture
def lengths():
    Lengths.seen.clear()
    return Lengths


@pytest.fixture
def make_table(tmp_path):
    """A table of CONTENTS: titles, tags, and image files by their contents."""

    def make(titles, tags=None, images=None, first=0):
        count = len(titles)
        located, digests, members = [], [], []
        for i, content in enumerate(images or [None] * count):
            path = tmp_path / "images" / f"{first + i:05}.png"
            located.append(content is not None)
            members.append(str(path) if content is not None else None)
            digest = hashlib.blake2b(content or b"", digest_size=16).hexdigest()
            digests.append(digest if content is not None else None)
            if content is not None:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
        return pa.table(
            {
                "post_id": pa.array([f"p{first + i}" for i in range(count)], pa.string()),
                "title": pa.array(titles, pa.string()),
                "tags": pa.array(tags or [[]] * count, pa.list_(pa.string())),
                "status": pa.array(
                    [LOCATED if there else NO_IMAGE for there in located], pa.string()
                ),
                "container": pa.array(["" if there else None for there in located], pa.string()),
                "member": pa.array(members, pa.string()),
                "digest": pa.array(digests, IMAGES.field("digest").type),
            }
        )

    return make


@pytest.fixture
def make_runtime(tmp_path):
    def make(workers=1, engine="local", cache="cache"):
        return RuntimeParams(
            device="cpu",
            workers=workers,
            cache=str(tmp_path / cache),
            engine=engine,
            ray_address=None,
        )

    return make


@pytest.fixture
def extract(tmp_path, make_runtime):
    """The block of a backbone, and what the engine counted."""

    def call(backbone, table, output="block", settings=None, **runtime):
        settings = settings or make_runtime(**runtime)
        folder = tmp_path / output
        folder.mkdir(exist_ok=True)
        with embed.open_cache(backbone, settings) as cache:
            features = embed.embed(backbone, table, cache, settings)
            return block.publish(backbone, table, features, folder), features

    return call
