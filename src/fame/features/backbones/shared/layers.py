"""Parts of a model, made of a checkpoint's weights: its layers, and what it sees of words."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fame.features.backbones.shared.architecture import BERT_LAYER, LayerNames
from fame.features.backbones.shared.encoder import Encoder, Layer, Linear
from fame.features.backbones.shared.tensors import Weights


class Words(nn.Module):
    """Tokens as an encoder sees them: each one's vector and its position's, and a norm if any.

    With ``kind`` (width,), that of a text's tokens. All is added in the order of transformers.
    """

    def __init__(
        self,
        words: torch.Tensor,
        positions: torch.Tensor,
        kind: torch.Tensor | None = None,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.words, self.positions = nn.Parameter(words), nn.Parameter(positions)
        self.kind = None if kind is None else nn.Parameter(kind)
        self.norm = norm or nn.Identity()

    def forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Ids and positions (t,) int64 -> (t, width)."""
        rows = functional.embedding(ids, self.words)
        if self.kind is not None:
            rows = rows + self.kind
        return self.norm(rows + functional.embedding(positions, self.positions))


def make_bert_words(weights: Weights, sizes: Mapping[str, Any]) -> Words:
    """BERT's, ``weights`` being those of its embeddings; not all models have kinds of tokens."""
    width, kind = sizes["hidden_size"], None
    if "type_vocab_size" in sizes:
        kinds = weights.take("token_type_embeddings.weight", sizes["type_vocab_size"], width)
        kind = kinds[0]
    return Words(
        weights.take("word_embeddings.weight", sizes["vocab_size"], width),
        weights.take("position_embeddings.weight", sizes["max_position_embeddings"], width),
        kind,
        weights.norm("LayerNorm", width, sizes["layer_norm_eps"]),
    )


def make_bert(weights: Weights, sizes: Mapping[str, Any]) -> Encoder:
    """BERT's encoder."""
    layers = weights.under("encoder.layer.")
    return Encoder(make_layers(layers, BERT_LAYER, sizes, norm_first=False))


def make_layers(
    weights: Weights,
    names: LayerNames,
    sizes: Mapping[str, Any],
    *,
    norm_first: bool,
    causal: bool = False,
    bias: bool = True,
) -> list[Layer]:
    """An encoder's, ``weights`` being theirs, under their numbers.

    Args:
        weights: theirs.
        names: of the parts of each.
        sizes: by their names in config.json.
        norm_first: whether norms stand before what they are of.
        causal: whether a token sees only itself and those before it.
        bias: whether queries, keys and values have one.
    """
    width, inner = sizes["hidden_size"], sizes["intermediate_size"]
    up, down = names.perceptron

    def make(own: Weights) -> Layer:
        first, second = (own.norm(name, width, sizes["layer_norm_eps"]) for name in names.norms)
        query, key_value = _make_attention(own, names.attention, width, bias)
        return Layer(
            query=query,
            key_value=key_value,
            attended=own.linear(names.attended, shape=(width, width)),
            perceptron=(
                own.linear(up, shape=(inner, width), activation=sizes["hidden_act"]),
                own.linear(down, shape=(width, inner)),
            ),
            norms=(first, second),
            heads=sizes["num_attention_heads"],
            norm_first=norm_first,
            causal=causal,
        )

    return [make(weights.under(f"{number}.")) for number in range(sizes["num_hidden_layers"])]


def _make_attention(
    weights: Weights, names: tuple[str, ...], width: int, bias: bool
) -> tuple[Linear, Linear]:
    """Queries; keys and values."""
    if len(names) == 1:
        both = weights.linear(*names, shape=(3 * width, width), bias=bias)
        return (
            Linear(both.weight[:width], both.bias[:width]),
            Linear(both.weight[width:], both.bias[width:]),
        )
    query, *others = names
    square = (width, width)
    return (
        weights.linear(query, shape=square, bias=bias),
        weights.linear(*others, shape=square, bias=bias),
    )
