"""Small checkpoints with random weights, as the hub has them."""

import json

import torch
from safetensors.torch import save_file

from fame.features.backbones import minilm

SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "hidden_act": "gelu",
}


def make_bert():
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(**SMALL))


def make_vilt():
    from transformers import ViltConfig, ViltForImageAndTextRetrieval

    config = ViltConfig(**SMALL, image_size=64, patch_size=16, max_position_embeddings=40)
    return ViltForImageAndTextRetrieval(config)


def make_blip():
    from transformers import BlipConfig, BlipForImageTextRetrieval

    text = {**SMALL, "vocab_size": 30524, "encoder_hidden_size": 48}
    vision = {**SMALL, "image_size": 64, "patch_size": 16}
    return BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=vision))


def make_clip(activation="quick_gelu", end=None):
    """Encoders of two widths; ``end`` None: the end of a text is the tokenizer's."""
    from transformers import CLIPConfig, CLIPModel

    tokenizer = make_clip_tokenizer()
    end = tokenizer.eos_token_id if end is None else end
    small = {**SMALL, "hidden_act": activation}
    text = {
        **small,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 77,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": end,
    }
    vision = {**small, "hidden_size": 64, "image_size": 64, "patch_size": 16}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=40))


def make_clip_tokenizer():
    """CLIP's own, with bytes for a vocabulary and nothing that joins them."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])


def make_bert_tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent, local_files_only=True)


def save_checkpoint(model, folder, tokenizer=None):
    """As the hub has them: weights, config, tokenizer; weights that neither vanish nor explode."""
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
    (tokenizer or make_bert_tokenizer()).save_pretrained(folder)
