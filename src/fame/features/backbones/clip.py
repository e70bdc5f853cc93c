"""CLIP, a text and a vision encoder trained to agree (Radford et al., 2021), OpenCLIP's too.

A text's vector is of the token that ends it, an image's of its class token. With `projection` both
are brought into the space in which CLIP compares them; without it they are the encoders' own.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fame.features.backbones.shared.checkpoint_backbone import (
    TEXT_AND_IMAGE,
    CheckpointBackbone,
    Part,
)
from fame.features.backbones.shared.checkpoints import CONFIG, OPENAI_COLOURS, Checkpoint
from fame.features.backbones.shared.models import CheckpointParams, ImageParams, TextParams
from fame.features.backbones.shared.weights import number_columns
from fame.features.contract import Column, Item
from fame.features.resampling import Geometry
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers.models.clip.modeling_clip import CLIPEncoderLayer

    from fame.features.backbones.shared.encoder import Layer

PROJECTED_WIDTH = 512  # where the checkpoint says nothing else
# What older configurations call the end of a text, though the token of the highest id ends it.
LEGACY_END = 2
LONGEST = 16  # times as long as wide: of a thinner strip, only the middle is resized


class Clip(CheckpointBackbone):
    """An image that cannot be read masks its own vector only."""

    class Params(CheckpointParams, TextParams, ImageParams):
        """`image_size` is that of both sides; `projection` is explained above."""

        kind: Literal["clip"]
        projection: bool

    passes = TEXT_AND_IMAGE
    model_type = "clip"
    text = Part("text_config", {"hidden_size": 512, "max_position_embeddings": 77})
    image = Part("vision_config", {"hidden_size": 768, "patch_size": 32})
    at_once: ClassVar = {"text": 32, "image": 4}
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image: each as wide as its encoder, or all as the projection."""
        parts = {"title": self.text, "tags": self.text, "image": self.image}
        widths = {name: self.read_size(part, "hidden_size") for name, part in parts.items()}
        if self._params.projection:
            projected = self._checkpoint.read_config().get("projection_dim", PROJECTED_WIDTH)
            widths = dict.fromkeys(parts, projected)
        return {name: number_columns(name, width) for name, width in widths.items()}

    def build(self, checkpoint: Checkpoint, config: Any) -> "dict[str, torch.nn.Module]":
        """Both encoders, and what each sees."""
        from torch import nn
        from transformers import CLIPModel

        from fame.features.backbones.shared.encoder import Encoder, Grid

        self._end = self._choose_end(config.text_config.eos_token_id)
        model = CLIPModel(config)
        reader, viewer = model.text_model, model.vision_model
        checkpoint.load(reader, "text_model.")
        checkpoint.load(viewer, "vision_model.")
        norms: list[nn.Module] = [reader.final_layer_norm, viewer.post_layernorm]
        if self._params.projection:
            checkpoint.load(model.text_projection, "text_projection.")
            checkpoint.load(model.visual_projection, "visual_projection.")
            projections = model.text_projection, model.visual_projection
            norms = [nn.Sequential(*pair) for pair in zip(norms, projections, strict=True)]
        colours = checkpoint.read_colours(*OPENAI_COLOURS)
        grid = Grid(viewer.embeddings, self._params.image_size, colours)
        read = (convert_layer(layer, causal=True) for layer in reader.encoder.layers)
        viewed = (convert_layer(layer, causal=False) for layer in viewer.encoder.layers)
        return {
            "words": reader.embeddings,
            "grid": nn.Sequential(grid, viewer.pre_layrnorm),
            "text": Encoder(read, norms[0]),
            "image": Encoder(viewed, norms[1]),
        }

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Cut after the token that ends a text: none before it sees what follows."""
        tokens = super().tokenize(texts)
        ends = [(ids if self._end is None else ids == self._end).argmax() for ids in tokens]
        return [ids[: end + 1] for ids, end in zip(tokens, ends, strict=True)]

    def planner(self) -> Callable[[int, int], Geometry]:
        """The shorter side is resized, and the central square cut out."""
        return partial(plan, size=self._params.image_size)

    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:  # noqa: ARG002
        """The class token of an image, the end of a text."""
        return (0, 1) if kind == "image" else (length - 1, length)

    def _choose_end(self, end: Any) -> int | None:
        """The id that ends a text; None: the highest one does."""
        if end == LEGACY_END:
            return None
        given = self._tokenizer("")["input_ids"]
        if end not in given:
            raise InputError(
                f"checkpoint {self._params.checkpoint}: its {CONFIG} ends a text with token "
                f"{end!r}, its tokenizer with {given[-1]}; allowed: the same in both"
            )
        return end


def convert_layer(layer: "CLIPEncoderLayer", causal: bool) -> "Layer":
    """A layer of transformers as one of ours."""
    from fame.features.backbones.shared.encoder import Layer, join

    attention, activation = layer.self_attn, layer.mlp.config.hidden_act
    return Layer(
        query=join(attention.q_proj),
        key_value=join(attention.k_proj, attention.v_proj),
        attended=join(attention.out_proj),
        perceptron=(join(layer.mlp.fc1, activation=activation), join(layer.mlp.fc2)),
        norms=(layer.layer_norm1, layer.layer_norm2),
        heads=attention.num_heads,
        norm_first=True,
        causal=causal,
    )


def plan(width: int, height: int, size: int) -> Geometry:
    """The central square of an image, as CLIP's own processor makes it."""
    longest = LONGEST * min(width, height)
    part = cut_centre(width, height, min(width, longest), min(height, longest))
    width, height = part[2] - part[0], part[3] - part[1]
    shorter = min(width, height)
    resized = width * size // shorter, height * size // shorter
    return Geometry(part, (0, 0, width, height), resized, cut_centre(*resized, size, size))


def cut_centre(width: int, height: int, wide: int, high: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the middle, ``wide`` and ``high``."""
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high
