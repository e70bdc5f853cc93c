"""The base class of a backbone whose weights are a checkpoint of the model hub, or a folder of one.

It finds the checkpoint and records it, checks the parameters against it, tokenises, reads images
and runs batches. A backbone says which passes it makes and what is special to its model: its
columns, its parts, and which tokens make the vector.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fame.features.backbones.shared.checkpoints import Checkpoint, find_checkpoint
from fame.features.backbones.shared.models import (
    SPECIAL_TOKENS,
    CheckpointParams,
    choose_dtype,
    join_tokens,
    open_model,
    open_pixels,
)
from fame.features.contract import Backbone, Item, Pass, Preparer
from fame.features.resampling import Geometry
from fame.params import RuntimeParams
from fame.runtime.devices import choose_device, import_torchvision
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

# Of a model that reads a text without an image, and the other way round.
TEXT_AND_IMAGE = (
    Pass("text", "title", False, {"vector": "title"}),
    Pass("text", "tags", False, {"vector": "tags"}),
    Pass("image", None, True, {"vector": "image"}),
)
POSITIONS, PATCH = "max_position_embeddings", "patch_size"  # names in config.json
TOKENS_AT_ONCE = 65_536  # of a batch on a GPU, whose launches then take less than its arithmetic
# Parameters that name weights or say how they are used; the fingerprint has what they resolve to.
RESOLVED = {"kind", "reads", "checkpoint", "revision", "dtype"}


@dataclass(frozen=True)
class Part:
    """What config.json says of an encoder.

    Attributes:
        key: of its block; None where it is the file itself.
        defaults: sizes where it says nothing, those of transformers.
    """

    key: str | None
    defaults: Mapping[str, int]


class CheckpointBackbone(Backbone):
    """A model of a checkpoint that reads texts, sees images, or both."""

    reads: ClassVar[str] = "contents"
    special_tokens = SPECIAL_TOKENS
    model_type: ClassVar[str]  # as config.json names it
    text: ClassVar[Part | None] = None  # its encoder of texts, if it reads them
    image: ClassVar[Part | None] = None  # that of images; the same one where a pass shows both
    at_once: ClassVar[Mapping[str, int]]  # kind of pass -> items of a batch on a CPU
    whole_patches: ClassVar[bool] = True  # whether `image_size` must be a multiple of the patch

    def __init__(self, params: CheckpointParams, runtime: RuntimeParams) -> None:
        self._params: Any = params  # of the kind's own class, as `Params` says
        self._runtime = runtime

    @abstractmethod
    def build(self, checkpoint: Checkpoint, config: Any) -> "dict[str, torch.nn.Module]":
        """The model's parts, filled; an `Encoder` under the name of each kind of pass.

        Args:
            checkpoint: to load from.
            config: its configuration, of transformers.
        """

    def planner(self) -> Callable[[int, int], Geometry]:
        """A function that worker processes import: width and height -> what the model sees."""
        raise NotImplementedError

    @abstractmethod
    def pool(self, kind: str, item: Item, length: int) -> tuple[int, int]:
        """First and last + 1 of an item's ``length`` tokens whose mean is the vector."""

    def show(self, kind: str, items: list[Item]) -> "tuple[torch.Tensor, list[int]]":  # noqa: ARG002
        """What the kind's encoder is shown of items: their tokens' rows (t, width), and how many.

        Of a model that sees text and image apart: what its part "words" makes of tokens, or its
        part "grid" of pixels.
        """
        if items[0].tokens is None:
            images = [item.pixels for item in items if item.pixels is not None]
            shown = self._parts["grid"](open_pixels(images, self._device))
        else:
            ids, positions = join_tokens(items, self._device)
            shown = self._parts["words"](ids, position_ids=positions)
        return shown.flatten(0, 1), [self.count_tokens(item) for item in items]

    def fingerprint(self) -> dict[str, Any]:
        """Files of the checkpoint, and all that is done with them."""
        problems = self._find_problems()
        if problems:
            raise InputError("\n".join(problems))
        chosen = self._params.model_dump(exclude=RESOLVED)
        return {**self._checkpoint.fingerprint(), **chosen, "dtype": self._dtype}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return self._checkpoint.note()

    def read_size(self, part: Part, name: str) -> int:
        """A size of an encoder, by its name in config.json."""
        config = self._checkpoint.read_config()
        if part.key:
            # A block "..._dict", which older checkpoints have, counts before the other.
            config = config.get(f"{part.key}_dict") or config.get(part.key) or {}
        return config.get(name, part.defaults[name])

    def load(self) -> None:
        """The tokenizer and the model.

        Raises:
            InputError: the checkpoint lacks weights, or is of another kind of model.
        """
        from torch import nn

        import_torchvision()  # where it is installed, transformers imports it
        from transformers.initialization import no_init_weights

        from fame.features.backbones.shared.encoder import Encoder

        if self.text:
            self._tokenizer = self._checkpoint.open_tokenizer()
        config = self._checkpoint.open_config(self.model_type)
        self._check_activations(config)
        with no_init_weights():  # all of them are loaded
            parts = nn.ModuleDict(self.build(self._checkpoint, config))
        parts, self._device = open_model(parts, self._dtype, self._runtime)
        self._parts: dict[str, Any] = dict(parts.items())
        for part in self._parts.values():
            if isinstance(part, Encoder):
                part.optimise()

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_text_tokens`."""
        tokens = self._tokenizer(texts, truncation=True, max_length=self._params.max_text_tokens)
        return [np.array(ids, dtype=np.int32) for ids in tokens["input_ids"]]

    def image_preparer(self) -> Preparer:
        """Pixels are (height, width, 3) uint8."""
        draft_pixels = self._params.image_size if self._params.decode == "draft" else None
        return Preparer(self.planner(), draft_pixels)

    @property
    def pixel_bytes(self) -> int:
        """Of a square image."""
        return 3 * self._params.image_size**2 if self.image else 0

    def cost(self, kind: str, item: Item) -> int:  # noqa: ARG002
        """Its tokens on a GPU."""
        return self.count_tokens(item) if self._on_gpu else 1

    def cost_at_once(self, kind: str) -> int:
        """On a CPU some thousand tokens, which its caches hold; what fills a GPU."""
        return TOKENS_AT_ONCE if self._on_gpu else self.at_once[kind]

    def run(self, kind: str, items: list[Item]) -> dict[str, np.ndarray]:
        """(n, width) of the kind's encoder."""
        import torch

        from fame.features.backbones.shared.encoder import make_runs

        with torch.inference_mode():
            rows, lengths = self.show(kind, items)
            pairs = zip(items, lengths, strict=True)
            runs = make_runs((length, self.pool(kind, item, length)) for item, length in pairs)
            return {"vector": self._parts[kind](rows, runs)}

    def count_tokens(self, item: Item) -> int:
        """Tokens of an item's text and image."""
        count = 0 if item.tokens is None else len(item.tokens)
        if item.pixels is not None:
            height, width, _ = item.pixels.shape
            count += 1 + (height // self._side) * (width // self._side)
        return count

    @cached_property
    def _side(self) -> int:
        assert self.image
        return self.read_size(self.image, PATCH)

    @cached_property
    def _on_gpu(self) -> bool:
        return choose_device(self._runtime.device) == "cuda"

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        key = f"params.yaml: checkpoint of the {self._params.kind} backbone"
        return find_checkpoint(self._params.checkpoint, self._params.revision, key)

    @property
    def _dtype(self) -> str:
        return choose_dtype(self._params.dtype, self._runtime)

    def _find_problems(self) -> list[str]:
        """Parameters that do not fit the checkpoint."""
        problems = []
        if self.text:
            tokens, limit = self._params.max_text_tokens, self.read_size(self.text, POSITIONS)
            if tokens > limit:
                problems.append(
                    f"params.yaml: max_text_tokens of the {self._params.kind} backbone: found "
                    f"{tokens}, but its checkpoint has {limit} positions; "
                    f"allowed: {self.special_tokens + 1} to {limit}"
                )
        if self.image and self.whole_patches:
            size, patch = self._params.image_size, self.read_size(self.image, PATCH)
            if size % patch:
                problems.append(
                    f"params.yaml: image_size of the {self._params.kind} backbone: found {size}; "
                    f"allowed: multiples of its checkpoint's patch, {patch}"
                )
        return problems

    def _check_activations(self, config: Any) -> None:
        from fame.features.backbones.shared.encoder import ACTIVATIONS

        for part in filter(None, (self.text, self.image)):
            found = (getattr(config, part.key) if part.key else config).hidden_act
            if found not in ACTIVATIONS:
                raise InputError(
                    f"checkpoint {self._checkpoint.name}: its activation is {found!r}; "
                    f"allowed here: {', '.join(map(repr, ACTIVATIONS))}"
                )
