import numpy as np
import pytest
import torch
from tests.features.backbones.small_checkpoints import (
    make_blip,
    make_clip,
    make_clip_tokenizer,
    make_vilt,
    save_checkpoint,
)

from fame.runtime.devices import import_torchvision

import_torchvision()  # before any test imports transformers
torch.set_num_threads(1)  # the models are small, and tests run side by side


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Kind -> folder of a small checkpoint with random weights and the real vocabulary."""
    root = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(make_vilt(), root / "vilt")
    save_checkpoint(make_blip(), root / "blip")
    save_checkpoint(make_clip(), root / "clip", make_clip_tokenizer())
    return {kind: root / kind for kind in ("vilt", "blip", "clip")}


@pytest.fixture(scope="session")
def pictures():
    """Images of several sizes and aspect ratios."""
    draw = np.random.default_rng(3)
    sizes = [(120, 90), (90, 120), (120, 90), (64, 64), (200, 70), (60, 150)]
    return [draw.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in sizes]
