"""A learner whose parameters grow is the learner with the values that they have grown to."""

import pytest


def fit(learners, tables, kind, **changes):
    learner = learners(kind)
    learner.trainer.params = learner.trainer.params.model_copy(update=changes)
    return learner.fit(tables()[0]).trainer


@pytest.mark.parametrize(
    ("kind", "key", "small", "large"),
    [("lightgbm", "num_leaves", 3, 10), ("catboost", "depth", 2, 5)],
)
def test_the_steps_value_for_the_training_posts_is_used(kind, key, small, large, learners, tables):
    steps = {"from_0": small, "from_160": large, "from_161": 7}
    grown = fit(learners, tables, kind, **{key: steps})
    assert grown.record()["grown"] == {key: large}
    fixed = fit(learners, tables, kind, **{key: large})
    assert fixed.record()["grown"] == {}
    assert grown.out_of_fold().tobytes() == fixed.out_of_fold().tobytes()
    other = fit(learners, tables, kind, **{key: small})
    assert grown.out_of_fold().tobytes() != other.out_of_fold().tobytes()


def test_drawn_thresholds_make_other_trees_the_same_ones_each_time(learners, tables):
    best, *drawn = (
        fit(learners, tables, "lightgbm", extra_trees=drawn).out_of_fold().tobytes()
        for drawn in (False, True, True)
    )
    assert drawn[0] == drawn[1] != best
