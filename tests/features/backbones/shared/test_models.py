import numpy as np
import pytest
import torch
from PIL import Image

from fame.features.backbones.contract import Item
from fame.features.backbones.shared.models import (
    choose_decode,
    choose_dtype,
    join_tokens,
    make_preparer,
    open_model,
    open_pixels,
)
from fame.features.resampling import Decoded, resize, whole
from fame.params import RuntimeParams
from fame.runtime.errors import InputError


def make_runtime(device):
    return RuntimeParams(device=device, workers=1, cache="unused", engine="local", ray_address=None)


def test_a_model_is_opened_where_and_as_it_is_asked_for():
    present = torch.cuda.is_available()
    model, device = open_model(torch.nn.Linear(2, 2), "bfloat16", make_runtime("cpu"))
    assert device.type == "cpu"
    assert model.weight.dtype == torch.bfloat16
    assert not model.training
    assert not model.weight.requires_grad
    _, device = open_model(torch.nn.Linear(2, 2), "float32", make_runtime("auto"))
    assert device.type == ("cuda" if present else "cpu")
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_dtype_auto_is_the_devices(monkeypatch):
    assert choose_dtype("auto", make_runtime("cpu")) == "float32"
    assert choose_dtype("bfloat16", make_runtime("cpu")) == "bfloat16"
    monkeypatch.setattr("fame.runtime.devices.choose_device", lambda _: "cuda")
    assert choose_dtype("auto", make_runtime("auto")) == "bfloat16"
    assert choose_dtype("float32", make_runtime("auto")) == "float32"


def test_a_gpu_decodes_where_there_is_one(monkeypatch):
    def choose(decode):
        runtime = make_runtime("auto")
        return choose_decode(decode, runtime), make_preparer(whole, decode, 224, runtime).way

    found = {"exact": ("exact", (None, False)), "draft": ("draft", (224, False))}
    for device, gpu in (("cpu", found["exact"]), ("cuda", ("gpu", (None, True)))):
        monkeypatch.setattr("fame.runtime.devices.choose_device", lambda _, device=device: device)
        assert {decode: choose(decode) for decode in ("exact", "draft", "gpu")} == (
            found | {"gpu": gpu}
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match=r"runtime.device: found 'cuda'.*allowed on .*: auto, cpu"):
        open_model(torch.nn.Linear(2, 2), "float32", make_runtime("cuda"))


def make_item(tokens):
    return Item(np.arange(tokens, dtype=np.int32), None)


def test_tokens_of_all_items_follow_each_other():
    items = [make_item(3), make_item(1), make_item(2)]
    ids, positions = join_tokens(items, torch.device("cpu"))
    assert ids.tolist() == positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert ids.dtype == torch.int64


def test_images_are_the_same_resized_before_and_on_the_device():
    draw = np.random.default_rng(3)
    shapes = [(9, 12), (20, 10), (9, 12), (6, 6)]
    arrays = [draw.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    plans = [whole(array.shape[1], array.shape[0], (6, 6)) for array in arrays]
    pairs = list(zip(arrays, plans, strict=True))
    resized = [resize(Image.fromarray(array), plan) for array, plan in pairs]
    mixed = [Decoded(*pair) for pair in pairs[:3]] + resized[3:]
    for images in (resized, mixed):
        found = open_pixels(images, torch.device("cpu"))
        np.testing.assert_array_equal(found.numpy(), np.stack(resized))
