"""BLIP, a text encoder and a vision encoder (Li, Li, Xiong and Hoi, 2022).

768 numbers each for title, tags and image. The text encoder reads a text without an image, which it
was trained for with a contrastive loss, so a checkpoint must hold one: those for retrieval
(BlipForImageTextRetrieval) do, those for captions hold a decoder in its place.
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
    from transformers.models.blip.modeling_blip import BlipEncoderLayer

    from fame.features.backbones.shared.encoder import Layer

SPECIAL_TOKENS = 2  # [CLS] and [SEP], which stand around every text
WIDTH, TEXT_POSITIONS, PATCH = 768, 512, 16  # where the checkpoint's config says nothing else
PIXEL_MEAN = [0.48145466, 0.4578275, 0.40821073]
PIXEL_DEVIATION = [0.26862954, 0.26130258, 0.27577711]
# On a CPU, what its caches hold: about a thousand tokens.
AT_ONCE = {"cpu": {"text": 32, "image": 2}, "cuda": {"text": 512, "image": 64}}


class Blip(Backbone):
    """An image that cannot be read masks its own vector only."""

    class Params(BackboneParams):
        """`max_text_tokens` counts the two special tokens; `image_size` is in pixels."""

        kind: Literal["blip"]
        checkpoint: str
        revision: str
        pooling: Literal["mean", "cls"]
        image_size: Annotated[int, Field(ge=16)]
        max_text_tokens: Annotated[int, Field(gt=SPECIAL_TOKENS)]
        dtype: Dtype
        decode: Decode

    reads: ClassVar[str] = "contents"
    passes: ClassVar[tuple[Pass, ...]] = (
        Pass("text", "title", False, {"vector": "title"}),
        Pass("text", "tags", False, {"vector": "tags"}),
        Pass("image", None, True, {"vector": "image"}),
    )
    special_tokens = SPECIAL_TOKENS

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        self._params = params
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as its encoder."""
        text = self._config("text_config").get("hidden_size", WIDTH)
        image = self._config("vision_config").get("hidden_size", WIDTH)
        widths = {"title": text, "tags": text, "image": image}
        return {name: number_columns(name, width) for name, width in widths.items()}

    def fingerprint(self) -> dict[str, Any]:
        """Files of the checkpoint, and all that is done with them."""
        limit = self._config("text_config").get("max_position_embeddings", TEXT_POSITIONS)
        if self._params.max_text_tokens > limit:
            raise InputError(
                "params.yaml: max_text_tokens of the blip backbone: found "
                f"{self._params.max_text_tokens}, but its checkpoint has {limit} positions; "
                f"allowed: {SPECIAL_TOKENS + 1} to {limit}"
            )
        patch = self._config("vision_config").get("patch_size", PATCH)
        if self._params.image_size % patch:
            raise InputError(
                f"params.yaml: image_size of the blip backbone: found {self._params.image_size}; "
                f"allowed: multiples of its checkpoint's patch, {patch}"
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
        key = "params.yaml: checkpoint of the blip backbone"
        return find_checkpoint(self._params.checkpoint, self._params.revision, key)

    def _config(self, part: str) -> dict[str, Any]:
        return self._checkpoint.read_config().get(part) or {}

    def load(self) -> None:
        """The tokenizer and both encoders.

        Raises:
            InputError: the checkpoint lacks weights, or is of another kind of model.
        """
        import torch
        from torch import nn

        import_torchvision()  # where it is installed, transformers imports it
        from transformers import BlipConfig, BlipTextModel, BlipVisionModel

        from fame.features.backbones.shared.encoder import Encoder, Patches, convert_bert_layer

        self._tokenizer = self._checkpoint.open_tokenizer()
        config = self._checkpoint.open_config(BlipConfig, "text_config", "vision_config")
        config.text_config.is_decoder = False  # no cross-attention: no image is read with a text
        reader = BlipTextModel(config.text_config, add_pooling_layer=False)
        self._checkpoint.load(reader, "text_encoder.", "text_model.")
        viewer = BlipVisionModel(config.vision_config)
        self._checkpoint.load(viewer, "vision_model.")
        norm = viewer.post_layernorm
        if self._params.pooling == "cls":
            norm = nn.Sequential(norm, norm)  # as transformers pools
        view = viewer.embeddings
        colours = self._checkpoint.read_colours(PIXEL_MEAN, PIXEL_DEVIATION)
        heads = config.text_config.num_attention_heads
        parts = {
            "words": reader.embeddings,
            "patches": Patches(view.patch_embedding, *colours),
            "text": Encoder(convert_bert_layer(layer, heads) for layer in reader.encoder.layer),
            "image": Encoder(map(convert_vision_layer, viewer.encoder.layers), norm),
        }
        dtype = choose_dtype(self._params.dtype, self._runtime)
        self._parts, self._device = open_model(
            nn.ModuleDict(parts), dtype, self._runtime, compiled=False
        )
        for kind in ("text", "image"):
            self._parts[kind].optimise()
        with torch.inference_mode():
            size = self._params.image_size
            tokens = torch.empty(1, (size // view.patch_size) ** 2 + 1, view.embed_dim)
            positions = view.interpolate_pos_encoding(tokens, size, size)[0].clone()
            positions[:1] += view.class_embedding[0]
            # (1 + patches, width): the class token at its position, then those of the patches.
            self._positions = positions.to(self._device, getattr(torch, dtype))

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_text_tokens`."""
        tokens = self._tokenizer(texts, truncation=True, max_length=self._params.max_text_tokens)
        return [np.array(ids, dtype=np.int32) for ids in tokens["input_ids"]]

    def image_preparer(self) -> Callable[[bytes], np.ndarray]:
        """Pixels are (size, size, 3) uint8: both sides are stretched to the same."""
        return partial(prepare, size=self._params.image_size, draft=self._params.decode == "draft")

    def items_at_once(self, kind: str) -> int:
        """More of short texts than of images."""
        return AT_ONCE[choose_device(self._runtime.device)][kind]

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:
        """(n, width) of the kind's encoder."""
        import torch

        from fame.features.backbones.shared.encoder import Run

        with torch.inference_mode():
            groups = [self._view(items)] if kind == "image" else self._read(items)
            first = 1 if kind == "image" else 0  # the mean of an image is over its patches
            mean = self._params.pooling == "mean"
            runs = [
                Run(len(group), group.shape[1], (first, group.shape[1]) if mean else (0, 1))
                for group in groups
            ]
            rows = torch.cat([group.flatten(0, 1) for group in groups])
            return {"vector": self._parts[kind](rows, runs).cpu().numpy()}

    def _read(self, items: list[Item]) -> "list[torch.Tensor]":
        """Texts of one length each: (n, tokens, width)."""
        import torch

        groups = [list(group) for _, group in groupby(items, key=lambda item: len(item.tokens))]
        tokens = [np.stack([item.tokens for item in group]) for group in groups]
        return [self._parts["words"](torch.from_numpy(t).long().to(self._device)) for t in tokens]

    def _view(self, items: list[Item]) -> "torch.Tensor":
        """(n, 1 + patches, width)."""
        import torch

        patches = self._parts["patches"](np.stack([item.pixels for item in items]))
        first = self._positions[:1].expand(len(items), 1, -1)
        return torch.cat([first, patches + self._positions[1:]], dim=1)


def convert_vision_layer(layer: "BlipEncoderLayer") -> "Layer":
    """A layer of transformers' vision encoder as one of ours."""
    from fame.features.backbones.shared.encoder import Layer, Linear, join

    attention = layer.self_attn
    weight, bias, width = attention.qkv.weight, attention.qkv.bias, attention.embed_dim
    return Layer(
        query=Linear(weight[:width], bias[:width]),
        key_value=Linear(weight[width:], bias[width:]),
        attended=join(attention.projection),
        perceptron=(join(layer.mlp.fc1, gelu=True), join(layer.mlp.fc2)),
        norms=(layer.layer_norm1, layer.layer_norm2),
        heads=attention.num_heads,
        norm_first=True,
    )


def prepare(content: bytes, size: int, draft: bool) -> np.ndarray:
    """The bytes of an image file -> (size, size, 3) uint8.

    Raises:
        UnreadableImageError: the image cannot be decoded.
    """
    from PIL import Image

    from fame.features.images import decode

    image = decode(content, size if draft else None)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))
