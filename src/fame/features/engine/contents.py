"""Which contents a backbone is shown: the distinct items of the posts, and their keys.

Nothing is kept per post but numbers: texts stay in Arrow, an item is a position.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.backbones.contract import Pass
from fame.posts.contract import LOCATED, NO_IMAGE, NO_TEXT, OK, UNREADABLE

KEY_BYTES = 16  # of a content's digest, as ingest has them of images; a key is the hex form
KEY = np.dtype(f"S{2 * KEY_BYTES}")
NOWHERE = -1  # position of what is not there
CHUNK_TEXTS = 65_536  # held as Python objects at once

STATUSES = (OK, NO_TEXT, NO_IMAGE, *UNREADABLE)  # a code is a position: new ones go to the end
Place = tuple[str, str, str]  # container, member and digest of an image file


@dataclass(frozen=True)
class Inputs:
    """What m items are made from; None where their kind has no such input."""

    kind: str
    texts: list[str] | None
    places: list[Place] | None


@dataclass(frozen=True)
class Items:
    """The distinct items of a kind.

    Attributes:
        kind: of the passes.
        keys: (m,) KEY, of the contents, ascending.
        texts: (m,) positions among the contents' texts, or None where the kind sees none.
        images: (m,) positions among the contents' images, or None.
        rows: each pass with its posts' items: (n,) positions, NOWHERE where a post has none.
    """

    kind: str
    keys: np.ndarray
    texts: np.ndarray | None
    images: np.ndarray | None
    rows: list[tuple[Pass, np.ndarray]]

    def describe(self) -> str:
        """What they are, in the plural."""
        if self.images is None:
            return "texts"
        return "images" if self.texts is None else "texts with images"


class Contents:
    """The distinct texts and images of n posts.

    Args:
        table: the columns of TEXTS, of IMAGES, or of both.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def list_items(self, kind: str, passes: Sequence[Pass]) -> Items:
        """The items of the passes of ``kind``, all of which see the same inputs."""
        passes = [shown for shown in passes if shown.kind == kind]
        sees_text, sees_image = passes[0].text is not None, passes[0].image
        images = len(self._images) if sees_image else 1
        pairs = np.concatenate([self._pair(shown, images) for shown in passes])
        distinct, rows = np.unique(pairs, return_inverse=True)
        nowhere = int(len(distinct) > 0 and distinct[0] == NOWHERE)
        texts_of, images_of = np.divmod(distinct[nowhere:], images)
        text = texts_of.astype(np.int32) if sees_text else None
        image = images_of.astype(np.int32) if sees_image else None
        keys = self._make_keys(text, image)
        order = np.argsort(keys)
        place = np.full(len(keys) + 1, NOWHERE, dtype=np.int32)  # the last one is of NOWHERE
        place[order] = np.arange(len(keys))
        return Items(
            kind=kind,
            keys=keys[order],
            texts=None if text is None else text[order],
            images=None if image is None else image[order],
            rows=list(zip(passes, place[rows - nowhere].reshape(len(passes), -1), strict=True)),
        )

    def explain_missing(self, shown: Pass) -> np.ndarray:
        """(n,) int8 codes of STATUSES: why a pass has no item of a post; OK where it has one."""
        status = np.zeros(len(self._table), dtype=np.int8)
        if shown.text:
            status[self._text_positions[shown.text] == NOWHERE] = STATUSES.index(NO_TEXT)
        if shown.image:
            found = pc.index_in(self._table["status"], value_set=pa.array(STATUSES))
            images = _to_numbers(pc.fill_null(found, STATUSES.index(OK)))  # LOCATED is none of them
            status = np.where(images > 0, images, status).astype(np.int8)
        return status

    def order(self, items: Items, chosen: np.ndarray) -> np.ndarray:
        """``chosen`` (k,) positions of items in the order to embed them, whatever the posts are in.

        Images as they lie in their archives, which are read from front to back; texts by length,
        so that those of a batch need little padding.
        """
        keys = items.keys[chosen]
        if items.images is not None:
            rank = np.argsort(np.array(pc.sort_indices(self._places, _BY_PLACE).to_pylist()))
            first = rank[items.images[chosen]]
        else:
            assert items.texts is not None
            first = _to_numbers(pc.binary_length(self._texts))[items.texts[chosen]]
        return chosen[np.lexsort((keys, first))]

    def read(self, items: Items, chosen: np.ndarray) -> Inputs:
        """What the items at ``chosen`` (k,) are made from."""
        texts = places = None
        if items.texts is not None:
            texts = self._texts.take(pa.array(items.texts[chosen].tolist())).to_pylist()
        if items.images is not None:
            columns = self._places.take(pa.array(items.images[chosen].tolist())).to_pydict()
            places = list(zip(*(columns[name] for name in _PLACE), strict=True))
        return Inputs(items.kind, texts, places)

    @cached_property
    def _columns(self) -> dict[str, pa.ChunkedArray]:
        tags = pc.binary_join(self._table["tags"], " ")
        return {"title": pc.fill_null(self._table["title"], ""), "tags": pc.fill_null(tags, "")}

    @cached_property
    def _texts(self) -> pa.StringArray:
        """The distinct texts; the empty one is the first."""
        chunks = [chunk for column in self._columns.values() for chunk in column.chunks]
        return pa.chunked_array([pa.array([""]), *chunks]).unique()

    @cached_property
    def _text_positions(self) -> dict[str, np.ndarray]:
        """Title and tags -> (n,) positions among the texts, NOWHERE for the empty text."""
        positions = {}
        for name, column in self._columns.items():
            found = _to_numbers(pc.index_in(column, value_set=self._texts))
            positions[name] = np.where(found == 0, NOWHERE, found)
        return positions

    @cached_property
    def _located(self) -> pa.Table:
        return self._table.filter(pc.equal(self._table["status"], LOCATED)).select(_PLACE)

    @cached_property
    def _images(self) -> pa.StringArray:
        """The distinct digests of located images."""
        return pc.unique(self._located["digest"])

    @cached_property
    def _places(self) -> pa.Table:
        """The place of each of the images: where there are several, the first by name."""
        located = self._located.sort_by([("digest", "ascending"), *_BY_PLACE])
        first = pc.index_in(self._images, value_set=located["digest"].combine_chunks())
        return located.take(first)

    def _pair(self, shown: Pass, images: int) -> np.ndarray:
        """(n,) int64: text and image of a pass as one number, NOWHERE where one is not there."""
        text = image = np.zeros(len(self._table), dtype=np.int64)
        if shown.text:
            text = self._text_positions[shown.text].astype(np.int64)
        if shown.image:
            located = pc.equal(self._table["status"], LOCATED)
            digests = pc.if_else(located, self._table["digest"], pa.scalar(None, pa.string()))
            found = pc.index_in(digests, value_set=self._images)
            image = _to_numbers(pc.fill_null(found, NOWHERE)).astype(np.int64)
        return np.where((text < 0) | (image < 0), NOWHERE, text * images + image)

    def _make_keys(self, text: np.ndarray | None, image: np.ndarray | None) -> np.ndarray:
        """(m,) KEY of items; a content's own digest where a kind sees only one."""
        if image is None:
            return self._text_digests[text]
        images = np.array(self._images.to_pylist(), dtype=KEY)[image]
        if text is None:
            return images
        texts = self._text_digests[text]
        both = (b"%b %b" % pair for pair in zip(texts.tolist(), images.tolist(), strict=True))
        return _digest(both)

    @cached_property
    def _text_digests(self) -> np.ndarray:
        raw = self._texts.cast(pa.binary())
        starts = range(0, len(raw), CHUNK_TEXTS)
        return np.concatenate([_digest(raw.slice(i, CHUNK_TEXTS).to_pylist()) for i in starts])


_PLACE = ["container", "member", "digest"]
_BY_PLACE = [("container", "ascending"), ("member", "ascending")]


def _to_numbers(positions: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """(n,) int32 without nulls; pyarrow's own conversion would import pandas first."""
    chunks = getattr(positions, "chunks", [positions])
    parts = [
        np.frombuffer(part.buffers()[1], np.int32)[part.offset :][: len(part)] for part in chunks
    ]
    return np.concatenate([np.empty(0, np.int32), *parts])


def _digest(contents: Iterable[bytes]) -> np.ndarray:
    """(m,) KEY of contents."""
    raw = (hashlib.blake2b(content, digest_size=KEY_BYTES).digest() for content in contents)
    return np.frombuffer(b"".join(raw).hex().encode(), dtype=KEY)
