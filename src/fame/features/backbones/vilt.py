"""ViLT, one transformer that reads text and image together (Kim, Son and Kim, 2021).

768 numbers each for title, tags and image, of three joint passes: the text is pooled over its own
tokens, and the image over its own where the text is the empty one (docs/method.md says why).
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.features.backbones.contract import Item, Pass
from fame.features.backbones.shared.architecture import BERT_SIZES, LayerNames, Part
from fame.features.backbones.shared.checkpoint_backbone import CheckpointBackbone
from fame.features.backbones.shared.models import (
    CheckpointParams,
    ImageParams,
    TextParams,
    join_tokens,
    open_pixels,
)
from fame.features.backbones.shared.weights import number_columns
from fame.features.blocks import Column
from fame.features.resampling import Decoded, Geometry, whole
from fame.runtime import devices

if TYPE_CHECKING:
    import torch

TEXT, IMAGE = 0, 1  # types of a token
LONGEST = 1333 / 800  # of an image's longer side to the shorter one wanted, as it was trained
SIZES = {
    **BERT_SIZES,
    "max_position_embeddings": 40,
    "image_size": 384,
    "patch_size": 32,
    "modality_type_vocab_size": 2,
    "qkv_bias": True,
}
LAYER = LayerNames(
    attention=("attention.attention.query", "attention.attention.key", "attention.attention.value"),
    attended="attention.output.dense",
    perceptron=("intermediate.dense", "output.dense"),
    norms=("layernorm_before", "layernorm_after"),
)
PIXEL_MEAN, PIXEL_DEVIATION = [0.5] * 3, [0.5] * 3  # where the checkpoint says nothing else


class Vilt(CheckpointBackbone):
    """An image that cannot be read masks all three vectors, a missing text only its own."""

    class Params(CheckpointParams, TextParams, ImageParams):
        """`image_size` is that of the shorter side."""

        kind: Literal["vilt"]
        pooling: Literal["mean", "cls"]
        image_size: Annotated[int, Field(ge=32)]

    passes: ClassVar[tuple[Pass, ...]] = (
        Pass("joint", "title", True, {"vector": "title"}),
        Pass("joint", "tags", True, {"vector": "tags"}),
        Pass("joint", "", True, {"vector": "image"}),
    )
    model_type = "vilt"
    text = image = Part((), SIZES)
    at_once: ClassVar = {"joint": 4}
    whole_patches = False  # both sides are cut to them
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as the model."""
        width = self.read_sizes(self.text)["hidden_size"]
        return {name: number_columns(name, width) for name in ("title", "tags", "image")}

    @property
    def pixel_bytes(self) -> int:
        """Of an image as long as it may be."""
        return int(LONGEST * super().pixel_bytes)

    def build(self) -> "dict[str, torch.nn.Module]":
        """The one encoder, and what it sees of texts and images."""
        from torch import nn

        from fame.features.backbones.shared.encoder import Encoder
        from fame.features.backbones.shared.layers import make_bert_words, make_layers

        sizes = self.read_sizes(self.text)
        width, side = sizes["hidden_size"], sizes["patch_size"]
        places = (sizes["image_size"] // side) ** 2
        colours = self._checkpoint.read_colours(PIXEL_MEAN, PIXEL_DEVIATION)
        self._grids: dict[tuple[int, int], torch.Tensor] = {}
        with self.read_weights("vilt.", "") as weights:
            seen, layers = weights.under("embeddings."), weights.under("encoder.layer.")
            self._class = seen.take("cls_token", 1, 1, width)[0].cpu()
            self._positions = seen.take("position_embeddings", 1, 1 + places, width)[0].cpu()
            types = (sizes["modality_type_vocab_size"], width)
            bias = sizes["qkv_bias"]
            return {
                "text": make_bert_words(seen.under("text_embeddings."), sizes),
                "types": nn.Embedding.from_pretrained(
                    seen.take("token_type_embeddings.weight", *types)
                ),
                "patches": seen.patches("patch_embeddings.projection", width, side, colours),
                "joint": Encoder(
                    make_layers(layers, LAYER, sizes, norm_first=True, bias=bias),
                    weights.norm("layernorm", width, sizes["layer_norm_eps"]),
                ),
            }

    def planner(self) -> Callable[[int, int], Geometry]:
        """Both sides are whole patches."""
        return partial(plan, shorter=self._params.image_size, patch=self._side)

    def show(self, kind: str, items: list[Item]) -> "tuple[torch.Tensor, list[int]]":  # noqa: ARG002
        """Each one's text, then its image, whose patches are embedded once for all its items."""
        import torch

        text = self._parts["text"](*join_tokens(items, self._device))
        seen = {id(item.pixels): item.pixels for item in items}
        images = [pixels for pixels in seen.values() if pixels is not None]
        shapes = [(high // self._side, wide // self._side) for high, wide, _ in map(_shape, images)]
        embed = self._parts["patches"]
        # Those of one shape follow each other.
        groups = (list(group) for _, group in groupby(images, key=_shape))
        cut = [embed.cut(open_pixels(group, self._device)).flatten(0, 1) for group in groups]
        patches = embed(torch.cat(cut))
        grids = torch.cat([self._find_positions(*shape)[1:] for shape in shapes])
        first = self._find_positions(*shapes[0])[:1]
        types = self._parts["types"].weight
        # A matrix of what is seen, the class token between texts and patches; items point into it.
        rows = torch.cat([text + types[TEXT], first + types[IMAGE], patches + grids + types[IMAGE]])
        places = point(items, {key: place for place, key in enumerate(seen)}, shapes)
        return rows[devices.send(np.concatenate(places), self._device)], [
            len(one) for one in places
        ]

    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:  # noqa: ARG002
        """The text's tokens; the image's where the text is the empty one."""
        assert item.tokens is not None
        text = len(item.tokens)
        start, stop = (0, text) if text > self.special_tokens else (text, length)
        return (start, start + 1) if self._params.pooling == "cls" else (start, stop)

    def _find_positions(self, rows: int, columns: int) -> "torch.Tensor":
        """(1 + rows x columns, width): the class token at its position, then the grid's.

        The learnt grid is stretched over the image's, as transformers does.
        """
        import torch
        from torch.nn import functional

        if (rows, columns) not in self._grids:
            learnt = self._positions
            side = round((len(learnt) - 1) ** 0.5)
            square = learnt[1:].T.reshape(1, -1, side, side)
            grid = functional.interpolate(
                square, size=(rows, columns), mode="bilinear", align_corners=True
            )
            both = torch.cat([self._class + learnt[:1], grid[0].flatten(1).T])
            self._grids[rows, columns] = both.to(self._device, self._parts["types"].weight.dtype)
        return self._grids[rows, columns]


def point(
    items: list[Item], images: dict[int, int], shapes: list[tuple[int, int]]
) -> list[np.ndarray]:
    """Each item's rows in the matrix of all texts, the class token and all images' patches.

    Args:
        items: in the order of their texts.
        images: id of an item's pixels -> its number among the images.
        shapes: rows and columns of each image's patches.
    """
    texts = np.cumsum([0, *(0 if item.tokens is None else len(item.tokens) for item in items)])
    classes = texts[-1]
    patches = classes + 1 + np.cumsum([0, *(rows * columns for rows, columns in shapes)])
    places = []
    for item, start, stop in zip(items, texts, texts[1:], strict=False):
        image = images[id(item.pixels)]
        parts = np.arange(start, stop), [classes], np.arange(*patches[image : image + 2])
        places.append(np.concatenate(parts))
    return places


def plan(width: int, height: int, shorter: int, patch: int) -> Geometry:
    """An image as ViLT's own processor resizes it."""
    return whole(width, height, choose_size(width, height, shorter, patch))


def _shape(image: "np.ndarray | torch.Tensor | Decoded") -> tuple[int, ...]:
    return tuple(image.shape)


def choose_size(width: int, height: int, shorter: int, patch: int) -> tuple[int, int]:
    """Width and height, whole patches, that ViLT's own processor gives an image.

    The shorter side is ``shorter`` unless the other would exceed LONGEST times as much. A strip so
    thin that nothing would be left of it is one patch high.
    """
    scale = shorter / min(width, height)
    longest = int(LONGEST * shorter)
    sides = scale * width, scale * height
    if max(sides) > longest:
        shrunk = longest / max(sides)
        sides = shrunk * sides[0], shrunk * sides[1]
    wide, high = (max(int(side + 0.5) // patch, 1) * patch for side in sides)
    return wide, high
