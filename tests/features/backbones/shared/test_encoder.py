import numpy as np
import pytest
import torch
from torch import nn

from fame.features.backbones.shared.encoder import Encoder, Layer, Linear, Patches, Run, join

WIDTH, HEADS, INNER = 32, 4, 64
RUNS = [Run(2, 5, (0, 5)), Run(1, 9, (2, 4)), Run(3, 7, (0, 1))]


def make_reference(norm_first, layers=3):
    """torch's own encoder."""
    torch.manual_seed(5)
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, INNER, activation="gelu", batch_first=True, norm_first=norm_first
    )
    reference = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False).eval()
    for values in reference.parameters():
        nn.init.normal_(values, std=0.2)
    return reference


def convert(layer, norm_first):
    weight, bias = layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
    return Layer(
        query=Linear(weight[:WIDTH], bias[:WIDTH]),
        key_value=Linear(weight[WIDTH:], bias[WIDTH:]),
        attended=join(layer.self_attn.out_proj),
        perceptron=(join(layer.linear1, gelu=True), join(layer.linear2)),
        norms=(layer.norm1, layer.norm2),
        heads=HEADS,
        norm_first=norm_first,
    )


def make_encoder(reference, norm_first):
    encoder = Encoder([convert(layer, norm_first) for layer in reference.layers])
    return encoder.eval().requires_grad_(False)


def make_items(seed=3):
    draw = torch.Generator().manual_seed(seed)
    return [
        [torch.randn(run.length, WIDTH, generator=draw) for _ in range(run.count)] for run in RUNS
    ]


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_each_item_is_as_if_it_were_alone(norm_first, packed):
    reference = make_reference(norm_first)
    items = make_items()
    with torch.inference_mode():
        expected = [
            reference(item[None])[0, slice(*run.kept)].mean(0)
            for run, group in zip(RUNS, items, strict=True)
            for item in group
        ]
        encoder = make_encoder(reference, norm_first)
        if packed:
            encoder.optimise()
        found = encoder(torch.cat([item for group in items for item in group]), RUNS)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_what_a_gpu_compiles_is_compiled_once_for_all_layers_and_sizes():
    reference = make_reference(norm_first=True, layers=12)
    encoder = make_encoder(reference, norm_first=True)
    sizes = [[Run(2, n, (0, 3)), Run(3, n + 2, (1, 2))] for n in (5, 9, 17)]
    with torch.inference_mode():
        inputs = [torch.randn(sum(run.count * run.length for run in runs), WIDTH) for runs in sizes]
        expected = [encoder(rows, runs) for rows, runs in zip(inputs, sizes, strict=True)]
        torch._dynamo.utils.counters.clear()
        encoder.compile_rows(backend="aot_eager")
        for rows, runs, values in zip(inputs, sizes, expected, strict=True):
            torch.testing.assert_close(encoder(rows, runs), values)
    # Keys and queries of the same rows, or of other rows in the last layer; what follows.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 3


def test_patches_are_those_of_the_convolution():
    convolution = nn.Conv2d(3, 10, kernel_size=4, stride=4)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    mean, deviation = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]
    scaled = (pixels / 255 - mean) / deviation
    image = torch.from_numpy(scaled).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        found = Patches(convolution, mean, deviation)(pixels)
        expected = convolution(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
