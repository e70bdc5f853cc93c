import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BlipForImageTextRetrieval, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from fame.features.backbones.blip import Blip
from fame.features.backbones.contract import Item
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

TEXTS = ["sunset", "a dog on the beach in winter", "word " * 90, "red bridge", "dog dog", "a b c d"]
RUNTIME = RuntimeParams(device="cpu", workers=1, cache="x", engine="local", ray_address=None)


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make(checkpoints):
    def call(**changes):
        settings = {
            "kind": "blip",
            "reads": "contents",
            "checkpoint": str(checkpoints["blip"]),
            "revision": "main",
            "pooling": "cls",
            "image_size": 64,
            "max_text_tokens": 64,
            "dtype": "float32",
            "decode": "exact",
        }
        return Blip(Blip.Params.model_validate(settings | changes), RUNTIME)

    return call


@pytest.fixture(scope="module")
def plain(checkpoints):
    """transformers' own processor and model."""
    folder = checkpoints["blip"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BlipForImageTextRetrieval.from_pretrained(folder).eval()

    def call(inputs, size, pooling):
        images = BlipImageProcessorPil(size={"height": size, "width": size})
        processor = BlipProcessor(images, tokenizer)
        vectors = []
        with torch.inference_mode():
            for one in inputs:  # a batch of one
                if isinstance(one, str):
                    tokens = processor(
                        text=one, truncation=True, max_length=64, return_tensors="pt"
                    )
                    hidden = model.text_encoder(**tokens).last_hidden_state[0]
                    vectors.append(hidden[0] if pooling == "cls" else hidden.mean(0))
                else:
                    pixels = processor(images=Image.fromarray(one), return_tensors="pt")
                    done = model.vision_model(**pixels, interpolate_pos_encoding=True)
                    mean = done.last_hidden_state[0, 1:].mean(0)
                    vectors.append(done.pooler_output[0] if pooling == "cls" else mean)
        return torch.stack(vectors).numpy()

    return call


def embed(backbone, kind, inputs):
    backbone.load()
    if kind == "text":
        items = [Item(tokens, None) for tokens in backbone.tokenize(inputs)]
    else:
        prepare = backbone.image_preparer()
        items = [Item(None, prepare(encode(pixels))) for pixels in inputs]
    return backbone.run(kind, items)["vector"].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("size", [64, 96])
def test_a_batch_equals_the_plain_forward_of_each_post(make, plain, pictures, pooling, size):
    backbone = make(pooling=pooling, image_size=size)
    for kind, inputs in (("text", TEXTS), ("image", pictures)):
        vectors, expected = embed(backbone, kind, inputs), plain(inputs, size, pooling)
        errors = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
        assert vectors.dtype == np.float32
        assert errors.max() < 1e-4


def test_bfloat16_points_the_same_way(make, plain, pictures):
    backbone = make(dtype="bfloat16")
    for kind, inputs in (("text", TEXTS), ("image", pictures)):
        vectors, expected = embed(backbone, kind, inputs), plain(inputs, 64, "cls")
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((vectors * expected).sum(axis=1) / lengths).min() > 0.999


def test_a_checkpoint_for_captions_is_refused(make, checkpoints, tmp_path):
    for path in checkpoints["blip"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    renamed = {
        name.replace("text_encoder.", "text_decoder.bert."): value
        for name, value in weights.items()
    }
    save_file(renamed, tmp_path / "model.safetensors")
    with pytest.raises(
        InputError, match=r"holds 0 of the .* under 'text_encoder\.' or 'text_model"
    ):
        make(checkpoint=str(tmp_path)).load()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"max_text_tokens": 600}, r"max_text_tokens.*found 600.*allowed: 3 to 512$"),
        ({"image_size": 100}, r"image_size.*found 100; allowed: multiples of .* patch, 16$"),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_refused(make, change, found):
    with pytest.raises(InputError, match=found):
        make(**change).fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "mean"},
        {"image_size": 96},
        {"max_text_tokens": 8},
        {"dtype": "bfloat16"},
        {"decode": "draft"},
    ],
    ids=str,
)
def test_what_changes_a_vector_changes_the_fingerprint(make, change):
    assert make(**change).fingerprint() != make().fingerprint()


def test_a_batch_fills_a_card_and_no_more_than_a_third_of_it(make, monkeypatch):
    module = "fame.features.backbones.shared.checkpoint_backbone"
    assert make().cost_at_once("image") == Blip.at_once["image"]
    monkeypatch.setattr(f"{module}.choose_device", lambda _: "cuda")
    sizes = make().read_sizes(Blip.image)
    token = 16 * sizes["intermediate_size"] + 40 * sizes["hidden_size"]
    for held in (1_000, 196_608, 1_000_000):
        monkeypatch.setattr(f"{module}.count_card_bytes", lambda held=held: 3 * held * token)
        assert make().cost_at_once("image") == min(held, 196_608)
