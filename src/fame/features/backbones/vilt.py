"""ViLT, one transformer that reads text and image together (Kim, Son and Kim, 2021).

768 numbers each for title, tags and image, of three joint passes: the text is pooled over its own
tokens, and the image over its own where the text is the empty one (docs/method.md says why).
"""

from collections.abc import Callable
from functools import cached_property, partial
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.features.backbones.shared.checkpoints import Checkpoint, find_checkpoint
from fame.features.backbones.shared.weights import (
    Decode,
    Dtype,
    choose_dtype,
    number_columns,
    open_model,
)
from fame.features.contract import Backbone, Column, Item, Pass
from fame.params import BackboneParams, RuntimeParams
from fame.runtime.devices import choose_device, import_torchvision
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers.models.vilt.modeling_vilt import ViltLayer

    from fame.features.backbones.shared.encoder import Layer, Run

MODALITIES = ("title", "tags", "image")
SPECIAL_TOKENS = 2  # [CLS] and [SEP], which stand around every text
TEXT, IMAGE = 0, 1  # types of a token
LONGEST = 1333 / 800  # of an image's longer side to the shorter one wanted, as it was trained
PIXEL_MEAN, PIXEL_DEVIATION = [0.5] * 3, [0.5] * 3  # where the checkpoint says nothing else


class Vilt(Backbone):
    """An image that cannot be read masks all three vectors, a missing text only its own."""

    class Params(BackboneParams):
        """`max_text_tokens` counts the two special tokens; `image_size` is in pixels."""

        kind: Literal["vilt"]
        checkpoint: str
        revision: str
        pooling: Literal["mean", "cls"]
        image_size: Annotated[int, Field(ge=32)]
        max_text_tokens: Annotated[int, Field(gt=SPECIAL_TOKENS)]
        dtype: Dtype
        decode: Decode

    reads: ClassVar[str] = "contents"
    passes: ClassVar[tuple[Pass, ...]] = (
        Pass("joint", "title", True, {"vector": "title"}),
        Pass("joint", "tags", True, {"vector": "tags"}),
        Pass("joint", "", True, {"vector": "image"}),
    )
    special_tokens = SPECIAL_TOKENS

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        self._params = params
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as the model."""
        width = self._config.get("hidden_size", 768)
        return {name: number_columns(name, width) for name in MODALITIES}

    def fingerprint(self) -> dict[str, Any]:
        """Files of the checkpoint, and all that is done with them."""
        limit = self._config.get("max_position_embeddings", 40)
        if self._params.max_text_tokens > limit:
            raise InputError(
                "params.yaml: max_text_tokens of the vilt backbone: found "
                f"{self._params.max_text_tokens}, but its checkpoint has {limit} positions; "
                f"allowed: {SPECIAL_TOKENS + 1} to {limit}"
            )
        names = {"pooling", "image_size", "max_text_tokens", "decode"}
        chosen = self._params.model_dump(include=names)
        dtype = choose_dtype(self._params.dtype, self._runtime)
        return {**self._checkpoint.fingerprint(), **chosen, "dtype": dtype}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return self._checkpoint.note()

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        key = "params.yaml: checkpoint of the vilt backbone"
        return find_checkpoint(self._params.checkpoint, self._params.revision, key)

    @cached_property
    def _config(self) -> dict[str, Any]:
        return self._checkpoint.read_config()

    def load(self) -> None:
        """The tokenizer and the model.

        Raises:
            InputError: the checkpoint lacks weights, or is of another kind of model.
        """
        from torch import nn

        import_torchvision()  # where it is installed, transformers imports it
        from transformers import ViltConfig, ViltModel

        from fame.features.backbones.shared.encoder import Encoder, Patches

        self._tokenizer = self._checkpoint.open_tokenizer()
        config = self._checkpoint.open_config(ViltConfig)
        model = ViltModel(config, add_pooling_layer=False)
        self._checkpoint.load(model, "vilt.", "")
        embeddings = model.embeddings
        colours = self._checkpoint.read_colours(PIXEL_MEAN, PIXEL_DEVIATION)
        parts = {
            "text": embeddings.text_embeddings,
            "types": embeddings.token_type_embeddings,
            "patches": Patches(embeddings.patch_embeddings.projection, *colours),
            "encoder": Encoder(map(convert_layer, model.encoder.layer), model.layernorm),
        }
        dtype = choose_dtype(self._params.dtype, self._runtime)
        self._parts, self._device = open_model(
            nn.ModuleDict(parts), dtype, self._runtime, compiled=False
        )
        self._parts["encoder"].optimise()
        self._class, self._positions = embeddings.cls_token.detach(), embeddings.position_embeddings
        self._grids: dict[tuple[int, int], torch.Tensor] = {}

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_text_tokens`."""
        tokens = self._tokenizer(texts, truncation=True, max_length=self._params.max_text_tokens)
        return [np.array(ids, dtype=np.int32) for ids in tokens["input_ids"]]

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """Pixels are (height, width, 3) uint8, both sides whole patches."""
        patch = self._config.get("patch_size", 32)
        draft = self._params.decode == "draft"
        return partial(prepare, shorter=self._params.image_size, patch=patch, draft=draft)

    def items_at_once(self, kind: str) -> int:  # noqa: ARG002
        """On a CPU some 800 tokens, which its caches hold."""
        return 4 if choose_device(self._runtime.device) == "cpu" else 64

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:  # noqa: ARG002
        """(n, width): of the text's tokens; of the image's where the text is the empty one."""
        import torch

        with torch.inference_mode():
            runs = [list(group) for _, group in groupby(items, key=_size)]
            rows = torch.cat([self._join(group) for group in runs])
            described = [self._describe(group) for group in runs]
            return {"vector": self._parts["encoder"](rows, described).cpu().numpy()}

    def _join(self, items: list[Item]) -> "torch.Tensor":
        """Items of one size -> (tokens, width): each one's text, then its image."""
        import torch

        tokens = torch.from_numpy(np.stack([item.tokens for item in items])).long()
        tokens = tokens.to(self._device)
        types = self._parts["types"].weight
        text = self._parts["text"](tokens, token_type_ids=torch.zeros_like(tokens)) + types[TEXT]
        pixels = np.stack([item.pixels for item in items])
        side = self._parts["patches"].side
        grid = self._find_positions(pixels.shape[1] // side, pixels.shape[2] // side)
        patches = self._parts["patches"](pixels) + grid[1:]
        first = grid[:1].expand(len(items), 1, -1)
        return torch.cat([text, first + types[IMAGE], patches + types[IMAGE]], dim=1).flatten(0, 1)

    def _describe(self, items: list[Item]) -> "Run":
        from fame.features.backbones.shared.encoder import Run

        text, side = len(items[0].tokens), self._parts["patches"].side
        height, width, _ = items[0].pixels.shape
        length = text + 1 + (height // side) * (width // side)
        start, stop = (0, text) if text > SPECIAL_TOKENS else (text, length)
        if self._params.pooling == "cls":
            stop = start + 1
        return Run(len(items), length, (start, stop))

    def _find_positions(self, rows: int, columns: int) -> "torch.Tensor":
        """(1 + rows x columns, width): the class token at its position, then the grid's.

        The learnt grid is stretched over the image's, as transformers does.
        """
        import torch
        from torch.nn import functional

        if (rows, columns) not in self._grids:
            learnt = self._positions.detach()[0]
            side = round((len(learnt) - 1) ** 0.5)
            square = learnt[1:].T.reshape(1, -1, side, side)
            grid = functional.interpolate(
                square, size=(rows, columns), mode="bilinear", align_corners=True
            )
            both = torch.cat([self._class[0] + learnt[:1], grid[0].flatten(1).T])
            self._grids[rows, columns] = both.to(self._device, self._parts["types"].weight.dtype)
        return self._grids[rows, columns]


def convert_layer(layer: "ViltLayer") -> "Layer":
    """A layer of transformers as one of ours."""
    from fame.features.backbones.shared.encoder import Layer, join

    attention = layer.attention.attention
    return Layer(
        query=join(attention.query),
        key_value=join(attention.key, attention.value),
        attended=join(layer.attention.output.dense),
        perceptron=(join(layer.intermediate.dense, gelu=True), join(layer.output.dense)),
        norms=(layer.layernorm_before, layer.layernorm_after),
        heads=attention.num_attention_heads,
        norm_first=True,
    )


def prepare(content: bytes, shorter: int, patch: int, draft: bool) -> np.ndarray:
    """The bytes of an image file -> (height, width, 3) uint8.

    Raises:
        UnreadableImageError: the image cannot be decoded.
    """
    from PIL import Image

    from fame.features.images import decode

    image = decode(content, shorter if draft else None)
    size = choose_size(image.width, image.height, shorter, patch)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def choose_size(width: int, height: int, shorter: int, patch: int) -> tuple[int, int]:
    """Width and height, whole patches, that ViLT's own processor gives an image.

    The shorter side is ``shorter`` unless the other would exceed LONGEST times as much. A strip so
    thin that nothing would be left of it is one patch high.
    """
    scale = shorter / min(width, height)
    longest = int(LONGEST * shorter)
    sides = [scale * side for side in (width, height)]
    if max(sides) > longest:
        sides = [longest / max(sides) * side for side in sides]
    return tuple(max(int(side + 0.5) // patch, 1) * patch for side in sides)


def _size(item: Item) -> tuple[int, ...]:
    return (*item.pixels.shape, len(item.tokens))
