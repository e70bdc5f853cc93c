import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame.fusion import weights
from fame.runtime.metrics import mean_absolute_error, spearman

METRICS = ("mae", "src")


def make(seed=0, count=400):
    """Labels, and learners of which the third only adds noise."""
    generator = np.random.default_rng(seed)
    true = generator.normal(6, 2, count)
    noise = generator.normal(size=(3, count))
    learners = {
        "good": true + noise[0],
        "fair": true + 1.5 * noise[1],
        "harmful": true + 30 + 8 * noise[2],
    }
    return true, learners, np.arange(count) % 5


@pytest.mark.parametrize("metric", METRICS)
def test_weights_are_a_mean_and_beat_every_single_learner_and_the_mean(metric):
    true, learners, _ = make()
    found = weights.learn(true, learners, metric)
    assert list(found) == list(learners)
    assert sum(found.values()) == pytest.approx(1)
    loss = weights.LOSSES[metric]
    fused = sum(found[name] * values for name, values in learners.items())
    others = [*learners.values(), np.mean(list(learners.values()), axis=0)]
    assert loss(true, fused) < min(loss(true, other) for other in others)


@pytest.mark.parametrize("metric", METRICS)
def test_a_learner_that_does_harm_weighs_nothing(metric):
    true, learners, _ = make()
    found = weights.learn(true, learners, metric)
    assert found["harmful"] == 0
    assert found["good"] > found["fair"] > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_mae_is_near_that_of_a_fine_search(seed):
    true, learners, _ = make(seed, 200)
    two = {name: learners[name] for name in ("good", "fair")}
    found = weights.learn(true, two, "mae")
    fused = found["good"] * two["good"] + found["fair"] * two["fair"]
    grid = np.linspace(0, 1, 201)
    best = min(np.abs(true - a * two["good"] - (1 - a) * two["fair"]).mean() for a in grid)
    assert np.abs(true - fused).mean() <= best * 1.005


def test_nested_weights_never_see_their_rows():
    true, learners, fold = make()
    nested = weights.learn_nested(true, learners, fold, "mae")
    changed = np.where(fold == 2, -true, true)
    again = weights.learn_nested(changed, learners, fold, "mae")
    np.testing.assert_array_equal(nested[fold == 2], again[fold == 2])
    assert not np.array_equal(nested[fold != 2], again[fold != 2])


def test_ways_to_fuse_are_compared_by_their_scores_out_of_fold():
    true, learners, fold = make()
    ways = weights.compare(true, learners, fold, {"good": 3, "fair": 1})
    assert list(ways) == ["mean", "fixed", "learned_mae", "learned_src"]
    assert ways["fixed"]["weights"] == {"good": 0.75, "fair": 0.25, "harmful": 0.0}
    fused = 0.75 * learners["good"] + 0.25 * learners["fair"]
    assert ways["fixed"]["mae"] == mean_absolute_error(true, fused)
    assert ways["fixed"]["src"] == spearman(true, fused)
    assert ways["learned_mae"]["mae"] < ways["mean"]["mae"]


def test_without_a_fixed_weight_there_is_no_such_way():
    true, learners, fold = make()
    assert "fixed" not in weights.compare(true, learners, fold, {"other": 1})
