import numpy as np
import pytest
from scipy.optimize import linprog

from fame.fusion import mean, weights
from fame.runtime.metrics import mean_absolute_error, spearman

PAPER = {"a": 0.4, "b": 0.35, "c": 0.15, "d": 0.1}


def make(count, noise=(1.5, 1.6, 1.9, 2.5), seed=0):
    draw = np.random.default_rng(seed)
    true = np.round(draw.normal(6.4, 2.5, count), 2)
    shrunk = {
        name: 6.4 + 0.7 * (true + draw.normal(0, sd, count) - 6.4)
        for name, sd in zip("abcd", noise, strict=True)
    }
    return true, shrunk


def solve_plainly(true, predictions):
    """The textbook program: an error above and one below for each row."""
    rows, learners = predictions.shape
    result = linprog(
        np.concatenate([np.zeros(learners), np.ones(2 * rows)]),
        A_eq=np.vstack(
            [
                np.hstack([predictions, np.eye(rows), -np.eye(rows)]),
                np.concatenate([np.ones(learners), np.zeros(2 * rows)])[None],
            ]
        ),
        b_eq=np.append(true, 1),
    )
    return result.fun / rows


def test_the_planted_optimum_is_found():
    draw = np.random.default_rng(1)
    parts = {name: draw.normal(6, 2, 4000) for name in "abc"}
    planted = {"a": 0.6, "b": 0.3, "c": 0.1}
    true = mean.fuse(parts, planted) + draw.laplace(0, 0.2, 4000)
    assert weights.learn(true, parts, "mae", PAPER) == pytest.approx(planted, abs=0.01)
    assert weights.learn(true, parts, "src", PAPER) == pytest.approx(planted, abs=0.02)


def test_the_minimum_is_that_of_the_textbook_program():
    true, predictions = make(300)
    matrix = np.column_stack(list(predictions.values()))
    found = weights.minimise_mae(true, matrix)
    assert np.abs(true - matrix @ found).mean() == pytest.approx(solve_plainly(true, matrix))


@pytest.mark.parametrize("seed", range(3))
def test_many_rows_are_solved_as_exactly_as_few(seed, monkeypatch):
    true, predictions = make(3000, seed=seed)
    matrix = np.column_stack(list(predictions.values()))
    whole = weights.minimise_mae(true, matrix)
    monkeypatch.setattr(weights, "START_ROWS", 50)
    monkeypatch.setattr(weights, "FREE_SHARE", 0.01)
    np.testing.assert_allclose(weights.minimise_mae(true, matrix), whole, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_learned_weights_are_never_worse_than_the_candidates(seed):
    true, predictions = make(400, noise=(1, 3, 2, 1.1), seed=seed)
    found = weights.learn(true, predictions, "mae", PAPER)
    ranked = weights.learn(true, predictions, "src", PAPER)
    for chosen in weights.candidates(list(predictions), PAPER).values():
        fused = np.column_stack(list(predictions.values())) @ chosen
        learned = mean.fuse(predictions, found)
        assert mean_absolute_error(true, learned) <= mean_absolute_error(true, fused) + 1e-12
        assert spearman(true, mean.fuse(predictions, ranked)) >= spearman(true, fused) - 1e-12
    for used in (found, ranked):
        assert sum(used.values()) == pytest.approx(1)
        assert min(used.values()) >= 0


@pytest.mark.parametrize("metric", ["mae", "src"])
def test_a_useless_learner_gets_nothing(metric):
    true, predictions = make(2000, noise=(1, 1.2, 1.4, 1.6))
    draw = np.random.default_rng(3)
    predictions["noise"] = predictions["a"] + draw.normal(0, 5, 2000)
    predictions["constant"] = np.full(2000, 20.0)
    found = weights.learn(true, predictions, metric, PAPER)
    assert found["noise"] == 0
    if metric == "mae":
        assert found["constant"] == 0


def test_a_single_learner_gets_everything():
    true, predictions = make(50)
    assert weights.learn(true, {"a": predictions["a"]}, "mae", {}) == {"a": 1.0}


def test_the_nested_fusion_of_a_fold_does_not_know_its_labels():
    true, predictions = make(200)
    fold = np.arange(200) % 4
    before = weights.learn_nested(true, predictions, fold, "mae", PAPER)
    changed = np.where(fold == 2, -true, true)
    after = weights.learn_nested(changed, predictions, fold, "mae", PAPER)
    assert np.array_equal(before[fold == 2], after[fold == 2])
    assert not np.array_equal(before[fold != 2], after[fold != 2])


def test_ways_to_fuse_are_scored_on_what_they_did_not_see():
    true, predictions = make(300)
    fold = np.arange(300) % 3
    ways = weights.compare(true, predictions, fold, PAPER)
    assert set(ways) == {"mean", "paper", "learned_mae", "learned_src"}
    nested = weights.learn_nested(true, predictions, fold, "mae", PAPER)
    assert ways["learned_mae"]["mae"] == mean_absolute_error(true, nested)
    assert ways["paper"]["weights"] == pytest.approx(PAPER)
