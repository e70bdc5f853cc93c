import io

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet as Network
from PIL import Image

from fame.backbones.efficientnet import WEIGHTS, EfficientNet, prepare
from fame.core.contracts import LOCATED, Batch
from fame.params import RuntimeParams

# Of make_picture(), by the network as its package builds it: the largest features.
GOLDEN_PLACES = [897, 901, 113, 265, 747, 989]
GOLDEN_VALUES = [5.5076, 4.4533, 4.0328, 3.9812, 3.5264, 3.5056]
GOLDEN_MEAN = 0.13861


def make_picture(width=400, height=300):
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // width, y * 255 // height, (x + y) % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def encode(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def backbone():
    params = EfficientNet.Params(kind="efficientnet", reads="images")
    return EfficientNet(params, RuntimeParams(device="cpu", workers=2))


@pytest.fixture(scope="module")
def reference():
    """The network as its package builds it, a whole batch at a time."""
    network = Network.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(WEIGHTS.find(), weights_only=True))
    return network.eval()


def embed(backbone, images):
    count = len(images)
    return backbone.embed(
        Batch([""] * count, images=[encode(i) for i in images], image_status=[LOCATED] * count)
    )["image"].values


def test_vectors_are_the_networks_features(backbone, reference):
    images = [make_picture(), make_picture(90, 200), make_picture(224, 224).rotate(90)]
    with torch.inference_mode():
        pixels = torch.from_numpy(np.stack([prepare(image) for image in images]))
        expected = reference.extract_features(pixels).mean((2, 3)).numpy()
    np.testing.assert_allclose(embed(backbone, images), expected, atol=5e-5)


def test_vectors_are_what_they_were(backbone):
    vector = embed(backbone, [make_picture()])[0]
    assert vector.shape == (1280,)
    np.testing.assert_allclose(vector[GOLDEN_PLACES], GOLDEN_VALUES, atol=1e-3)
    np.testing.assert_allclose(vector.mean(), GOLDEN_MEAN, atol=1e-4)


def test_preparation_is_a_resize_to_256_and_a_central_cut():
    picture = make_picture(512, 384)
    resized = picture.resize((341, 256), Image.Resampling.BICUBIC)
    cut = resized.crop((58, 16, 58 + 224, 16 + 224))
    expected = (np.asarray(cut, dtype=np.float32).transpose(2, 0, 1) / 255 - 0.498) / 0.502
    prepared = prepare(picture)
    assert prepared.shape == (3, 224, 224)
    assert prepared.dtype == np.float32
    assert np.abs(prepared - expected)[:2].mean() < 0.01  # up to half a pixel apart


def test_a_constant_picture_is_constant_at_the_known_scale():
    prepared = prepare(Image.new("RGB", (640, 480), (0, 127, 255)))
    np.testing.assert_allclose(prepared[0], -0.498 / 0.502, rtol=1e-6)
    np.testing.assert_allclose(prepared[1], (127 / 255 - 0.498) / 0.502, atol=1e-6)
    np.testing.assert_allclose(prepared[2], 1, rtol=1e-6)


def test_only_the_centre_counts(backbone):
    picture = make_picture(800, 300)
    edge = picture.copy()
    edge.paste("red", (0, 0, 250, 300))
    inside = picture.copy()
    inside.paste("red", (300, 0, 500, 300))
    first, second, third = embed(backbone, [picture, edge, inside])
    assert np.array_equal(first, second)
    assert not np.allclose(first, third, atol=0.1)
