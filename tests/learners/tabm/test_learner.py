from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import spearmanr

from fame.learners.contract import Table
from fame.learners.tabm.inputs import fit_inputs
from fame.learners.tabm.networks import Size, Trained, apply_networks, build_networks
from fame.learners.tabm.training import _make_loss
from fame.runtime.errors import InputError


@pytest.fixture(scope="module")
def training(tables):
    return tables()[0].training


@pytest.fixture(scope="module")
def params(learners):
    return learners("tabm").trainer.params


def build(table, params, dropout=0.0):
    import torch

    torch.manual_seed(0)
    inputs = fit_inputs(table, table.all_rows, params)
    return inputs, build_networks(inputs, Size(3, 16, 2, 4), dropout).eval()


def test_members_differ_from_the_start(training, params):
    import torch

    inputs, networks = build(training, params)
    x = torch.from_numpy(inputs.prepare(training, np.arange(20)))
    members = apply_networks(networks, x).detach().numpy()
    assert members.shape == (20, 3)
    assert np.abs(members[:, 0] - members[:, 1]).min() > 0


def test_a_file_is_the_ensemble_that_was_written(training, params, tmp_path):
    inputs, networks = build(training, params)
    trained = Trained(inputs, np.array([5.0, 2.0]), Size(3, 16, 2, 4), networks)
    trained.write(tmp_path / "a")
    again = Trained.read(tmp_path / "a")
    assert again.size == trained.size
    rows = training.all_rows
    np.testing.assert_array_equal(
        again.predict(training, rows, "cpu"), trained.predict(training, rows, "cpu")
    )
    again.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kept", ["categories", "plain", "ranked"])
def test_a_table_of_one_sort_of_columns_is_learned(kept, learners, tables):
    table, label = tables()
    places = {"categories": [0, 1], "plain": [2, 3, 4], "ranked": [2, 3, 4]}[kept]
    part = replace(
        table,
        values=table.values[:, places],
        columns=tuple(table.columns[i] for i in places),
    )
    plain = {"plain": ["minilm"]}.get(kept, [])
    trained = learners("tabm", plain_blocks=plain).fit(part)
    rows = np.flatnonzero(table.fold < 0)
    assert spearmanr(trained.model.predict(part, rows), label[rows]).statistic > 0.3


def test_training_minimises_the_members_errors_and_stops_on_that_of_their_mean(training, params):
    import torch

    inputs, networks = build(training, params)
    x = torch.from_numpy(inputs.prepare(training, np.arange(50)))
    label = torch.from_numpy(training.popularity[:50].astype(np.float32))
    members = apply_networks(networks, x).detach().numpy().astype(float) * 2 + 6
    errors = members - training.popularity[:50, None]
    mean = errors.mean(axis=1)
    mae = np.abs(mean).mean()
    for loss, stop_on in (("rmse", "mae"), ("mae", "rmse")):
        changes = {"loss": loss, "stop_on": stop_on}
        find_loss = _make_loss(networks, np.array([6.0, 2.0]), params.model_copy(update=changes))
        minimised = {"rmse": (errors**2).mean() / 4, "mae": np.abs(errors).mean() / 2}[loss]
        stopped_on = {"rmse": (mean**2).mean() / 4, "mae": mae / 2}[stop_on]
        for trains, expected in ((True, minimised), (False, stopped_on)):
            networks.train(trains)
            value, found = find_loss(x, label)
            assert value.item() == pytest.approx(expected, rel=1e-4)
            assert found.item() == pytest.approx(mae, rel=1e-4)


def test_it_stops_after_patience_and_keeps_the_best_epoch(learners, training):
    learner = learners("tabm", training={"epochs": 300, "patience": 3, "learning_rate": 0.03})
    learner.fit(learner_table(training))
    curves = learner.trainer.curves()
    for fold in learner.trainer.record()["folds"]:
        steps = [point for point in curves if point["fold"] == fold["fold"]]
        assert len(steps) == fold["best_iteration"] + 3 < 300


def learner_table(training):
    """What `Trained.fit` of the tests takes: it is its own training table."""
    return type("Own", (), {"training": training})()


def test_a_post_unlike_all_others_is_predicted_near_the_labels(fitted, tables):
    table, _ = tables()
    values = table.values.copy()
    values[:, 2:] *= 1e9
    values[:, :2] = 12345
    model = fitted("tabm").model
    low, high = model.label_range
    found = model.predict(replace(table, values=values))
    reach = 0.5 * (high - low)
    assert ((found > low - reach) & (found < high + reach)).all()


def test_its_size_grows_with_the_posts(learners, training):
    sizes = {"members": {"from_0": 2, "from_160": 3}, "width": {"from_0": 8, "from_161": 99}}
    learner = learners("tabm", one_step=True)
    learner.trainer.params = learner.trainer.params.model_copy(update=sizes)
    learner.fit(learner_table(training))
    assert learner.trainer.record()["grown"] == {"members": 3, "width": 8}
    assert {model.size[:2] for model in learner.model._models.values()} == {(3, 8)}


def test_a_rate_that_is_too_high_is_one_sentence(learners, training):
    learner = learners(
        "tabm", training={"learning_rate": 1e30, "max_gradient_norm": None, "optimiser": "adam"}
    )
    with pytest.raises(InputError, match="the loss of training is not finite; lower its learning"):
        learner.fit(learner_table(training))


def test_one_label_for_all_is_learned(learners, training):
    same = replace(training, popularity=np.full(len(training.fold), 3.0))
    learner = learners("tabm", one_step=True).fit(learner_table(same))
    assert np.abs(learner.trainer.out_of_fold() - 3).max() < 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("members", 0),
        ("width", {"from_1": 8}),
        ("dropout", 1.0),
        ("loss", "mse"),
        ("plain_blocks", ["Char"]),
        ("training", {"epochs": 1}),
    ],
)
def test_parameters_are_checked(params, key, value):
    with pytest.raises(ValidationError, match=key):
        type(params).model_validate(params.model_dump() | {key: value})


def test_a_table_without_rows_is_predicted(fitted, tables):
    table: Table = tables()[0]
    assert fitted("tabm").model.predict(table, np.arange(0)).shape == (0,)
