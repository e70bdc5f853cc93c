"""ViLT, one transformer that reads text and image together (Kim, Son and Kim, 2021).

768 numbers each for title, tags and image, of three joint passes: the text is pooled over its own
tokens, and the image over its own where the text is the empty one (docs/method.md says why).
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from fame.features.backbones.shared.checkpoint_backbone import CheckpointBackbone, Part
from fame.features.backbones.shared.checkpoints import Checkpoint
from fame.features.backbones.shared.models import (
    CheckpointParams,
    ImageParams,
    TextParams,
    stack_pixels,
    stack_tokens,
)
from fame.features.backbones.shared.weights import number_columns
from fame.features.contract import Column, Item, Pass

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers.models.vilt.modeling_vilt import ViltLayer

    from fame.features.backbones.shared.encoder import Layer

TEXT, IMAGE = 0, 1  # types of a token
LONGEST = 1333 / 800  # of an image's longer side to the shorter one wanted, as it was trained
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
    text = Part(None, {"hidden_size": 768, "max_position_embeddings": 40})
    image = Part(None, {"patch_size": 32})
    at_once: ClassVar = {"cpu": {"joint": 4}, "cuda": {"joint": 64}}
    whole_patches = False  # both sides are cut to them
    _params: Params

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title, tags and image, each as wide as the model."""
        width = self.read_size(self.text, "hidden_size")
        return {name: number_columns(name, width) for name in ("title", "tags", "image")}

    def build(self, checkpoint: Checkpoint, config: Any) -> "dict[str, torch.nn.Module]":
        """The one encoder, and what it sees of texts and images."""
        from transformers import ViltModel

        from fame.features.backbones.shared.encoder import Encoder, Patches

        model = ViltModel(config, add_pooling_layer=False)
        checkpoint.load(model, "vilt.", "")
        embeddings = model.embeddings
        colours = checkpoint.read_colours(PIXEL_MEAN, PIXEL_DEVIATION)
        self._class = embeddings.cls_token.detach()[0]
        self._positions = embeddings.position_embeddings.detach()[0]
        self._grids: dict[tuple[int, int], torch.Tensor] = {}
        layers = (convert_layer(layer, config.hidden_act) for layer in model.encoder.layer)
        return {
            "text": embeddings.text_embeddings,
            "types": embeddings.token_type_embeddings,
            "patches": Patches(embeddings.patch_embeddings.projection, *colours),
            "joint": Encoder(layers, model.layernorm),
        }

    def resizer(self) -> "Callable[[Image.Image], Image.Image]":
        """Both sides are whole patches."""
        patch = self.read_size(self.image, "patch_size")
        return partial(resize, shorter=self._params.image_size, patch=patch)

    def show(self, kind: str, items: list[Item]) -> "torch.Tensor":  # noqa: ARG002
        """Each one's text, then its image."""
        import torch

        tokens = torch.from_numpy(stack_tokens(items)).to(self._device)
        types = self._parts["types"].weight
        text = self._parts["text"](tokens, token_type_ids=torch.zeros_like(tokens)) + types[TEXT]
        pixels = stack_pixels(items)
        side = self._parts["patches"].side
        grid = self._find_positions(pixels.shape[1] // side, pixels.shape[2] // side)
        patches = self._parts["patches"](pixels) + grid[1:]
        first = grid[:1].expand(len(items), 1, -1)
        return torch.cat([text, first + types[IMAGE], patches + types[IMAGE]], dim=1)

    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:  # noqa: ARG002
        """The text's tokens; the image's where the text is the empty one."""
        text = stack_tokens([item]).shape[1]
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


def convert_layer(layer: "ViltLayer", activation: str) -> "Layer":
    """A layer of transformers as one of ours."""
    from fame.features.backbones.shared.encoder import Layer, join

    attention = layer.attention.attention
    return Layer(
        query=join(attention.query),
        key_value=join(attention.key, attention.value),
        attended=join(layer.attention.output.dense),
        perceptron=(
            join(layer.intermediate.dense, activation=activation),
            join(layer.output.dense),
        ),
        norms=(layer.layernorm_before, layer.layernorm_after),
        heads=attention.num_attention_heads,
        norm_first=True,
    )


def resize(image: "Image.Image", shorter: int, patch: int) -> "Image.Image":
    """An RGB image as ViLT's own processor resizes it."""
    from PIL import Image

    size = choose_size(image.width, image.height, shorter, patch)
    return image.resize(size, Image.Resampling.BICUBIC)


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
