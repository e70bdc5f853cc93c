"""What a model is made of: its sizes in config.json, and the names of a layer's parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Sizes of BERT where its config.json says nothing, and of much that came after it.
BERT_SIZES = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "vocab_size": 30522,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}

ALLOWED = {int: "a whole number above 0", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Part:
    """What config.json says of an encoder.

    Attributes:
        keys: of its block, of which the first that is there counts; none where it is the file.
        defaults: what is so where it says nothing, by the names and as in transformers, which
            leaves out of a file what equals its defaults.
    """

    keys: tuple[str, ...]
    defaults: Mapping[str, Any]

    def read(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The encoder's sizes, of what config.json holds."""
        blocks = [block for key in self.keys if (block := config.get(key))]
        block = (blocks or [{}])[0] if self.keys else config
        return {name: block.get(name, default) for name, default in self.defaults.items()}

    def find_problems(self, config: Mapping[str, Any]) -> list[str]:
        """Sizes of another type than the defaults', and heads that do not share the width."""
        blocks = {key: found for key in self.keys if (found := config.get(key))}
        problems = [
            f"{key} is {found!r}; allowed here: an object"
            for key, found in blocks.items()
            if not isinstance(found, dict)
        ]
        if problems:
            return problems
        sizes, block = self.read(config), "".join(f"{key}." for key in self.keys[-1:])
        problems = [
            f"{block}{name} is {value!r}; allowed here: {ALLOWED[type(default)]}"
            for name, default in self.defaults.items()
            if not _is_like(value := sizes[name], default)
        ]
        if not problems and sizes["hidden_size"] % sizes["num_attention_heads"]:
            problems.append(
                f"{block}num_attention_heads is {sizes['num_attention_heads']}; "
                f"allowed here: divisors of hidden_size, {sizes['hidden_size']}"
            )
        return problems


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is type(default) and (type(value) is not int or value > 0)


@dataclass(frozen=True)
class LayerNames:
    """How transformers names the parts of a layer.

    Attributes:
        attention: queries, keys and values; one name where they are one.
        attended: what follows attention.
        perceptron: its two linear layers.
        norms: of attention and of the perceptron.
    """

    attention: tuple[str, ...]
    attended: str
    perceptron: tuple[str, str]
    norms: tuple[str, str]


BERT_LAYER = LayerNames(
    attention=("attention.self.query", "attention.self.key", "attention.self.value"),
    attended="attention.output.dense",
    perceptron=("intermediate.dense", "output.dense"),
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
)
