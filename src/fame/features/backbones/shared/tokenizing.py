"""Texts to the ids of their tokens, by the library that transformers' tokenizers call, too.

tokenizer.json describes a whole tokenizer. transformers, whose import takes seconds, is asked only
where a folder has no such file or where another of its files says otherwise.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fame.runtime.errors import InputError

Tokenize = Callable[[list[str]], list[np.ndarray]]

FILE, SETTINGS, ADDED = "tokenizer.json", "tokenizer_config.json", "added_tokens.json"
VOCABULARIES = (FILE, "vocab.txt", "vocab.json")
# Of tokenizer_config.json -> what BERT's normalizer calls it in tokenizer.json.
OF_NORMALIZER = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}


def open_tokenizer(folder: Path, limit: int) -> Tokenize:
    """Of a checkpoint; a text is cut after ``limit`` tokens, its special ones included.

    Args:
        folder: of the checkpoint.
        limit: tokens.

    Raises:
        InputError: it has none, or a damaged one; the sentence does not name the checkpoint.
    """
    if not any((folder / name).is_file() for name in VOCABULARIES):
        # transformers would make one that knows five tokens.
        raise InputError(f"has none of {', '.join(VOCABULARIES)}, so no text can be read")
    try:
        if (folder / FILE).is_file():
            document = (folder / FILE).read_text(encoding="utf-8")
            tokenize = make(document, limit)
            if _says_all(json.loads(document), folder):
                return tokenize
        return _open_by_transformers(folder, limit)
    except ValueError as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"no usable tokenizer: {problem}") from None


def make(document: str, limit: int) -> Tokenize:
    """Of what a tokenizer.json holds.

    Raises:
        ValueError: it is none.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(document)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(str(error)) from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)

    def tokenize(texts: list[str]) -> list[np.ndarray]:
        found = tokenizer.encode_batch_fast(texts)
        return [np.array(one.ids, dtype=np.int32) for one in found]

    return tokenize


def _says_all(document: dict[str, Any], folder: Path) -> bool:
    """Whether no other file adds tokens, or has another way to normalise and cut texts.

    Which tokens are special is as tokenizer.json has it.
    """
    path = folder / SETTINGS
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(settings, dict):
        raise ValueError(f"{SETTINGS} holds no JSON object")
    normalizer = document.get("normalizer") or {}
    return (
        # Without it no special tokens would stand around a text.
        document.get("post_processor") is not None
        and not (folder / ADDED).exists()
        and not settings.get("split_special_tokens")
        and settings.get("truncation_side", "right") == "right"
        and all(
            normalizer[own] == settings.get(name, normalizer[own])
            for name, own in OF_NORMALIZER.items()
            if own in normalizer
        )
    )


def _open_by_transformers(folder: Path, limit: int) -> Tokenize:
    from fame.runtime.devices import import_torchvision

    import_torchvision()  # where it is installed, transformers imports it
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # as above
        raise ValueError(str(error) or type(error).__name__) from None

    def tokenize(texts: list[str]) -> list[np.ndarray]:
        found = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        return [np.array(ids, dtype=np.int32) for ids in found]

    return tokenize
