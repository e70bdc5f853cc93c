import pytest
import torch

from fame.features.backbones.shared.models import choose_dtype, open_model
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
    with pytest.raises(InputError, match=r"runtime.device: found 'cuda'.*allowed here: auto, cpu"):
        open_model(torch.nn.Linear(2, 2), "float32", make_runtime("cuda"))
