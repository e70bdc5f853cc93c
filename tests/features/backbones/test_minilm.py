import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from fame.features.backbones.contract import Item
from fame.features.backbones.minilm import WEIGHTS, MiniLM
from fame.params import RuntimeParams
from fame.runtime.devices import import_torchvision

TEXTS = [
    "This is an example sentence",
    "Sunset",
    "Ünïcödé 😀 and a much longer title with many, many more words in it than all the others",
    "צילום",
    "word " * 200,
]


def make_backbone(max_tokens=64, dtype="float32"):
    params = MiniLM.Params(kind="minilm", reads="texts", max_tokens=max_tokens, dtype=dtype)
    runtime = RuntimeParams(
        device="cpu", workers=2, cache="unused", engine="local", ray_address=None
    )
    backbone = MiniLM(params, runtime)
    backbone.load()
    return backbone


@pytest.fixture(scope="module")
def backbone():
    return make_backbone()


@pytest.fixture(scope="module")
def reference():
    """The model's own code, one text at a time, nothing padded."""
    import_torchvision()
    from transformers import BertModel

    folder = WEIGHTS.find().parent
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder).eval()

    def embed(text, max_tokens=64):
        tokens = tokenizer(text, truncation=True, max_length=max_tokens, return_tensors="pt")
        with torch.inference_mode():
            mean = model(**tokens).last_hidden_state[0].mean(0)
        return (mean / mean.norm()).numpy()

    return embed


def embed(backbone, texts):
    items = [Item(ids, None) for ids in backbone.tokenize(texts)]
    return backbone.run("text", items)["mean"].numpy()


def test_the_numbers_are_those_that_the_model_is_published_with(backbone):
    # The example of the model's page: all-MiniLM-L6-v2.
    values = embed(backbone, [TEXTS[0], "Each sentence is converted"])
    first = [0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480, 0.00265277]
    second = [0.0864386, 0.1027627, 0.0053946, 0.0020444, -0.0099634]
    np.testing.assert_allclose(values[0, :6], first, atol=1e-6)
    np.testing.assert_allclose(values[1, :5], second, atol=1e-6)


def test_a_padded_batch_is_the_same_as_text_by_text(backbone, reference):
    values = embed(backbone, TEXTS)
    np.testing.assert_allclose(values, [reference(text) for text in TEXTS], atol=2e-6)


def test_a_text_is_cut_after_max_tokens(reference):
    values = embed(make_backbone(max_tokens=8), TEXTS)
    np.testing.assert_allclose(values, [reference(text, 8) for text in TEXTS], atol=2e-6)
    assert not np.allclose(values[2], reference(TEXTS[2]), atol=1e-2)


def test_bfloat16_is_near(reference):
    values = embed(make_backbone(dtype="bfloat16"), TEXTS)
    for value, text in zip(values, TEXTS, strict=True):
        assert value @ reference(text) > 0.999


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x1f\x7f", "\ufffd"])
def test_a_text_without_a_token_has_the_special_ones_only(backbone, text):
    none, some = backbone.tokenize([text, "a picture"])
    assert len(none) == backbone.special_tokens < len(some)


@pytest.mark.parametrize("max_tokens", [2, 513])
def test_max_tokens_has_bounds(max_tokens):
    with pytest.raises(ValueError, match="max_tokens"):
        make_backbone(max_tokens)
