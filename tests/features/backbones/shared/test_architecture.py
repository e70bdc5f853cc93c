import pytest
from transformers import AutoConfig

from fame.features.backbones import blip, clip, minilm, vilt
from fame.features.backbones.shared.architecture import BERT_SIZES, Part

SIZES = {
    ("bert", None): BERT_SIZES,
    ("vilt", None): vilt.SIZES,
    ("blip", "text_config"): blip.TEXT_SIZES,
    ("blip", "vision_config"): blip.IMAGE_SIZES,
    ("clip", "text_config"): clip.TEXT_SIZES,
    ("clip", "vision_config"): clip.IMAGE_SIZES,
}


@pytest.mark.parametrize(("model", "block"), SIZES, ids=str)
def test_what_config_json_does_not_say_is_as_transformers_has_it(model, block):
    config = AutoConfig.for_model(model)
    part = getattr(config, block) if block else config
    sizes = SIZES[model, block]
    assert {name: getattr(part, name) for name in sizes} == sizes


def test_the_width_of_clips_projection_is_as_transformers_has_it():
    assert AutoConfig.for_model("clip").projection_dim == clip.PROJECTED_WIDTH


def test_minilm_is_as_its_package_says():
    config = AutoConfig.from_pretrained(minilm.WEIGHTS.find().parent)
    assert {name: getattr(config, name) for name in minilm.SIZES} == minilm.SIZES


def test_the_first_block_that_is_there_counts():
    part = Part(("older", "newer"), {"hidden_size": 768, "hidden_act": "gelu"})
    assert part.read({}) == {"hidden_size": 768, "hidden_act": "gelu"}
    assert part.read({"newer": {"hidden_size": 8}, "older": None})["hidden_size"] == 8
    assert part.read({"newer": {"hidden_size": 8}, "older": {"x": 1}})["hidden_size"] == 768
    assert Part((), part.defaults).read({"hidden_size": 8})["hidden_size"] == 8


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        ({"hidden_size": 24, "num_attention_heads": 6, "layer_norm_eps": 1}, []),
        (
            {"hidden_size": "wide", "layer_norm_eps": None},
            [
                "vision_config.hidden_size is 'wide'; allowed here: a whole number above 0",
                "vision_config.layer_norm_eps is None; allowed here: a number",
            ],
        ),
        (
            {"patch_size": [16, 16]},
            ["vision_config.patch_size is [16, 16]; allowed here: a whole number above 0"],
        ),
        (
            {"num_hidden_layers": 0, "num_attention_heads": True},
            [
                "vision_config.num_hidden_layers is 0; allowed here: a whole number above 0",
                "vision_config.num_attention_heads is True; allowed here: a whole number above 0",
            ],
        ),
        (
            {"num_attention_heads": 7},
            ["vision_config.num_attention_heads is 7; allowed here: divisors of hidden_size, 768"],
        ),
    ],
    ids=str,
)
def test_sizes_that_make_no_model_are_said_together(said, problems):
    part = Part(("vision_config",), blip.IMAGE_SIZES)
    assert part.find_problems({"vision_config": said}) == problems


def test_a_block_that_is_no_object_is_refused():
    part = Part(("older", "newer"), blip.IMAGE_SIZES)
    assert part.find_problems({"older": [1], "newer": "x"}) == [
        "older is [1]; allowed here: an object",
        "newer is 'x'; allowed here: an object",
    ]
    assert part.find_problems({"older": None}) == []
