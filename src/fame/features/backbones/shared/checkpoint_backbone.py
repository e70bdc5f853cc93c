"""The base class of a backbone whose weights are a checkpoint of the model hub, or a folder of one.

It finds the checkpoint and records it, checks the parameters against it, tokenises, reads images
and runs batches. A backbone says which passes it makes and what is special to its model: its
columns, its parts, and which tokens make the vector.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fame.features.backbones.contract import Backbone, Item, Pass, Preparer
from fame.features.backbones.shared.architecture import Part
from fame.features.backbones.shared.checkpoints import Checkpoint, find_checkpoint
from fame.features.backbones.shared.models import (
    SPECIAL_TOKENS,
    CheckpointParams,
    choose_decode,
    choose_dtype,
    join_tokens,
    make_preparer,
    open_model,
    open_pixels,
)
from fame.features.backbones.shared.tokenizing import open_tokenizer
from fame.features.resampling import Geometry
from fame.params import RuntimeParams
from fame.runtime.devices import choose_device, count_card_bytes
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

    from fame.features.backbones.shared.tensors import Weights

# Of a model that reads a text without an image, and the other way round.
TEXT_AND_IMAGE = (
    Pass("text", "title", False, {"vector": "title"}),
    Pass("text", "tags", False, {"vector": "tags"}),
    Pass("image", None, True, {"vector": "image"}),
)
POSITIONS, PATCH = "max_position_embeddings", "patch_size"  # names in config.json
# Of a batch on a GPU, more than a shard of images has: even where all cores decode, its launches
# take less time than its arithmetic. Fewer where they would fill more than a third of the card.
TOKENS_AT_ONCE = 196_608
# Parameters that name weights or say how they are used; the fingerprint has what they resolve to.
RESOLVED = {"kind", "reads", "checkpoint", "revision", "dtype"}


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
    def build(self) -> "dict[str, torch.nn.Module]":
        """The model's parts, filled; an `Encoder` under the name of each kind of pass."""

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
            shown = self._parts["grid"](open_pixels(images, self._device)).flatten(0, 1)
        else:
            shown = self._parts["words"](*join_tokens(items, self._device))
        return shown, [self.count_tokens(item) for item in items]

    def fingerprint(self) -> dict[str, Any]:
        """Files of the checkpoint, and all that is done with them."""
        problems = self._find_problems()
        if problems:
            raise InputError("\n".join(problems))
        chosen = self._params.model_dump(exclude=RESOLVED)
        if self.image:
            chosen["decode"] = choose_decode(self._params.decode, self._runtime)
        return {**self._checkpoint.fingerprint(), **chosen, "dtype": self._dtype}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return self._checkpoint.note()

    def read_sizes(self, part: Part) -> dict[str, Any]:
        """Sizes of an encoder, by their names in config.json."""
        return part.read(self._checkpoint.read_config())

    def read_weights(self, *prefixes: str) -> "AbstractContextManager[Weights]":
        """Weights of the checkpoint under the first of ``prefixes`` that there are.

        Raises:
            InputError: at the end, some that were asked for are missing or of another shape.
        """
        from fame.features.backbones.shared.tensors import open_weights

        checkpoint, device = self._checkpoint, choose_device(self._runtime.device)
        return open_weights(checkpoint.name, checkpoint.find_weights(), device, *prefixes)

    def load(self) -> None:
        """The tokenizer and the model.

        Raises:
            InputError: the checkpoint lacks weights, or is of another kind of model.
        """
        from torch import nn

        from fame.features.backbones.shared.encoder import Encoder

        self._checkpoint.check_type(self.model_type)
        self._check_sizes()
        if self.text:
            self._tokenize = self._open_tokenizer()
        parts = nn.ModuleDict(self.build())
        parts, self._device = open_model(parts, self._dtype, self._runtime)
        self._parts: dict[str, Any] = dict(parts.items())
        for part in self._parts.values():
            if isinstance(part, Encoder):
                part.optimise()

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_text_tokens`."""
        return self._tokenize(texts)

    def image_preparer(self) -> Preparer:
        """Pixels are (height, width, 3) uint8."""
        params = self._params
        return make_preparer(self.planner(), params.decode, params.image_size, self._runtime)

    @property
    def pixel_bytes(self) -> int:
        """Of a square image."""
        return 3 * self._params.image_size**2 if self.image else 0

    def cost(self, kind: str, item: Item) -> int:  # noqa: ARG002
        """Its tokens on a GPU."""
        return self.count_tokens(item) if self._on_gpu else 1

    def cost_at_once(self, kind: str) -> int:
        """On a CPU some thousand tokens, which its caches hold; what fills a GPU."""
        if not self._on_gpu:
            return self.at_once[kind]
        token = max(map(self._count_bytes, self._list_parts()))
        return min(TOKENS_AT_ONCE, count_card_bytes() // 3 // token)

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

    def _count_bytes(self, part: Part) -> int:
        """Of a token in a layer of an encoder, about: what it gives in dtype, residuals in full."""
        sizes = self.read_sizes(part)
        width, inner = sizes["hidden_size"], sizes["intermediate_size"]
        wide = 2 if self._dtype == "bfloat16" else 4
        return wide * (4 * inner + 8 * width) + 8 * width

    @cached_property
    def _side(self) -> int:
        assert self.image
        return self.read_sizes(self.image)[PATCH]

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
        """Sizes that make no model; else parameters that do not fit the checkpoint."""
        problems = self._find_unfit_sizes()
        if problems:
            return problems
        if self.text:
            tokens, limit = self._params.max_text_tokens, self.read_sizes(self.text)[POSITIONS]
            if tokens > limit:
                problems.append(
                    f"params.yaml: max_text_tokens of the {self._params.kind} backbone: found "
                    f"{tokens}, but its checkpoint has {limit} positions; "
                    f"allowed: {self.special_tokens + 1} to {limit}"
                )
        if self.image and self.whole_patches:
            size, patch = self._params.image_size, self.read_sizes(self.image)[PATCH]
            if size % patch:
                problems.append(
                    f"params.yaml: image_size of the {self._params.kind} backbone: found {size}; "
                    f"allowed: multiples of its checkpoint's patch, {patch}"
                )
        return problems

    def _open_tokenizer(self) -> Callable[[list[str]], list[np.ndarray]]:
        checkpoint, limit = self._checkpoint, self._params.max_text_tokens
        try:
            return open_tokenizer(checkpoint.folder, limit)
        except InputError as error:
            raise InputError(f"checkpoint {checkpoint.name}: {error}") from None

    def _check_sizes(self) -> None:
        from fame.features.backbones.shared.encoder import ACTIVATIONS

        problems = self._find_unfit_sizes()
        for part in () if problems else self._list_parts():
            found = self.read_sizes(part)["hidden_act"]
            if found not in ACTIVATIONS:
                problems.append(
                    f"checkpoint {self._checkpoint.name}: its activation is {found!r}; "
                    f"allowed here: {', '.join(map(repr, ACTIVATIONS))}"
                )
        if problems:
            raise InputError("\n".join(problems))

    def _find_unfit_sizes(self) -> list[str]:
        config, name = self._checkpoint.read_config(), self._checkpoint.name
        problems = [each for part in self._list_parts() for each in part.find_problems(config)]
        return [f"checkpoint {name}: {problem}" for problem in problems]

    def _list_parts(self) -> list[Part]:
        """Text and image, or the one that is both."""
        return list({id(part): part for part in (self.text, self.image) if part}.values())
