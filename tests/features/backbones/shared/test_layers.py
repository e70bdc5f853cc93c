import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig
from transformers.models.bert.modeling_bert import BertEmbeddings
from transformers.models.blip.modeling_blip import BlipVisionEmbeddings
from transformers.models.blip.modeling_blip_text import BlipTextEmbeddings
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings, CLIPVisionEmbeddings
from transformers.models.vilt.modeling_vilt import TextEmbeddings as ViltTextEmbeddings

from fame.features.backbones import blip, vilt
from fame.features.backbones.shared.architecture import BERT_SIZES
from fame.features.backbones.shared.encoder import stretch
from fame.features.backbones.shared.layers import Words, make_bert_words
from fame.features.backbones.shared.tensors import open_weights

SMALL = {"hidden_size": 24, "vocab_size": 30, "max_position_embeddings": 20}


def fill(module):
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for values in module.parameters():
            values.copy_(torch.randn(values.shape, generator=draw))
    return module.eval().requires_grad_(False)


def make_tokens():
    draw = torch.Generator().manual_seed(4)
    ids = torch.randint(30, (17,), generator=draw)
    return ids, torch.arange(17)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("model", "block", "cls", "sizes"),
    [
        ("bert", None, BertEmbeddings, BERT_SIZES),
        ("vilt", None, ViltTextEmbeddings, vilt.SIZES),
        ("blip", "text_config", BlipTextEmbeddings, blip.TEXT_SIZES),
    ],
    ids=["bert", "vilt", "blip"],
)
def test_words_are_those_of_transformers_to_the_bit(model, block, cls, sizes, dtype, tmp_path):
    config = AutoConfig.for_model(model)
    config = getattr(config, block) if block else config
    for name, value in SMALL.items():
        setattr(config, name, value)
    theirs = fill(cls(config))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    with open_weights("x", [tmp_path / "model.safetensors"], "cpu", "") as weights:
        ours = make_bert_words(weights, sizes | SMALL).to(dtype)
    ids, positions = make_tokens()
    with torch.inference_mode():
        expected = theirs.to(dtype)(ids[None], position_ids=positions[None])[0]
        assert torch.equal(ours(ids, positions), expected)


def test_clips_words_are_those_of_transformers_to_the_bit():
    config = AutoConfig.for_model("clip").text_config
    for name, value in SMALL.items():
        setattr(config, name, value)
    theirs = fill(CLIPTextEmbeddings(config))
    ours = Words(theirs.token_embedding.weight, theirs.position_embedding.weight)
    ids, positions = make_tokens()
    assert torch.equal(ours(ids, positions), theirs(ids[None], positions[None])[0])


@pytest.mark.parametrize("side", [3, 4, 7])
@pytest.mark.parametrize(
    ("model", "cls"), [("clip", CLIPVisionEmbeddings), ("blip", BlipVisionEmbeddings)]
)
def test_positions_are_stretched_as_by_transformers_to_the_bit(model, cls, side):
    config = AutoConfig.for_model(model).vision_config
    config.hidden_size, config.image_size, config.patch_size = 24, 16, 4
    theirs = fill(cls(config))
    learnt = theirs.position_embedding
    learnt = learnt.weight if model == "clip" else learnt[0]
    tokens = torch.empty(1, side**2 + 1, 24)
    expected = theirs.interpolate_pos_encoding(tokens, 4 * side, 4 * side)[0]
    before = learnt.clone()
    found = stretch(learnt, side)
    assert torch.equal(found, expected)
    found += 1
    assert torch.equal(learnt, before)
