"""Blocks of any posts from a bundle's encoders, in this process, kept warm: no cache, no pool.

The same contents, batches and arithmetic as the extraction: `Contents` and `Embedder` are its own.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fame.features.backbones.contract import Backbone
from fame.features.blocks import Block
from fame.features.encoders.contract import Encoder
from fame.features.engine.contents import NOWHERE, STATUSES, Contents, Inputs, Items
from fame.features.engine.embedder import Embedded, Embedder, list_places
from fame.features.engine.reader import Ready, decode_rest, read_image
from fame.features.meta import Meta
from fame.params import MetaParams, RuntimeParams
from fame.posts.archives import ImageReader
from fame.posts.contract import DESCRIPTIONS, NO_TEXT, OK
from fame.registry import BACKBONES, resolve
from fame.runtime import arrays, files
from fame.runtime.errors import InputError

FINGERPRINT = "fingerprint.json"  # of the weights that an encoder needs beside its files


class WarmMeta:
    """The block meta; the descriptions belong to the posts."""

    def __init__(self, params: MetaParams, folder: Path) -> None:
        self._params, self._folder = params, folder
        self._encoder = self._load(None)

    def transform(self, posts: pa.Table, _images: pa.Table, descriptions: pa.Table | None) -> Block:
        """The block of ``posts`` (POSTS)."""
        encoder = self._load(descriptions) if self._params.description else self._encoder
        return encoder.transform(posts)

    def _load(self, descriptions: pa.Table | None) -> Meta:
        given = DESCRIPTIONS.empty_table() if descriptions is None else descriptions
        encoder = Meta(self._params, descriptions=given)
        encoder.load(self._folder)
        return encoder


class WarmEncoder:
    """An encoder of the posts' own columns."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self.encoder = encoder
        encoder.load(folder)

    def transform(self, posts: pa.Table, _images: pa.Table, _descriptions: Any) -> Block:
        """The block of ``posts`` (POSTS)."""
        return self.encoder.transform(posts)


class WarmBackbone:
    """A frozen backbone with its model in memory."""

    def __init__(self, backbone: Backbone, folder: Path, runtime: RuntimeParams) -> None:
        trained, here = files.read_json(folder / FINGERPRINT), backbone.fingerprint()
        if trained != here:
            other = sorted(key for key in {*trained, *here} if trained.get(key) != here.get(key))
            raise InputError(
                f"{folder / FINGERPRINT}: {', '.join(other)} of the backbone differ here from what "
                f"the bundle was trained with ({_show(trained, other)}; here {_show(here, other)})"
            )
        self._backbone = backbone
        backbone.load_fitted(folder)
        self._embedder = Embedder(backbone, runtime)
        self._embedder.load()

    def transform(self, posts: pa.Table, images: pa.Table, _descriptions: Any) -> Block:
        """The block of ``posts`` (POSTS) with ``images`` (IMAGES), one row a post both."""
        backbone = self._backbone
        beside = images.drop_columns("post_id")
        table = pa.table(
            {name: posts[name] for name in ("post_id", "title", "tags")}
            | {name: beside[name] for name in beside.column_names}
        )
        contents = Contents(table)
        values: dict[str, np.ndarray] = {}
        codes: dict[str, np.ndarray] = {}
        for kind in dict.fromkeys(shown.kind for shown in backbone.passes):
            items = contents.list_items(kind, backbone.passes)
            embedded = self._embed(contents, items)
            for shown, rows in items.rows:
                there = rows != NOWHERE
                status = contents.explain_missing(shown)
                status[there] = embedded.status[rows[there]]
                for output, modality in shown.gives.items():
                    width = backbone.widths()[modality]
                    own = np.full((len(posts), width), np.nan, np.float32)
                    if output in embedded.vectors:
                        own[there] = embedded.vectors[output][rows[there]]
                    own[status != 0] = np.nan
                    values[modality], codes[modality] = own, status.copy()
        return self._make_block(posts, values, codes)

    def _embed(self, contents: Contents, items: Items) -> Embedded:
        if not len(items.keys):
            return Embedded(np.empty(0, np.int8), {})
        inputs = contents.read(items, np.arange(len(items.keys)))
        prepared = self._embedder.prepare(inputs, partial(self._read, inputs))
        return self._embedder.compute(prepared).result.embedded

    def _read(self, inputs: Inputs) -> list[Ready]:
        """In this thread: a draft has few images, and a process takes longer to start."""
        preparers = [self._backbone.image_preparer()]
        with ImageReader() as reader:
            found = [read_image(reader, preparers, *place)[0] for place in list_places(inputs)]
        return decode_rest([found])[0]

    def _make_block(
        self, posts: pa.Table, values: dict[str, np.ndarray], codes: dict[str, np.ndarray]
    ) -> Block:
        columns = self._backbone.columns()
        if self._backbone.reads == "posts":  # something was fitted
            for modality, vectors in values.items():
                values[modality] = projected = self._backbone.project(modality, vectors)
                lost = np.isnan(projected).all(axis=1) & (codes[modality] == STATUSES.index(OK))
                codes[modality][lost] = STATUSES.index(NO_TEXT)
        names = np.array(STATUSES, dtype=object)
        joined = np.concatenate([values[modality] for modality in columns], axis=1)
        return Block(
            post_ids=arrays.to_strings(posts["post_id"]),
            values=joined.astype(np.float32, copy=False),
            columns=tuple(column for part in columns.values() for column in part),
            status={modality: names[codes[modality]] for modality in columns},
        )


Warm = WarmMeta | WarmEncoder | WarmBackbone


def load_backbone(name: str, entry: Any, folder: Path, runtime: RuntimeParams) -> Warm:
    """The backbone or encoder ``name`` with what was fitted, ready to transform posts.

    Raises:
        InputError: a file is missing or damaged, or the weights are not those of the training.
    """
    kind = resolve(BACKBONES, entry.kind, f"backbones.{name}.kind")
    maker = kind(entry, runtime)
    if isinstance(maker, Encoder):
        return WarmEncoder(maker, folder)
    return WarmBackbone(maker, folder, runtime)


def _show(facts: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key} {facts.get(key)}" for key in keys)
