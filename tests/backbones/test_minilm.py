import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from fame.backbones.minilm import WEIGHTS, MiniLM
from fame.core.contracts import NO_TEXT, OK, Batch
from fame.params import RuntimeParams
from fame.torch_runtime import import_torchvision

TEXTS = [
    "This is an example sentence",
    "Sunset",
    "Ünïcödé 😀 and a much longer title with many, many more words in it than all the others",
    "צילום",
    "word " * 200,
]


def make_backbone(max_tokens=64):
    params = MiniLM.Params(kind="minilm", reads="texts", max_tokens=max_tokens)
    return MiniLM(params, RuntimeParams(device="cpu", workers=2))


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


def embed_titles(backbone, titles):
    return backbone.embed(Batch([""] * len(titles), titles=titles, tags=[[]] * len(titles)))


def test_the_numbers_are_those_that_the_model_is_published_with(backbone):
    # The example of the model's page: all-MiniLM-L6-v2.
    batch = Batch(["1"], [TEXTS[0]], [["Each", "sentence", "is", "converted"]])
    vectors = backbone.embed(batch)
    title = [0.0676569, 0.0634959, 0.0487131, 0.0793049, 0.0374480, 0.00265277]
    tags = [0.0864386, 0.1027627, 0.0053946, 0.0020444, -0.0099634]
    np.testing.assert_allclose(vectors["title"].values[0, :6], title, atol=1e-6)
    np.testing.assert_allclose(vectors["tags"].values[0, :5], tags, atol=1e-6)


def test_a_padded_batch_is_the_same_as_text_by_text(backbone, reference):
    values = embed_titles(backbone, TEXTS)["title"].values
    np.testing.assert_allclose(values, [reference(text) for text in TEXTS], atol=2e-6)


def test_a_text_is_cut_after_max_tokens(reference):
    values = embed_titles(make_backbone(max_tokens=8), TEXTS)["title"].values
    np.testing.assert_allclose(values, [reference(text, 8) for text in TEXTS], atol=2e-6)
    assert not np.allclose(values[2], reference(TEXTS[2]), atol=1e-2)


def test_many_texts_with_repeats_stay_in_place(backbone, reference):
    titles = [f"{'very ' * (i % 5)}nice picture {i % 8}" for i in range(50)] + [None]
    vectors = embed_titles(backbone, titles)["title"]
    for i in (0, 13, 49):
        np.testing.assert_allclose(vectors.values[i], reference(titles[i]), atol=2e-6)
    assert titles[40] == titles[0] != titles[1]
    assert np.array_equal(vectors.values[40], vectors.values[0])
    assert vectors.status == [OK] * 50 + [NO_TEXT]


@pytest.mark.parametrize("text", [None, "", " \n\t", "\x00\x1f\x7f", "\ufffd"])
def test_a_text_without_a_token_is_masked(backbone, text):
    vectors = embed_titles(backbone, [text, "a picture"])["title"]
    assert vectors.status == [NO_TEXT, OK]
    assert np.isnan(vectors.values[0]).all()
    assert np.isfinite(vectors.values[1]).all()


@pytest.mark.parametrize("max_tokens", [2, 513])
def test_max_tokens_has_bounds(max_tokens):
    with pytest.raises(ValueError, match="max_tokens"):
        make_backbone(max_tokens)
