import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet as Network
from PIL import Image
from tests.pictures import encode

from fame.features.backbones.contract import Item
from fame.features.backbones.efficientnet import WEIGHTS, EfficientNet, plan, scale
from fame.features.resampling import resize
from fame.params import RuntimeParams

# Of make_picture(), by the network as its package builds it: the largest features.
GOLDEN_PLACES = [897, 901, 113, 265, 747, 989]
GOLDEN_VALUES = [5.5076, 4.4533, 4.0328, 3.9812, 3.5264, 3.5056]
GOLDEN_MEAN = 0.13861


def make_picture(width=400, height=300):
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // width, y * 255 // height, (x + y) % 256]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def make_backbone(decode):
    params = EfficientNet.Params(
        kind="efficientnet", reads="images", decode=decode, dtype="float32"
    )
    runtime = RuntimeParams(
        device="cpu", workers=2, cache="unused", engine="local", ray_address=None
    )
    backbone = EfficientNet(params, runtime)
    backbone.load()
    return backbone


@pytest.fixture(scope="module")
def backbone():
    return make_backbone("exact")


@pytest.fixture(scope="module")
def reference():
    """The network as its package builds it, a whole batch at a time."""
    network = Network.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(WEIGHTS.find(), weights_only=True))
    return network.eval()


def crop(image):
    return np.array(resize(image, plan(*image.size)))


def embed(backbone, images, file_format="PNG"):
    prepare = backbone.image_preparer()
    items = [Item(None, prepare(encode(image, file_format))) for image in images]
    return backbone.run("image", items)["mean"].numpy()


def test_vectors_are_the_networks_features(backbone, reference):
    images = [make_picture(), make_picture(90, 200), make_picture(224, 224).rotate(90)]
    with torch.inference_mode():
        pixels = scale(torch.from_numpy(np.stack([crop(image) for image in images])))
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
    [prepared] = scale(torch.from_numpy(crop(picture)[None])).numpy()
    assert prepared.shape == (3, 224, 224)
    assert prepared.dtype == np.float32
    assert np.abs(prepared - expected)[:2].mean() < 0.01  # up to half a pixel apart


def test_a_constant_picture_is_constant_at_the_known_scale():
    picture = Image.new("RGB", (640, 480), (0, 127, 255))
    [prepared] = scale(torch.from_numpy(crop(picture)[None])).numpy()
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


def test_a_draft_is_near_and_not_the_same():
    picture = make_picture(1600, 1200)
    exact, draft = (embed(make_backbone(way), [picture], "JPEG")[0] for way in ("exact", "draft"))
    cosine = exact @ draft / np.linalg.norm(exact) / np.linalg.norm(draft)
    assert not np.array_equal(exact, draft)
    assert cosine > 0.98
