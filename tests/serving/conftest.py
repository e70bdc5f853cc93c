"""A small bundle, made by the stages themselves, and its predictor: made once."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

from fame.serving.predictor import Predictor
from tests.serving.runs import finish, write_params


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    write_params(folder)
    finish(folder)
    return folder


@pytest.fixture(scope="session")
def models(finished, tmp_path_factory):
    """The bundle alone, where nothing else of the run is."""
    return shutil.copytree(finished / "models", tmp_path_factory.mktemp("alone") / "models")


@pytest.fixture(scope="session")
def predictor(models):
    return Predictor.load(models, threads=1)


@pytest.fixture
def copied(models, tmp_path):
    """A bundle to be damaged."""
    return shutil.copytree(models, tmp_path / "models")


@pytest.fixture(scope="session")
def picture():
    """The bytes of a small JPEG."""
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
