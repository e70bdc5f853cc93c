import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tests.features.backbones.small_checkpoints import (
    make_clip,
    make_clip_tokenizer,
    save_checkpoint,
)
from tests.pictures import encode
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from fame.features.backbones.clip import Clip, plan
from fame.features.backbones.contract import Item
from fame.features.resampling import resize
from fame.params import RuntimeParams
from fame.runtime.errors import InputError

# The end of a text may stand in it: then the first one counts.
TEXTS = ["sunset", "a dog on the beach", "word " * 90, "red <|endoftext|> bridge", "dog", "été 😀"]
RUNTIME = RuntimeParams(device="cpu", workers=1, cache="x", engine="local", ray_address=None)
LEGACY_END = 2


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Activation and end of text -> checkpoint: OpenAI's first, OpenAI's today, OpenCLIP's."""
    root = tmp_path_factory.mktemp("clip")
    generations = [("quick_gelu", LEGACY_END), ("quick_gelu", None), ("gelu", None)]
    for activation, end in generations:
        model = make_clip(activation, end)
        save_checkpoint(model, root / f"{activation}-{end}", make_clip_tokenizer())
    return {generation: root / "{}-{}".format(*generation) for generation in generations}


@pytest.fixture(params=[("quick_gelu", LEGACY_END), ("quick_gelu", None), ("gelu", None)], ids=str)
def folder(request, folders):
    return folders[request.param]


def make(folder, **changes):
    settings = {
        "kind": "clip",
        "reads": "contents",
        "checkpoint": str(folder),
        "revision": "main",
        "projection": True,
        "image_size": 64,
        "max_text_tokens": 77,
        "dtype": "float32",
        "decode": "exact",
    }
    return Clip(Clip.Params.model_validate(settings | changes), RUNTIME)


def see(image, size):
    return resize(image, plan(*image.size, size))


def embed(backbone, kind, inputs):
    backbone.load()
    if kind == "text":
        items = [Item(tokens, None) for tokens in backbone.tokenize(inputs)]
    else:
        prepare = backbone.image_preparer()
        items = [Item(None, prepare(encode(Image.fromarray(p), "PNG"))) for p in inputs]
    return backbone.run(kind, items)["vector"].numpy()


def compute_plainly(folder, kind, inputs, size=64, projection=True):
    """transformers' own processor and model, one input at a time."""
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    )
    vectors = []
    with torch.inference_mode():
        for one in inputs:
            if kind == "text":
                tokens = tokenizer(one, truncation=True, max_length=77, return_tensors="pt")
                pooled = model.text_model(**tokens).pooler_output
                vectors.append(model.text_projection(pooled) if projection else pooled)
            else:
                pixels = processor(Image.fromarray(one), return_tensors="pt")
                pooled = model.vision_model(**pixels, interpolate_pos_encoding=True).pooler_output
                vectors.append(model.visual_projection(pooled) if projection else pooled)
    return torch.cat(vectors).numpy()


def find_largest_error(vectors, expected):
    return (np.linalg.norm(vectors - expected, axis=1) / np.linalg.norm(expected, axis=1)).max()


@pytest.mark.parametrize("projection", [True, False])
def test_a_batch_equals_the_plain_forward_of_each_post(folder, pictures, projection):
    backbone = make(folder, projection=projection)
    for kind, inputs in (("text", TEXTS), ("image", pictures)):
        vectors = embed(backbone, kind, inputs)
        expected = compute_plainly(folder, kind, inputs, projection=projection)
        assert vectors.dtype == np.float32
        assert find_largest_error(vectors, expected) < 1e-4


def test_another_image_size_stretches_the_positions(folder, pictures):
    vectors = embed(make(folder, image_size=96), "image", pictures)
    assert find_largest_error(vectors, compute_plainly(folder, "image", pictures, 96)) < 1e-4


def test_bfloat16_points_the_same_way(folder, pictures):
    for kind, inputs in (("text", TEXTS), ("image", pictures)):
        vectors = embed(make(folder, dtype="bfloat16"), kind, inputs)
        expected = compute_plainly(folder, kind, inputs)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((vectors * expected).sum(axis=1) / lengths).min() > 0.999


def test_columns_are_as_wide_as_the_vectors(checkpoints, pictures):
    for projection, widths in ((True, (40, 40, 40)), (False, (48, 48, 64))):
        backbone = make(checkpoints["clip"], projection=projection)
        assert tuple(map(len, backbone.columns().values())) == widths
        assert embed(backbone, "text", TEXTS).shape[1] == widths[0]
        assert embed(backbone, "image", pictures).shape[1] == widths[2]


def copy_with_config(checkpoint, folder, change):
    """A copy of a checkpoint whose config.json was changed."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_older_configurations_have_their_blocks_under_another_name(checkpoints, tmp_path):
    def rename(config):
        for part in ("text_config", "vision_config"):
            config[f"{part}_dict"] = config.pop(part)

    older = copy_with_config(checkpoints["clip"], tmp_path / "older", rename)
    now = make(checkpoints["clip"], projection=False)
    backbone = make(older, projection=False)
    assert backbone.columns() == now.columns()
    np.testing.assert_array_equal(embed(backbone, "text", TEXTS), embed(now, "text", TEXTS))


def test_an_end_of_text_that_the_tokenizer_does_not_give_is_refused(checkpoints, tmp_path):
    def change(config):
        config["text_config"]["eos_token_id"] = 7

    folder = copy_with_config(checkpoints["clip"], tmp_path / "other", change)
    with pytest.raises(InputError, match=r"ends a text with token 7, its tokenizer with 513; allo"):
        make(folder).load()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"max_text_tokens": 78}, r"max_text_tokens.*found 78.*allowed: 3 to 77$"),
        ({"image_size": 100}, r"image_size.*found 100; allowed: multiples of .* patch, 16$"),
        (
            {"image_size": 100, "max_text_tokens": 78},
            r"(?s)max_text_tokens.*found 78.*\n.*image_size.*found 100",
        ),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_refused(checkpoints, change, found):
    with pytest.raises(InputError, match=found):
        make(checkpoints["clip"], **change).fingerprint()


def test_a_checkpoint_without_projections_serves_without_them(checkpoints, tmp_path):
    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoints["clip"], tmp_path / "bare")
    path = tmp_path / "bare" / "model.safetensors"
    save_file({k: v for k, v in load_file(path).items() if "projection." not in k}, path)
    make(tmp_path / "bare", projection=False).load()
    with pytest.raises(InputError, match=r"holds 0 of the 1 weights under 'text_projection\.'"):
        make(tmp_path / "bare").load()


@pytest.mark.parametrize("size", [(120, 90), (90, 121), (64, 64), (1000, 90), (7, 5), (640, 40)])
def test_an_image_is_cropped_as_by_the_processor(size):
    pixels = np.random.default_rng(4).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, do_normalize=False
    )
    wanted = processor(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
    found = np.asarray(see(Image.fromarray(pixels), 64)).transpose(2, 0, 1)
    np.testing.assert_array_equal(found, np.rint(wanted * 255))


def test_a_strip_costs_no_more_than_its_middle():
    pixels = np.zeros((1, 2_000_000, 3), dtype=np.uint8)
    pixels[:, 999_000:1_001_000] = 200
    assert (np.asarray(see(Image.fromarray(pixels), 64)) == 200).all()


@pytest.mark.parametrize(
    "change",
    [
        {"projection": False},
        {"image_size": 96},
        {"max_text_tokens": 8},
        {"dtype": "bfloat16"},
        {"decode": "draft"},
    ],
    ids=str,
)
def test_what_changes_a_vector_changes_the_fingerprint(checkpoints, change):
    folder = checkpoints["clip"]
    assert make(folder, **change).fingerprint() != make(folder).fingerprint()
