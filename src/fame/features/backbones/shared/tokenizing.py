"""Texts to the ids of their tokens, as transformers' tokenizers do it, mostly without transformers.

transformers takes of tokenizer.json, where the model's own class of tokenizer is BERT's or CLIP's,
the vocabulary and the added tokens only, and makes the rest anew, by tokenizer_config.json. So does
`describe`; the ids are then those of the library `tokenizers`, which transformers calls too. What
it does not know is left to transformers, whose import takes seconds.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fame.runtime.errors import InputError

Tokenize = Callable[[list[str]], list[np.ndarray]]
Json = dict[str, Any]

FILE, SETTINGS, SPECIAL, ADDED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
VOCABULARIES = (FILE, "vocab.txt", "vocab.json")
BERT, CLIP, AS_IT_IS = "BertTokenizer", "CLIPTokenizer", "TokenizersBackend"
CLASSES = {
    **{BERT: BERT, "BertTokenizerFast": BERT, CLIP: CLIP, "CLIPTokenizerFast": CLIP},
    **{AS_IT_IS: AS_IT_IS, "PreTrainedTokenizerFast": AS_IT_IS},
}
# Type of a model -> the class of its tokenizer where no file names one.
OF_MODELS = {"bert": BERT, "vilt": BERT, "blip": BERT, "clip": CLIP}
# Special tokens by name, as a class has them where no file says otherwise.
START, END = "<|startoftext|>", "<|endoftext|>"
SPECIAL_TOKENS: dict[str, Json] = {
    BERT: {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    },
    CLIP: {"unk_token": END, "bos_token": START, "eos_token": END, "pad_token": END},
    AS_IT_IS: {},
}
NAMES = {*SPECIAL_TOKENS[BERT], *SPECIAL_TOKENS[CLIP]}
LISTS = {"additional_special_tokens", "extra_special_tokens"}
# What tokenizer_config.json may say, and what of it changes ids beside special tokens.
BERT_SETTINGS: dict[str, tuple[type, ...]] = {
    "do_lower_case": (bool,),
    "tokenize_chinese_chars": (bool,),
    "strip_accents": (bool, type(None)),
}
USUAL = {"split_special_tokens": False, "backend": "tokenizers", "truncation_side": "right"}
WITHOUT_EFFECT = {
    *("add_prefix_space", "clean_up_tokenization_spaces", "do_basic_tokenize", "errors"),
    *("is_local", "local_files_only", "max_length", "model_input_names", "model_max_length"),
    *("name_or_path", "never_split", "pad_to_multiple_of", "pad_token_type_id", "padding_side"),
    *("processor_class", "special_tokens_map_file", "stride", "tokenizer_class", "tokenizer_file"),
    *("truncation_strategy", "use_fast"),
}
CLIP_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d"
    r"|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def open_tokenizer(folder: Path, config: Mapping[str, Any], limit: int) -> Tokenize:
    """Of a checkpoint; a text is cut after ``limit`` tokens, its special ones included.

    Args:
        folder: of the checkpoint.
        config: what its config.json holds.
        limit: tokens.

    Raises:
        InputError: it has none, or a damaged one; the sentence does not name the checkpoint.
    """
    if not any((folder / name).is_file() for name in VOCABULARIES):
        # transformers would make one that knows five tokens.
        raise InputError(f"has none of {', '.join(VOCABULARIES)}, so no text can be read")
    try:
        found = describe(folder, config)
        return _open_by_transformers(folder, limit) if found is None else make(found, limit)
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


def describe(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The tokenizer.json of what transformers makes of a folder; None: left to transformers.

    Raises:
        ValueError: a file is no JSON.
    """
    document, settings, special = (_read(folder / name) for name in (FILE, SETTINGS, SPECIAL))
    named = settings.get("tokenizer_class") or config.get("tokenizer_class")
    kind = CLASSES.get(named or OF_MODELS.get(config.get("model_type", ""), ""))
    if kind is None or not _is_whole(document) or not _is_known(settings):
        return None
    tokens = _find_special_tokens(kind, settings, special)
    if tokens is None or not _has_all(document, tokens, settings, folder):
        return None
    if kind == AS_IT_IS:
        return json.dumps(document) if document.get("post_processor") else None
    model, ids = document["model"], {t["content"]: t["id"] for t in document["added_tokens"]}
    if kind == BERT and model.get("type") == "WordPiece":
        rebuilt = _describe_bert(model, tokens, ids, settings)
    elif kind == CLIP and model.get("type") == "BPE" and "merges" in model:
        rebuilt = _describe_clip(model, tokens, ids)
    else:
        return None
    return json.dumps({**document, **rebuilt})


def _read(path: Path) -> Json:
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} holds no JSON object")
    return found


def _is_whole(document: Json) -> bool:
    """Whether it has what is looked at, and cuts no text at its beginning."""
    added, model = document.get("added_tokens", []), document.get("model")
    cut = document.get("truncation") or {}
    return (
        isinstance(model, dict)
        and isinstance(model.get("vocab"), dict)
        and isinstance(added, list)
        and all(
            isinstance(one, dict) and one.keys() >= {"id", "content", "special"} for one in added
        )
        and isinstance(cut, dict)
        and cut.get("direction", "Right") == "Right"
    )


def _is_known(settings: Json) -> bool:
    """Whether all that is said is known, and nothing of it uncommon."""
    others = settings.keys() - WITHOUT_EFFECT - NAMES - LISTS - {"added_tokens_decoder"}
    return all(
        settings[name] == USUAL[name]
        if name in USUAL
        else isinstance(settings[name], BERT_SETTINGS.get(name, ()))
        for name in others
    )


def _find_special_tokens(kind: str, settings: Json, special: Json) -> dict[str, str] | None:
    """Those with a name, then those of lists; None where they are given in an uncommon way."""
    said = {name: value for name, value in settings.items() if name in NAMES | LISTS}
    if "added_tokens_decoder" not in settings:  # else transformers does not read the other file
        if special.keys() - NAMES - LISTS:
            return None
        said |= special
    found: dict[str, str] = {}
    for name, value in (SPECIAL_TOKENS[kind] | said).items():
        values = value if name in LISTS and isinstance(value, list) else [value]
        for number, one in enumerate(values):
            content = one.get("content", one) if isinstance(one, dict) else one
            if content in (None, {}) and name not in SPECIAL_TOKENS[kind]:
                continue
            if not isinstance(content, str):
                return None
            found[f"{name} {number}" if name in LISTS else name] = content
    return found


def _has_all(document: Json, tokens: dict[str, str], settings: Json, folder: Path) -> bool:
    """Whether tokenizer.json has all added tokens that other files name, and as they name them."""
    added, vocabulary = document.get("added_tokens", []), document["model"]["vocab"]
    if (folder / ADDED).exists():
        return False
    numbers = [token["id"] for token in added]
    by_number = {str(t["id"]): {key: t[key] for key in t.keys() - {"id"}} for t in added}
    special = {token["content"] for token in added if token["special"]}
    in_place = all(vocabulary.get(t["content"], t["id"]) == t["id"] for t in added)
    agreed = settings.get("added_tokens_decoder", by_number) == by_number
    return {*tokens.values()} <= special and in_place and agreed and numbers == sorted(numbers)


def _describe_bert(
    model: Json, tokens: dict[str, str], ids: dict[str, int], settings: Json
) -> Json:
    first, last = tokens["cls_token"], tokens["sep_token"]
    shown = [
        {"SpecialToken": {"id": first, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": last, "type_id": 0}},
    ]
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": settings.get("tokenize_chinese_chars", True),
            "strip_accents": settings.get("strip_accents"),
            "lowercase": settings.get("do_lower_case", True),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": shown,
            "pair": [*shown, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]}
                for token in (first, last)
            },
        },
        "model": {
            "type": "WordPiece",
            "unk_token": tokens["unk_token"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": model["vocab"],
        },
    }


def _describe_clip(model: Json, tokens: dict[str, str], ids: dict[str, int]) -> Json:
    first, last = tokens["bos_token"], tokens["eos_token"]
    pattern = {"Regex": CLIP_WORDS}
    return {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Lowercase"},
            ],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": pattern, "behavior": "Removed", "invert": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
            ],
        },
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [last, ids[last]],
            "cls": [first, ids[first]],
            "trim_offsets": False,
            "add_prefix_space": False,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": tokens["unk_token"],
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": model["vocab"],
            "merges": model["merges"],
        },
    }
