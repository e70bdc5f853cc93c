"""CLIP, a text and a vision encoder trained to agree (Radford et al., 2021), OpenCLIP's too.

A text's vector is of the token that ends it, an image's of its class token. With `projection` both
are brought into the space in which CLIP compares them; without it they are the encoders' own.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from fame.features.backbones.contract import Item
from fame.features.backbones.shared.architecture import LayerNames, Part
from fame.features.backbones.shared.checkpoint_backbone import TEXT_AND_IMAGE, CheckpointBackbone
from fame.features.backbones.shared.checkpoints import CONFIG, OPENAI_COLOURS
from fame.features.backbones.shared.models import CheckpointParams, ImageParams, TextParams
from fame.features.backbones.shared.weights import number_columns
from fame.features.blocks import Column
from fame.features.resampling import Geometry
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

TEXT_SIZES = {
    "hidden_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}
IMAGE_SIZES = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "image_size": 224,
    "patch_size": 32,
}
LAYER = LayerNames(
    attention=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    attended="self_attn.out_proj",
    perceptron=("mlp.fc1", "mlp.fc2"),
    norms=("layer_norm1", "layer_norm2"),
)
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
    # The blocks of older checkpoints count before the others.
    text = Part(("text_config_dict", "text_config"), TEXT_SIZES)
    image = Part(("vision_config_dict", "vision_config"), IMAGE_SIZES)
    at_once: ClassVar = {"text": 32, "image": 4}
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image: each as wide as its encoder, or all as the projection."""
        parts = {"title": self.text, "tags": self.text, "image": self.image}
        widths = {name: self.read_sizes(part)["hidden_size"] for name, part in parts.items()}
        if self._params.projection:
            widths = dict.fromkeys(parts, self._projected_width)
        return {name: number_columns(name, width) for name, width in widths.items()}

    def build(self) -> "dict[str, torch.nn.Module]":
        """Both encoders, and what each sees."""
        self._end = self._choose_end(self.read_sizes(self.text)["eos_token_id"])
        return {**self._build_reader(), **self._build_viewer()}

    def _build_reader(self) -> "dict[str, torch.nn.Module]":
        from fame.features.backbones.shared.encoder import Encoder
        from fame.features.backbones.shared.layers import Words, make_layers

        sizes = self.read_sizes(self.text)
        width, positions = sizes["hidden_size"], sizes["max_position_embeddings"]
        with self.read_weights("text_model.") as weights:
            seen, layers = weights.under("embeddings."), weights.under("encoder.layers.")
            words = Words(
                seen.take("token_embedding.weight", sizes["vocab_size"], width),
                seen.take("position_embedding.weight", positions, width),
            )
            norm = weights.norm("final_layer_norm", width, sizes["layer_norm_eps"])
            read = make_layers(layers, LAYER, sizes, norm_first=True, causal=True)
        return {"words": words, "text": Encoder(read, self._project("text", norm, width))}

    def _build_viewer(self) -> "dict[str, torch.nn.Module]":
        from torch import nn

        from fame.features.backbones.shared.encoder import Encoder, Grid
        from fame.features.backbones.shared.layers import make_layers

        sizes = self.read_sizes(self.image)
        width, side, epsilon = (sizes[n] for n in ("hidden_size", "patch_size", "layer_norm_eps"))
        places = 1 + (sizes["image_size"] // side) ** 2
        colours = self._checkpoint.read_colours(*OPENAI_COLOURS)
        with self.read_weights("vision_model.") as weights:
            seen, layers = weights.under("embeddings."), weights.under("encoder.layers.")
            grid = Grid(
                seen.patches("patch_embedding", width, side, colours, bias=False),
                seen.take("position_embedding.weight", places, width),
                seen.take("class_embedding", width)[None],
                self._params.image_size,
            )
            grid = nn.Sequential(grid, weights.norm("pre_layrnorm", width, epsilon))
            norm = weights.norm("post_layernorm", width, epsilon)
            viewed = make_layers(layers, LAYER, sizes, norm_first=True)
        return {"grid": grid, "image": Encoder(viewed, self._project("visual", norm, width))}

    def _project(self, name: str, norm: "torch.nn.Module", width: int) -> "torch.nn.Module":
        """The norm over an encoder, and its projection if wanted."""
        from torch import nn

        if not self._params.projection:
            return norm
        shape = (self._projected_width, width)
        with self.read_weights(f"{name}_projection.") as weights:
            return nn.Sequential(norm, weights.projection("weight", shape))

    @property
    def _projected_width(self) -> int:
        return self._checkpoint.read_config().get("projection_dim", PROJECTED_WIDTH)

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

    def _choose_end(self, end: int) -> int | None:
        """The id that ends a text; None: the highest one does."""
        if end == LEGACY_END:
            return None
        [given] = super().tokenize([""])
        if end not in given:
            raise InputError(
                f"checkpoint {self._params.checkpoint}: its {CONFIG} ends a text with token "
                f"{end!r}, its tokenizer with {given[-1]}; allowed: the same in both"
            )
        return end


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
