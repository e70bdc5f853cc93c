"""BLIP, a text encoder and a vision encoder (Li, Li, Xiong and Hoi, 2022).

768 numbers each for title, tags and image. The text encoder reads a text without an image, which it
was trained for with a contrastive loss, so a checkpoint must hold one: those for retrieval
(BlipForImageTextRetrieval) do, those for captions hold a decoder in its place.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from fame.features.backbones.contract import Item
from fame.features.backbones.shared.architecture import LayerNames, Part
from fame.features.backbones.shared.checkpoint_backbone import TEXT_AND_IMAGE, CheckpointBackbone
from fame.features.backbones.shared.checkpoints import OPENAI_COLOURS
from fame.features.backbones.shared.models import CheckpointParams, ImageParams, TextParams
from fame.features.backbones.shared.weights import number_columns
from fame.features.blocks import Column
from fame.features.resampling import Geometry, whole

if TYPE_CHECKING:
    import torch

TEXT_SIZES = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "vocab_size": 30524,
    "max_position_embeddings": 512,
}
IMAGE_SIZES = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "image_size": 384,
    "patch_size": 16,
}
IMAGE_LAYER = LayerNames(
    attention=("self_attn.qkv",),
    attended="self_attn.projection",
    perceptron=("mlp.fc1", "mlp.fc2"),
    norms=("layer_norm1", "layer_norm2"),
)


class Blip(CheckpointBackbone):
    """An image that cannot be read masks its own vector only."""

    class Params(CheckpointParams, TextParams, ImageParams):
        """`image_size` is that of both sides."""

        kind: Literal["blip"]
        pooling: Literal["mean", "cls"]

    passes = TEXT_AND_IMAGE
    model_type = "blip"
    text = Part(("text_config",), TEXT_SIZES)
    image = Part(("vision_config",), IMAGE_SIZES)
    at_once: ClassVar = {"text": 32, "image": 2}
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as its encoder."""
        parts = {"title": self.text, "tags": self.text, "image": self.image}
        widths = {name: self.read_sizes(part)["hidden_size"] for name, part in parts.items()}
        return {name: number_columns(name, width) for name, width in widths.items()}

    def build(self) -> "dict[str, torch.nn.Module]":
        """Both encoders, and what each sees."""
        from fame.features.backbones.shared.layers import make_bert, make_bert_words

        sizes = self.read_sizes(self.text)
        with self.read_weights("text_encoder.", "text_model.") as weights:
            words = make_bert_words(weights.under("embeddings."), sizes)
            read = make_bert(weights, sizes)
        return {"words": words, "text": read, **self._build_viewer()}

    def _build_viewer(self) -> "dict[str, torch.nn.Module]":
        from torch import nn

        from fame.features.backbones.shared.encoder import Encoder, Grid
        from fame.features.backbones.shared.layers import make_layers

        sizes = self.read_sizes(self.image)
        width, side = sizes["hidden_size"], sizes["patch_size"]
        places = 1 + (sizes["image_size"] // side) ** 2
        colours = self._checkpoint.read_colours(*OPENAI_COLOURS)
        with self.read_weights("vision_model.") as weights:
            seen, layers = weights.under("embeddings."), weights.under("encoder.layers.")
            grid = Grid(
                seen.patches("patch_embedding", width, side, colours),
                seen.take("position_embedding", 1, places, width)[0],
                seen.take("class_embedding", 1, 1, width)[0],
                self._params.image_size,
            )
            norm: nn.Module = weights.norm("post_layernorm", width, sizes["layer_norm_eps"])
            if self._params.pooling == "cls":
                norm = nn.Sequential(norm, norm)  # as transformers pools
            viewed = make_layers(layers, IMAGE_LAYER, sizes, norm_first=True)
            return {"grid": grid, "image": Encoder(viewed, norm)}

    def planner(self) -> Callable[[int, int], Geometry]:
        """Both sides are stretched to the same, as by BLIP's own processor."""
        return partial(whole, size=(self._params.image_size,) * 2)

    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:  # noqa: ARG002
        """The class token, or all; the mean of an image is over its patches."""
        if self._params.pooling == "cls":
            return 0, 1
        return (1 if kind == "image" else 0), length
