import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fame.features.backbones import minilm
from fame.runtime.devices import import_torchvision

import_torchvision()  # before any test imports transformers
torch.set_num_threads(1)  # the models are small, and tests run side by side
SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "hidden_act": "gelu",
}


def make_vilt():
    from transformers import ViltConfig, ViltForImageAndTextRetrieval

    config = ViltConfig(**SMALL, image_size=64, patch_size=16, max_position_embeddings=40)
    return ViltForImageAndTextRetrieval(config)


def make_blip():
    from transformers import BlipConfig, BlipForImageTextRetrieval

    text = {**SMALL, "vocab_size": 30524, "encoder_hidden_size": 48}
    vision = {**SMALL, "image_size": 64, "patch_size": 16}
    return BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=vision))


def save_checkpoint(model, folder):
    """As the hub has them: weights, config, tokenizer; weights that neither vanish nor explode."""
    from transformers import AutoTokenizer

    draw = torch.Generator().manual_seed(7)
    weights = {
        name: torch.randn(value.shape, generator=draw)
        * (value[0].numel() if value.ndim > 1 else 100) ** -0.5
        + (1 if "norm" in name.lower() and name.endswith("weight") else 0)
        for name, value in model.state_dict().items()
        if value.is_floating_point()
    }
    folder.mkdir()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.to_dict(), default=str))
    tokenizer = AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent, local_files_only=True)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Kind -> folder of a small checkpoint with random weights and the real vocabulary."""
    root = tmp_path_factory.mktemp("checkpoints")
    for kind, make in (("vilt", make_vilt), ("blip", make_blip)):
        save_checkpoint(make(), root / kind)
    return {"vilt": root / "vilt", "blip": root / "blip"}


@pytest.fixture(scope="session")
def pictures():
    """Images of several sizes and aspect ratios."""
    draw = np.random.default_rng(3)
    sizes = [(120, 90), (90, 120), (120, 90), (64, 64), (200, 70), (60, 150)]
    return [draw.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in sizes]
