"""Ids against those of transformers' AutoTokenizer, for folders as the hub has them."""

import json
import shutil
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.backbones.small_checkpoints import make_clip_tokenizer
from transformers import AutoTokenizer, BertTokenizer, CLIPTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from fame.features.backbones import minilm
from fame.features.backbones.shared import tokenizing
from fame.runtime.errors import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "an", "##s", "##t", "##un", "sun"]
WORDS += ["set", "dog", "beach", "It", "E", "e", "é", "été", "ü", "##é", "日", "本", "##本", "日本"]
WORDS += [
    "風景",
    "!",
    ".",
    "'",
    "[",
    "]",
    "1",
    "2",
    "##3",
    "😀",
    "sep",
    "cls",
    "dec",
    "ש",
    "##ל",
    "ı",
    "i",
]
PIECES = [
    *("Sunset", "SUN", "dog's", "it's", "Été", "e\u0301te\u0301", "ÜBER", "İI", "ﬁre", "naïve"),
    *("日本の風景", "東京tower", "שלום", "مرحبا", "😀🎉", "👩‍👩‍👧", "𝓑𝓮", "\ufffd", "\x00", "\x1f"),
    *(" ", "  \t", "\r\n", "\u00a0", "\u200b", "\u3000", "1234", "3.14", "...", "new-york", "'S"),
    *("[SEP]", "[sep]", " [CLS] ", "[MASK]", "[ENC]", "[enc]", "<|endoftext|>", "<|ENDOFTEXT|>"),
    *("<|startoftext|>x", "a" * 99, "a" * 101, "word " * 90, "un" * 60, "ß", "Σς", "\u0345"),
]
TEXTS = st.lists(
    st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join), min_size=1
)


def make_bert(folder, **options):
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}, **options)
    return save(tokenizer, folder, "bert")


def save(tokenizer, folder, model_type):
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return folder


def change(folder, file, **changes):
    path = folder / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | changes))


def make_clip(folder):
    letters = list(bytes_to_unicode().values())
    joined = ["su", "sun</w>", "do", "dog</w>", "é".encode().decode("latin-1")]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *joined]
    vocab = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    merges = [("s", "u"), ("su", "n</w>"), ("d", "o"), ("do", "g</w>")]
    return save(CLIPTokenizer(vocab=vocab, merges=merges), folder, "clip")


def make_first_clip(folder):
    """As OpenAI's folder has it: other pieces, tokens that are normalised, two files."""
    make_clip(folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    split = document["pre_tokenizer"]["pretokenizers"][0]
    split["pattern"]["Regex"] = split["pattern"]["Regex"].split(r"\|>|", 2)[2]
    for token in document["added_tokens"]:
        token["normalized"] = True
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip"), False) | {"normalized": True}
    start, end = ({"content": f"<|{name}oftext|>", **flags} for name in ("start", "end"))
    named = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": "<|endoftext|>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(named))
    said = {key: value | {"__type": "AddedToken"} for key, value in list(named.items())[:3]}
    others = {"add_prefix_space": False, "errors": "replace", "do_lower_case": True}
    others |= {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(said | others))


def make_blip(folder):
    """With tokens behind its vocabulary."""
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)})
    tokenizer.add_special_tokens({"bos_token": "[DEC]", "additional_special_tokens": ["[ENC]"]})
    save(tokenizer, folder, "blip")


def make_older(folder):
    """Of a version that wrote the added tokens into a second file, and another normaliser."""
    make_bert(folder)
    document = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"do_lower_case": False, "tokenizer_class": "BertTokenizer", "cls_token": "[CLS]"}
        )
    )
    (folder / "special_tokens_map.json").write_text(json.dumps({"mask_token": "[MASK]"}))
    document["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
    }
    (folder / "tokenizer.json").write_text(json.dumps(document))


def make_with_decoder(folder):
    make_bert(folder, do_lower_case=False, strip_accents=True)
    added = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    decoder = {str(token.pop("id")): token for token in added}
    change(folder, "tokenizer_config.json", added_tokens_decoder=decoder)


def make_without_class(folder):
    make_bert(folder)
    (folder / "tokenizer_config.json").unlink()


def make_general(folder):
    """As benchmarks have it: used as it is."""
    make_bert(folder)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.backend_tokenizer.normalizer.lowercase = False
    save(tokenizer, folder, "vilt")


def copy_packaged(folder):
    shutil.copytree(minilm.TOKENIZER.find().parent, folder, ignore=lambda *_: ["model.safetensors"])


def make_with(file, **changes):
    def call(folder):
        make_bert(folder)
        change(folder, file, **changes)

    return call


WHOLE = {
    "packaged": copy_packaged,
    "bert": make_bert,
    "cased": lambda folder: make_bert(folder, do_lower_case=False, strip_accents=False),
    "whole_chinese": lambda folder: make_bert(folder, tokenize_chinese_chars=False),
    "accents": lambda folder: make_bert(folder, strip_accents=False),
    "with_decoder": make_with_decoder,
    "without_class": make_without_class,
    "blip": make_blip,
    "no_more_special": make_with("tokenizer_config.json", extra_special_tokens={}),
    "general": make_general,
    "clip": make_clip,
    "first_clip": make_first_clip,
    "letters": lambda folder: save(make_clip_tokenizer(), folder, "clip"),
}


def drop(*names):
    def call(folder):
        make_bert(folder)
        for name in names:
            (folder / name).unlink()

    return call


def make_from_words(folder):
    drop("tokenizer.json")(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")


def make_bare(folder):
    make_general(folder)
    change(folder, "tokenizer.json", post_processor=None)


NOT_WHOLE = {
    "older": make_older,
    "no_special_tokens_around": make_bare,
    "words": make_from_words,
    "cut_left": make_with("tokenizer_config.json", truncation_side="left"),
    "split": make_with("tokenizer_config.json", split_special_tokens=True),
    "other_tokens": make_with("added_tokens.json", **{"[NEW]": len(WORDS)}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tokenizers")
    for name, make in {**WHOLE, **NOT_WHOLE}.items():
        make(root / name)
    return root


@pytest.fixture(scope="module")
def open_both(folders):
    opened = {}

    def call(name, limit):
        folder = folders / name
        if (name, limit) not in opened:
            ours = tokenizing.open_tokenizer(folder, limit)
            opened[name, limit] = ours, AutoTokenizer.from_pretrained(folder)
        return opened[name, limit]

    return call


def compare(both, texts, limit):
    ours, theirs = both
    expected = theirs(texts, truncation=True, max_length=limit)["input_ids"]
    assert [ids.tolist() for ids in ours(texts)] == expected


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=50)
@given(texts=TEXTS, limit=st.sampled_from([3, 8, 64]))
def test_ids_are_those_of_transformers(open_both, name, texts, limit):
    compare(open_both(name, limit), texts, limit)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_needs_no_transformers(folders, name, monkeypatch):
    monkeypatch.setattr(tokenizing, "_open_by_transformers", None)
    assert tokenizing.open_tokenizer(folders / name, 8)


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_another_file_changes_is_left_to_transformers(folders, open_both, name):
    with mock.patch.object(tokenizing, "_open_by_transformers") as opened:
        tokenizing.open_tokenizer(folders / name, 8)
    opened.assert_called_once()
    compare(open_both(name, 8), ["".join(PIECES), *PIECES], 8)


@settings(max_examples=50)
@given(texts=TEXTS)
def test_the_packaged_file_is_read_as_transformers_reads_its_folder(open_both, texts):
    _, theirs = open_both("packaged", 64)
    ours = tokenizing.make(minilm.TOKENIZER.find().read_text(encoding="utf-8"), 64)
    compare((ours, theirs), texts, 64)


def test_no_text_has_no_ids(open_both):
    assert open_both("bert", 8)[0]([]) == []


DAMAGED = ["no JSON", "[]", "{}", '{"added_tokens": []}', '{"model": null}', '{"model": [1]}']


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("make", [make_general, make_bert])
def test_a_damaged_tokenizer_is_refused(tmp_path, make, content):
    make(tmp_path / "one")
    (tmp_path / "one" / "tokenizer.json").write_text(content)
    with pytest.raises(InputError, match=r"^no usable tokenizer: [^\n]+$"):
        tokenizing.open_tokenizer(tmp_path / "one", 8)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^has none of tokenizer\.json, vocab\.txt, vocab\.json"):
        tokenizing.open_tokenizer(tmp_path, 8)
