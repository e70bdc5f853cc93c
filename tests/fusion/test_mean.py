import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.fusion import mean
from fame.fusion.combination import IDENTITY, Combination
from fame.fusion.intervals import GROUPS

PAPER = {"catboost": 0.4, "lightgbm": 0.35, "autogluon": 0.15, "dae": 0.1}
names = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)
weighted = names.flatmap(
    lambda chosen: st.fixed_dictionaries({name: st.floats(0, 10) for name in chosen})
).filter(lambda weights: sum(weights.values()) > 1e-6)


@given(weighted)
def test_normalised_weights_sum_to_one_and_keep_their_ratios(weights):
    used = mean.normalise(weights, list(weights))
    total = sum(weights.values())
    assert sum(used.values()) == pytest.approx(1)
    assert all(used[name] * total == pytest.approx(weights[name]) for name in weights)


@given(weighted, st.integers(0, 2**31))
def test_fused_prediction_lies_between_the_learners(weights, seed):
    draw = np.random.default_rng(seed)
    predictions = {name: draw.normal(size=5) for name in weights}
    fused = mean.fuse(predictions, mean.normalise(weights, list(weights)))
    stacked = np.array(list(predictions.values()))
    assert (fused >= stacked.min(axis=0) - 1e-9).all()
    assert (fused <= stacked.max(axis=0) + 1e-9).all()


def test_absent_learners_give_their_weight_to_the_present():
    used = mean.normalise(PAPER, ["catboost", "lightgbm", "dae"])
    assert used == pytest.approx(
        {"catboost": 0.4 / 0.85, "lightgbm": 0.35 / 0.85, "dae": 0.1 / 0.85}
    )


def test_a_learner_without_a_weight_weighs_nothing():
    assert mean.normalise({"catboost": 2.0}, ["catboost", "other"]) == {
        "catboost": 1.0,
        "other": 0.0,
    }


def test_leave_one_out_normalises_the_others():
    chosen = Combination(dict.fromkeys(GROUPS, PAPER), dict.fromkeys(GROUPS, IDENTITY))
    assert chosen.leave_out("catboost").weights["new"] == pytest.approx(
        {"lightgbm": 0.35 / 0.6, "autogluon": 0.15 / 0.6, "dae": 0.1 / 0.6}
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": -0.1, "b": 1.0}, "weight of a must be >= 0"),
        ({"a": float("nan"), "b": 1.0}, "weight of a must be >= 0"),
        ({"a": 0.0, "b": 0.0}, "all zero"),
    ],
)
def test_unusable_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        mean.normalise(weights, ["a", "b"])
