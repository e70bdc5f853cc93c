import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.fusion import scores
from fame.fusion.combination import IDENTITY, Combination
from fame.fusion.intervals import GROUPS
from fame.runtime.metrics import spearman

TRUE = np.array([1.0, 2.0, 3.0, 4.0])
PREDICTIONS = {"a": np.array([1.0, 3.0, 2.0, 4.0]), "b": np.array([2.0, 2.0, 2.0, 6.0])}


def test_every_score_is_computed_from_its_predictions():
    weights = {group: {"a": 0.25, "b": 0.75} for group in GROUPS}
    chosen = Combination(weights, dict.fromkeys(GROUPS, IDENTITY))
    found = scores.score_all(TRUE, PREDICTIONS, np.array([True, False, True, True]), chosen)
    assert next(iter(found)) == "fame"
    fused = 0.25 * PREDICTIONS["a"] + 0.75 * PREDICTIONS["b"]
    assert found["a"] == {"src": 0.8, "mae": 0.5}
    assert found["fame"]["mae"] == pytest.approx(np.abs(TRUE - fused).mean())
    assert found["fame"]["src"] == pytest.approx(spearman(TRUE, fused))
    assert found["without_a"] == found["b"]
    assert found["without_b"] == found["a"]


def test_users_are_counted_in_both_parts():
    users = ["u", "v", None, "u", "w", None, "v"]
    split = np.array(["fit", "fit", "fit", "holdout", "holdout", "holdout", "challenge"])
    assert scores.count_users(users, split) == {
        "users_fit": 2,
        "users_holdout": 2,
        "users_holdout_seen_in_fit": 1,
        "posts_holdout_of_users_seen_in_fit": 1,
    }


def test_a_density_integrates_to_one():
    sample = np.random.default_rng(1).normal(6, 2, 500)
    edges = scores.bin_edges([sample, np.array([-1.0, 4.0])], 0.25)
    assert edges[0] <= -1
    assert edges[-1] > sample.max()
    assert scores.bin_density(sample, edges).sum() * 0.25 == pytest.approx(1)


def test_bins_stand_on_one_grid_whatever_the_sample():
    first = scores.bin_edges([np.array([1.1, 2.9])], 0.5)
    second = scores.bin_edges([np.array([1.4, 2.6])], 0.5)
    np.testing.assert_allclose(first, [1, 1.5, 2, 2.5, 3])
    np.testing.assert_allclose(second, [1, 1.5, 2, 2.5, 3])


def test_one_post_has_no_ranking():
    assert scores.score(np.array([3.0]), np.array([2.5])) == {"src": 0.0, "mae": 0.5}


@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30), st.sampled_from([1e-3, 0.5, 40.0])
)
def test_bins_are_few_whatever_the_range_and_hold_every_value(values, width):
    sample = np.array(values)
    edges = scores.bin_edges([sample], width)
    assert 2 <= len(edges) <= scores.MOST_BINS + 1
    slack = 1e-9 * (edges[1] - edges[0])  # a value may be nearer to 0 than any multiple is
    assert edges[0] <= sample.min() + slack
    assert sample.max() <= edges[-1] + slack
    assert (np.diff(edges) > 0).all()


def test_raw_counts_cost_no_memory():
    edges = scores.bin_edges([np.array([0.0, 2e9])], 0.5)
    assert len(edges) <= scores.MOST_BINS + 1
