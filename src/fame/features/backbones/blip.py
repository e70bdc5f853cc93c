"""BLIP, a text encoder and a vision encoder (Li, Li, Xiong and Hoi, 2022).

768 numbers each for title, tags and image. The text encoder reads a text without an image, which it
was trained for with a contrastive loss, so a checkpoint must hold one: those for retrieval
(BlipForImageTextRetrieval) do, those for captions hold a decoder in its place.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from fame.features.backbones.shared.checkpoint_backbone import (
    TEXT_AND_IMAGE,
    CheckpointBackbone,
    Part,
)
from fame.features.backbones.shared.checkpoints import OPENAI_COLOURS, Checkpoint
from fame.features.backbones.shared.models import CheckpointParams, ImageParams, TextParams
from fame.features.backbones.shared.weights import number_columns
from fame.features.contract import Column, Item
from fame.features.resampling import Geometry, whole

if TYPE_CHECKING:
    import torch
    from transformers.models.blip.modeling_blip import BlipEncoderLayer

    from fame.features.backbones.shared.encoder import Layer


class Blip(CheckpointBackbone):
    """An image that cannot be read masks its own vector only."""

    class Params(CheckpointParams, TextParams, ImageParams):
        """`image_size` is that of both sides."""

        kind: Literal["blip"]
        pooling: Literal["mean", "cls"]

    passes = TEXT_AND_IMAGE
    model_type = "blip"
    text = Part("text_config", {"hidden_size": 768, "max_position_embeddings": 512})
    image = Part("vision_config", {"hidden_size": 768, "patch_size": 16})
    at_once: ClassVar = {"text": 32, "image": 2}
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as its encoder."""
        parts = {"title": self.text, "tags": self.text, "image": self.image}
        widths = {name: self.read_size(part, "hidden_size") for name, part in parts.items()}
        return {name: number_columns(name, width) for name, width in widths.items()}

    def build(self, checkpoint: Checkpoint, config: Any) -> "dict[str, torch.nn.Module]":
        """Both encoders, and what each sees."""
        from torch import nn
        from transformers import BlipTextModel, BlipVisionModel

        from fame.features.backbones.shared.encoder import Encoder, Grid, convert_bert_layer

        config.text_config.is_decoder = False  # no cross-attention: no image is read with a text
        reader = BlipTextModel(config.text_config, add_pooling_layer=False)
        checkpoint.load(reader, "text_encoder.", "text_model.")
        viewer = BlipVisionModel(config.vision_config)
        checkpoint.load(viewer, "vision_model.")
        norm: nn.Module = viewer.post_layernorm
        if self._params.pooling == "cls":
            norm = nn.Sequential(norm, norm)  # as transformers pools
        colours = checkpoint.read_colours(*OPENAI_COLOURS)
        read = (convert_bert_layer(layer, config.text_config) for layer in reader.encoder.layer)
        activation = config.vision_config.hidden_act
        layers = cast("Iterable[BlipEncoderLayer]", viewer.encoder.layers)
        viewed = (convert_vision_layer(layer, activation) for layer in layers)
        return {
            "words": reader.embeddings,
            "grid": Grid(viewer.embeddings, self._params.image_size, colours),
            "text": Encoder(read),
            "image": Encoder(viewed, norm),
        }

    def planner(self) -> Callable[[int, int], Geometry]:
        """Both sides are stretched to the same, as by BLIP's own processor."""
        return partial(whole, size=(self._params.image_size,) * 2)

    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:  # noqa: ARG002
        """The class token, or all; the mean of an image is over its patches."""
        if self._params.pooling == "cls":
            return 0, 1
        return (1 if kind == "image" else 0), length


def convert_vision_layer(layer: "BlipEncoderLayer", activation: str) -> "Layer":
    """A layer of transformers' vision encoder as one of ours."""
    from fame.features.backbones.shared.encoder import Layer, Linear, join

    attention = layer.self_attn
    weight, bias, width = attention.qkv.weight, attention.qkv.bias, attention.embed_dim
    return Layer(
        query=Linear(weight[:width], bias[:width]),
        key_value=Linear(weight[width:], bias[width:]),
        attended=join(attention.projection),
        perceptron=(join(layer.mlp.fc1, activation=activation), join(layer.mlp.fc2)),
        norms=(layer.layer_norm1, layer.layer_norm2),
        heads=attention.num_heads,
        norm_first=True,
    )
