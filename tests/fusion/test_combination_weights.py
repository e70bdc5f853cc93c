"""Even weights unless others are clearly better on folds that they did not see."""

from dataclasses import replace

import numpy as np
import pytest

from fame.fusion import combination
from fame.fusion.combination import TrainingPosts


def make(noises, count=500, seed=0):
    """Posts in five folds, each of an author of its own, and a learner for each noise."""
    draw = np.random.default_rng(seed)
    true = draw.normal(6, 2, count)
    learners = {f"l{i}": true + noise * draw.normal(size=count) for i, noise in enumerate(noises)}
    numbers = np.arange(count)
    return TrainingPosts(true, np.ones(count, bool), numbers % 5, numbers), learners


@pytest.mark.parametrize("metric", ["mae", "src"])
@pytest.mark.parametrize("seed", range(5))
def test_learners_that_are_as_good_weigh_the_same(metric, seed):
    posts, learners = make((1.0, 1.0, 1.0), seed=seed)
    found = combination.choose_weights(posts, learners, metric)
    assert found == dict.fromkeys(learners, pytest.approx(1 / 3))


@pytest.mark.parametrize("metric", ["mae", "src"])
def test_a_learner_that_does_harm_weighs_nothing(metric):
    posts, learners = make((1.0, 1.2, 9.0))
    found = combination.choose_weights(posts, learners, metric)
    assert found["l2"] == 0
    assert sum(found.values()) == pytest.approx(1)


def test_a_learner_that_is_far_better_weighs_nearly_all():
    posts, learners = make((0.2, 3.0, 3.0))
    assert combination.choose_weights(posts, learners, "mae")["l0"] > 0.9


def test_with_posts_of_one_fold_alone_the_weights_are_the_best_on_them():
    posts, learners = make((0.2, 3.0))
    found = combination.choose_weights(replace(posts, fold=np.zeros(500)), learners, "mae")
    assert found["l0"] > 0.9
