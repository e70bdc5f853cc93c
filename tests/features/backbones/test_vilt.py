import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, ViltModel, ViltProcessor
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from fame.features.backbones.contract import Item
from fame.features.backbones.vilt import Vilt, choose_size
from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import Embedder
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

TEXTS = ["", "sunset", "a dog on the beach in winter", "", "word " * 60, "red bridge", "dog dog"]
RUNTIME = RuntimeParams(device="cpu", workers=1, cache="x", engine="local", ray_address=None)


def encode(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make(checkpoints):
    def call(**changes):
        settings = {
            "kind": "vilt",
            "reads": "contents",
            "checkpoint": str(checkpoints["vilt"]),
            "revision": "main",
            "pooling": "mean",
            "image_size": 64,
            "max_text_tokens": 40,
            "dtype": "float32",
            "decode": "exact",
        }
        return Vilt(Vilt.Params.model_validate(settings | changes), RUNTIME)

    return call


@pytest.fixture(scope="module")
def reference(checkpoints):
    """The plain way: transformers' own processor and forward, one post at a time."""
    folder = checkpoints["vilt"]
    images = ViltImageProcessorPil(size={"shortest_edge": 64}, size_divisor=16)
    processor = ViltProcessor(images, AutoTokenizer.from_pretrained(folder))
    model = ViltModel.from_pretrained(folder, add_pooling_layer=False).eval()

    def call(text, pixels, pooling):
        inputs = processor(
            Image.fromarray(pixels), text, truncation=True, max_length=40, return_tensors="pt"
        )
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state[0]
        length = inputs["input_ids"].shape[1]
        tokens = hidden[:length] if text else hidden[length:]
        return (tokens.mean(0) if pooling == "mean" else tokens[0]).numpy()

    return call


def embed(backbone, pictures):
    backbone.load()
    prepare = backbone.image_preparer()
    pairs = [(text, pixels) for i, pixels in enumerate(pictures) for text in TEXTS[i % 2 :: 2]]
    tokens = backbone.tokenize([text for text, _ in pairs])
    items = [Item(t, prepare(encode(p))) for t, (_, p) in zip(tokens, pairs, strict=True)]
    return backbone.run("joint", items)["vector"].numpy(), pairs


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_batch_of_any_sizes_equals_the_plain_forward_of_each_post(
    make, reference, pictures, pooling
):
    vectors, pairs = embed(make(pooling=pooling), pictures)
    expected = np.stack([reference(text, pixels, pooling) for text, pixels in pairs])
    errors = np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert vectors.dtype == np.float32
    assert errors.max() < 1e-4


def test_an_image_is_decoded_once_for_all_passes(make, pictures, tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(encode(pictures[0]))
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    place = ("", str(path), digest)
    with Embedder(make(), RUNTIME) as embedder:
        embedder.load()
        backbone = make()
        inputs = Inputs("joint", ["", "a dog", "sunset"], [place] * 3)
        pixels = backbone.image_preparer()(path.read_bytes())
        prepared = embedder.prepare(inputs, lambda: [pixels])
    assert {id(item.pixels) for item in prepared.items} == {id(prepared.items[0].pixels)}


def test_bfloat16_points_the_same_way(make, reference, pictures):
    vectors, pairs = embed(make(dtype="bfloat16"), pictures)
    expected = np.stack([reference(text, pixels, "mean") for text, pixels in pairs])
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((vectors * expected).sum(axis=1) / lengths).min() > 0.999


@pytest.mark.parametrize(
    ("width", "height"), [(500, 375), (375, 500), (64, 64), (1000, 90), (7, 5)]
)
def test_an_image_is_resized_as_by_the_processor(width, height):
    processor = ViltImageProcessorPil(size={"shortest_edge": 384})
    image = Image.new("RGB", (width, height))
    pixels = processor(image, return_tensors="np")["pixel_values"]
    assert choose_size(width, height, 384, 32) == pixels.shape[:1:-1]


def test_a_strip_keeps_a_patch():
    assert choose_size(3000, 1, 384, 32) == (608, 32)


def test_more_tokens_than_positions_are_refused(make):
    with pytest.raises(InputError, match=r"max_text_tokens.*found 64.*allowed: 3 to 40$"):
        make(max_text_tokens=64).fingerprint()


def test_another_model_is_refused(make, checkpoints):
    with pytest.raises(InputError, match="of type 'blip'; allowed here: 'vilt'"):
        make(checkpoint=str(checkpoints["blip"])).load()


def test_another_activation_is_refused(make, checkpoints, tmp_path):
    for path in checkpoints["vilt"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"gelu"', '"relu"'))
    with pytest.raises(
        InputError, match="its activation is 'relu'; allowed here: 'gelu', 'quick_gelu'"
    ):
        make(checkpoint=str(tmp_path)).load()


def test_a_folder_may_move(make, checkpoints, tmp_path):
    for path in checkpoints["vilt"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    moved = make(checkpoint=str(tmp_path))
    assert moved.fingerprint() == make().fingerprint()
    assert moved.notes()["checkpoint"] == str(tmp_path)
    (tmp_path / "vocab.txt").write_text("other")
    assert make(checkpoint=str(tmp_path)).fingerprint() != make().fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"pooling": "cls"},
        {"image_size": 96},
        {"max_text_tokens": 8},
        {"dtype": "bfloat16"},
        {"decode": "draft"},
    ],
    ids=str,
)
def test_what_changes_a_vector_changes_the_fingerprint(make, change):
    assert make(**change).fingerprint() != make().fingerprint()
