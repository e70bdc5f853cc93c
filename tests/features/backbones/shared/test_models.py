import numpy as np
import pytest
import torch

from fame.features.backbones.shared.models import (
    choose_dtype,
    group_by_size,
    measure,
    open_model,
    stack_pixels,
    stack_tokens,
)
from fame.features.contract import Item
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


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match=r"runtime.device: found 'cuda'.*allowed on .*: auto, cpu"):
        open_model(torch.nn.Linear(2, 2), "float32", make_runtime("cuda"))


def make_item(tokens=None, side=None):
    ids = None if tokens is None else np.arange(tokens, dtype=np.int32)
    return Item(ids, None if side is None else np.full((side, side, 3), side, dtype=np.uint8))


def test_only_neighbours_of_one_size_are_a_group():
    items = [make_item(n, 4) for n in (3, 3, 5, 3)] + [make_item(3, 8)]
    assert [len(group) for group in group_by_size(items)] == [2, 1, 1, 1]
    assert measure(make_item(3)) == (3,)
    assert measure(make_item(None, 4)) == (4, 4, 3)
    assert measure(make_item(3, 4)) == (4, 4, 3, 3)


def test_items_of_one_size_are_one_array():
    items = [make_item(3, 4)] * 2
    np.testing.assert_array_equal(stack_tokens(items), [[0, 1, 2]] * 2)
    assert stack_tokens(items).dtype == np.int64
    assert stack_pixels(items).shape == (2, 4, 4, 3)
