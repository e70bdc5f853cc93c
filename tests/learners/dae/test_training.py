from dataclasses import replace

import numpy as np
import pytest
from fame.learners.folds import read_rows
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fame.learners.dae import inputs, learner
from fame.learners.dae.inputs import Inputs, fit_preparation, prepare
from fame.runtime.errors import InputError


@pytest.fixture(scope="module")
def params(learners):
    return learners("dae", sigma=0.5, decoder_width=5, head_widths=[7, 3]).params


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

    encoder = randomise(learner._build_encoder(9, params))
    decoder = randomise(learner._build_decoder(9, params))
    with torch.no_grad():
        encoded = learner._encode(encoder, torch.from_numpy(rows), 0)
        decoded, p1 = learner._decode(decoder, encoded, 0)
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
        randomise(learner._build_encoder(9, params)),
        randomise(learner._build_head(9, params)),
    )
    x = torch.from_numpy(rows)
    with torch.no_grad():
        c = torch.cat([learner._encode(encoder, x, 0), x], dim=1)
        prediction = learner._apply_head(head, c, 0, 0)
    weights = to_numpy(head)
    hidden = apply(weights, "second", apply(weights, "first", c.numpy().astype(float)))
    expected = apply(weights, "predict", hidden)[:, 0]
    np.testing.assert_allclose(prediction.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_noise_has_the_deviation_sigma():
    import torch

    torch.manual_seed(0)
    zeros = torch.zeros(100_000)
    assert learner._add_noise(zeros, 0.1).std().item() == pytest.approx(0.1, rel=0.02)
    assert learner._add_noise(zeros, 0) is zeros


def test_the_encoder_stays_frozen_in_phase_2(learners, tables):
    table, _ = tables()
    encoders = []
    for epochs in (1, 30):
        learner = learners("dae", phase_2={"epochs": epochs})
        learner.fit(table)
        encoders.append(learner._models[0].networks["encoder"].state_dict())
    for name, tensor in encoders[0].items():
        assert tensor.equal(encoders[1][name])


@given(st.integers(1, 300), st.integers(2, 64))
def test_batches_hold_every_row_once_and_never_a_lone_row(rows, batch_size):
    import torch

    batches = learner.split_batches(torch.arange(rows), batch_size)
    assert torch.cat(batches).tolist() == list(range(rows))
    assert max(map(len, batches)) <= batch_size + 1
    assert rows == 1 or min(map(len, batches)) > 1


def test_a_last_batch_of_one_row_trains(learners, tables):
    table, _ = tables()
    learner = learners("dae", one_step=True, phase_1={"batch_size": 127})
    learner.fit(table)  # 128 rows to train on: 127 and 1
    assert np.isfinite(learner.predict(table)).all()


def test_numbers_are_standardised_on_the_rows_given(tables):
    table, _ = tables()
    values = table.values.copy()
    values[:, 5] = 7
    values[:, 6] = np.nan
    values[table.fold >= 0, 7] = 2
    rows = np.flatnonzero(table.fold >= 0)
    table = replace(table, values=values)
    preparation = fit_preparation(table, rows, 2)
    x = prepare(table, rows, preparation)
    assert x.shape == (len(rows), 30 + 2 * 2)
    varying = [0, 1, 2, 6, 29]  # of the numbers, which follow two categories
    np.testing.assert_allclose(x[:, varying].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[:, [0, 1, 6, 29]].std(axis=0), 1, atol=1e-5)
    assert (x[np.isnan(values[rows, 4]), 2] == 0).all()
    assert (prepare(table, np.arange(len(values)), preparation)[:, 3:6] == 0).all()


def test_frequent_categories_become_columns_and_others_nothing(tables):
    table, _ = tables()
    values = table.values.copy()
    values[:, 0] = 9
    values[:50, 0] = 4
    values[50:60, 0] = 2
    values[400:, 0] = 77
    table = replace(table, values=values)
    preparation = fit_preparation(table, np.arange(160), 2)
    np.testing.assert_array_equal(preparation.category_column, [0, 0, 1, 1])
    np.testing.assert_array_equal(preparation.category_id[:2], [4, 9])
    x = prepare(table, np.array([0, 55, 100, 450]), preparation)
    np.testing.assert_array_equal(x[:, 30:32], [[1, 0], [0, 0], [0, 1], [0, 0]])


def range_batches(rows, size):
    import torch

    return torch.arange(rows).split(size)


def make_inputs(table, rows):
    import torch

    labels = torch.from_numpy(table.popularity[rows].astype(np.float32))
    return Inputs(table, rows, fit_preparation(table, rows, 2), labels)


def test_batches_are_read_in_the_order_asked_for_beside_what_is_encoded(tables):
    import torch

    table, _ = tables()
    data = make_inputs(table, np.arange(5, 155))
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    encoded = torch.arange(300.0).reshape(150, 2)
    batches = order.split(32)
    read = list(replace(data, encoded=encoded).read(batches))
    assert [len(labels) for _, labels in read] == [32, 32, 32, 32, 22]
    x, labels = (torch.cat(parts) for parts in zip(*read, strict=True))
    np.testing.assert_array_equal(labels, table.popularity[order + 5].astype(np.float32))
    np.testing.assert_array_equal(x[:, :2], encoded[order])
    np.testing.assert_array_equal(x[:, 2:], prepare(table, order.numpy() + 5, data.preparation))


def test_rows_are_never_held(tables, monkeypatch):
    """What is read ahead of a batch that is not yet computed is a few batches, not the table."""
    table, _ = tables()
    asked = []
    monkeypatch.setattr(
        inputs, "read_rows", lambda *given: asked.append(given[1]) or read_rows(*given)
    )
    data = make_inputs(table, np.arange(150))
    asked.clear()
    for number, _ in enumerate(data.read(range_batches(150, 10)), 1):
        assert len(asked) <= number + inputs.BATCHES_AHEAD
    assert [len(rows) for rows in asked] == [10] * 15


def test_the_size_of_a_chunk_does_not_change_what_is_fitted(tables, monkeypatch):
    table, _ = tables()
    rows = np.flatnonzero(table.fold != 1)
    whole = fit_preparation(table, rows, 50)
    monkeypatch.setattr(inputs, "CHUNK_ROWS", 7)
    parts = fit_preparation(table, rows, 50)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-6)
    np.testing.assert_array_equal(parts.category_id, whole.category_id)


def test_a_shared_encoder_is_trained_once_and_sees_labels_of_other_folds(learners, tables):
    table, _ = tables()
    changed = table.popularity.copy()
    own = table.validation_rows(1)
    changed[own] = np.random.default_rng(1).normal(scale=10, size=len(own))
    before, after = (learners("dae", one_step=True, encoder="shared") for _ in range(2))
    before.fit(table)
    after.fit(replace(table, popularity=changed))
    phases = [(point["fold"], point["phase"]) for point in before.curves()]
    assert phases == [(0, "phase_1"), *((fold, "phase_2") for fold in range(5))]
    rows = np.arange(5)
    first, second = (learner.predict_fold(1, table, rows) for learner in (before, after))
    assert not np.array_equal(first, second)  # what per_fold rules out
    weights = [model.networks["encoder"]["encode"].weight for model in before._models.values()]
    assert all(weight.equal(weights[0]) for weight in weights)


def test_a_phase_stops_after_patience_and_keeps_the_best_epoch(learners, tables):
    table, _ = tables()
    phase_2 = {"epochs": 200, "patience": 3, "learning_rate": 0.05}
    learner = learners("dae", phase_2=phase_2)
    learner.fit(table)
    for fold in learner.record()["folds"]:
        steps = [
            point
            for point in learner.curves()
            if point["fold"] == fold["fold"] and point["phase"] == "phase_2"
        ]
        assert len(steps) == fold["best_iteration"] + 3 < 200
        best = min(steps, key=lambda point: point["validation_mae"])
        assert best["iteration"] == fold["best_iteration"]


def test_a_loss_that_is_not_finite_is_one_sentence(learners, tables):
    table, _ = tables()
    labels = np.where(table.fold >= 0, 1e38, np.nan)
    labels[::2] *= -1
    with pytest.raises(InputError, match="the loss of phase_1 is not finite"):
        learners("dae", phase_1={"learning_rate": 1e30}).fit(replace(table, popularity=labels))


@pytest.mark.parametrize(
    ("key", "value"),
    [("sigma", -0.1), ("encoder", "once"), ("head_widths", [8]), ("encoded_width", 0)],
)
def test_parameters_are_checked(params, key, value):
    block = params.model_dump()
    with pytest.raises(ValidationError, match=key):
        type(params).model_validate(block | {key: value})
