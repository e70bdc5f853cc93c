import numpy as np
import pytest

from fame.learners.dae import networks


@pytest.fixture(scope="module")
def params(learners):
    return learners("dae", sigma=0.5, decoder_width=5, head_widths=[7, 3]).trainer.params


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(11, 9)).astype(np.float32)


def to_numpy(network):
    return {name: value.numpy().astype(float) for name, value in network.state_dict().items()}


def normalise(weights, prefix, x):
    mean, variance = weights[f"{prefix}.running_mean"], weights[f"{prefix}.running_var"]
    scaled = (x - mean) / np.sqrt(variance + 1e-5)
    return scaled * weights[f"{prefix}.weight"] + weights[f"{prefix}.bias"]


def apply(weights, layer, x):
    return x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]


def relu(x):
    return np.maximum(x, 0)


def randomise(network):
    """Batch norms as after a training: not the identity."""
    import torch

    torch.manual_seed(0)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 1).mul_(torch.where(torch.rand_like(tensor) < 0.3, -1, 1))
    for module in network.values():
        if hasattr(module, "running_var"):
            module.running_var.abs_()
    return network.eval()


def test_phase_1_is_the_published_network(params, rows):
    import torch

    encoder = randomise(networks.build_encoder(9, params))
    decoder = randomise(networks.build_decoder(9, params))
    with torch.no_grad():
        encoded = networks.encode(encoder, torch.from_numpy(rows), 0)
        decoded, p1 = networks.decode(decoder, encoded, 0)
    first, second = to_numpy(encoder), to_numpy(decoder)
    expected = relu(apply(first, "encode", normalise(first, "norm", rows.astype(float))))
    np.testing.assert_allclose(encoded.numpy(), expected, rtol=1e-4, atol=1e-4)
    expected = relu(apply(second, "decode", expected))
    np.testing.assert_allclose(decoded.numpy(), expected, rtol=1e-4, atol=1e-4)
    hidden = normalise(second, "norm", relu(apply(second, "hidden", expected)))
    expected = apply(second, "predict", hidden)[:, 0]
    np.testing.assert_allclose(p1.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_phase_2_is_the_published_network(params, rows):
    import torch

    encoder, head = (
        randomise(networks.build_encoder(9, params)),
        randomise(networks.build_head(9, params)),
    )
    x = torch.from_numpy(rows)
    with torch.no_grad():
        c = torch.cat([networks.encode(encoder, x, 0), x], dim=1)
        prediction = networks.apply_head(head, c, 0, 0)
    weights = to_numpy(head)
    hidden = apply(weights, "second", apply(weights, "first", c.numpy().astype(float)))
    expected = apply(weights, "predict", hidden)[:, 0]
    np.testing.assert_allclose(prediction.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_noise_has_the_deviation_sigma():
    import torch

    torch.manual_seed(0)
    zeros = torch.zeros(100_000)
    assert networks._add_noise(zeros, 0.1).std().item() == pytest.approx(0.1, rel=0.02)
    assert networks._add_noise(zeros, 0) is zeros
