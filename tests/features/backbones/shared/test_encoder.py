import numpy as np
import pytest
import torch
from torch import nn

from fame.features.backbones.shared.encoder import (
    ACTIVATIONS,
    Encoder,
    Grid,
    Layer,
    Linear,
    Patches,
    Run,
)

WIDTH, HEADS, INNER = 32, 4, 64
RUNS = [Run(2, 5, (0, 5)), Run(1, 9, (2, 4)), Run(3, 7, (0, 1))]


def make_reference(norm_first, layers=3, activation="gelu"):
    """torch's own encoder."""
    torch.manual_seed(5)
    layer = nn.TransformerEncoderLayer(
        WIDTH,
        HEADS,
        INNER,
        activation=ACTIVATIONS[activation],
        batch_first=True,
        norm_first=norm_first,
    )
    reference = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
    for values in reference.parameters():
        nn.init.normal_(values, std=0.2)
    return reference


def copy(linear, activation=None):
    return Linear(linear.weight, linear.bias, activation)


def convert(layer, norm_first, activation="gelu", causal=False):
    weight, bias = layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
    return Layer(
        query=Linear(weight[:WIDTH], bias[:WIDTH]),
        key_value=Linear(weight[WIDTH:], bias[WIDTH:]),
        attended=copy(layer.self_attn.out_proj),
        perceptron=(copy(layer.linear1, activation), copy(layer.linear2)),
        norms=(layer.norm1, layer.norm2),
        heads=HEADS,
        norm_first=norm_first,
        causal=causal,
    )


def make_encoder(reference, norm_first, **options):
    encoder = Encoder([convert(layer, norm_first, **options) for layer in reference.layers])
    return encoder.eval().requires_grad_(False)


def make_items(seed=3):
    draw = torch.Generator().manual_seed(seed)
    return [
        [torch.randn(run.length, WIDTH, generator=draw) for _ in range(run.count)] for run in RUNS
    ]


def compute_alone(reference, item, causal):
    mask = nn.Transformer.generate_square_subsequent_mask(len(item)) if causal else None
    return reference(item[None], mask=mask)[0]


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
@pytest.mark.parametrize("causal", [True, False])
def test_each_item_is_as_if_it_were_alone(norm_first, packed, activation, causal):
    reference = make_reference(norm_first, activation=activation)
    items = make_items()
    with torch.inference_mode():
        expected = [
            compute_alone(reference, item, causal)[slice(*run.kept)].mean(0)
            for run, group in zip(RUNS, items, strict=True)
            for item in group
        ]
        encoder = make_encoder(reference, norm_first, activation=activation, causal=causal)
        if packed:
            encoder.optimise()
        found = encoder(torch.cat([item for group in items for item in group]), RUNS)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_what_stands_over_the_layers_runs_in_full_precision():
    layers = make_encoder(make_reference(norm_first=True), norm_first=True).layers
    encoder = Encoder(layers, nn.Linear(WIDTH, 3)).eval().requires_grad_(False).bfloat16()
    encoder.optimise()
    rows = torch.cat([item for group in make_items() for item in group])
    with torch.inference_mode():
        assert encoder(rows, RUNS).dtype == torch.float32


@pytest.mark.parametrize("bias", [True, False])
def test_patches_are_those_of_the_convolution(bias):
    convolution = nn.Conv2d(3, 10, kernel_size=4, stride=4, bias=bias)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    mean, deviation = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    scaled = (pixels / 255 - mean) / deviation
    image = torch.from_numpy(scaled).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        patches = Patches(convolution.weight, convolution.bias, mean, deviation)
        found = patches(patches.cut(torch.from_numpy(pixels)))
        expected = convolution(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [12, 16])
def test_a_grid_is_what_transformers_embeds(side):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(hidden_size=8, num_attention_heads=2, image_size=12, patch_size=4)
    embeddings = CLIPVisionModel(config).embeddings
    pixels = np.random.default_rng(2).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels / 255).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        patches = Patches(embeddings.patch_embedding.weight, None, [0.0] * 3, [1.0] * 3)
        learnt, token = embeddings.position_embedding.weight, embeddings.class_embedding[None]
        found = Grid(patches, learnt, token, side)(torch.from_numpy(pixels))
        expected = embeddings(image, interpolate_pos_encoding=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
