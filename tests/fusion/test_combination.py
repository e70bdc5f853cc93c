from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.fusion import combination
from fame.fusion.combination import IDENTITY, Combination, TrainingPosts
from fame.params import FusionParams

SETTINGS = FusionParams(
    mode="learned",
    metric="mae",
    by_author=True,
    least_posts=50,
    calibrate=True,
    intervals=[0.8],
    alpha=0.4,
    beta=0.6,
    gamma=0,
    delta=0,
    others={},
)


def make(count=2000, seed=0):
    """Posts, and learners that are good for known or for new authors."""
    draw = np.random.default_rng(seed)
    known = draw.random(count) < 0.5
    true = draw.normal(6, 2, count)
    noise = draw.normal(size=(2, count))
    own = {
        "catboost": true + noise[0] * np.where(known, 0.5, 3),
        "lightgbm": true + noise[1] * np.where(known, 3, 0.5),
    }
    author = np.arange(count) // 10 * 5 + np.arange(count) % 5
    return TrainingPosts(true, known, np.arange(count) % 5, author), own


def change(**changes):
    return FusionParams.model_validate(SETTINGS.model_dump() | changes)


def test_known_and_new_authors_have_the_learner_that_suits_them():
    posts, own = make()
    learned = combination.learn(posts, own, SETTINGS)
    assert learned.weights["known"]["catboost"] > 0.9
    assert learned.weights["new"]["lightgbm"] > 0.9
    fused = learned.fuse(own, posts.known)
    together = combination.learn(posts, own, change(by_author=False))
    assert together.weights["known"] == together.weights["new"]
    assert (
        np.abs(posts.label - fused).mean()
        < 0.6 * np.abs(posts.label - together.fuse(own, posts.known)).mean()
    )


def test_few_posts_of_a_kind_share_the_weights_of_all():
    posts, own = make()
    learned = combination.learn(posts, own, change(least_posts=1500))
    assert learned.weights["known"] == learned.weights["new"]


def test_a_line_stands_behind_where_it_helps_and_only_there():
    posts, own = make()
    skewed = {"catboost": 0.5 * own["catboost"] - 1}  # alone, so that no weight makes up for it
    learned = combination.learn(posts, skewed, SETTINGS)
    intercept, slope = learned.lines["known"]
    assert slope == pytest.approx(2, abs=0.2)
    assert intercept == pytest.approx(2, abs=0.8)
    exact = {"catboost": posts.label}
    noise = np.random.default_rng(1).normal(size=len(posts.label))
    around = replace(posts, label=posts.label + noise)  # labels around predictions
    assert combination.learn(around, exact, SETTINGS).lines["known"] == IDENTITY
    without = combination.learn(posts, skewed, change(calibrate=False))
    assert without.lines == {"known": IDENTITY, "new": IDENTITY}


@pytest.mark.filterwarnings("error")  # of means of nothing
def test_with_posts_of_one_fold_alone_no_line_stands_behind():
    posts, own = make()
    one = replace(posts, label=0.5 * posts.label - 1, fold=np.zeros_like(posts.fold))
    assert combination.learn(one, own, SETTINGS).lines == {"known": IDENTITY, "new": IDENTITY}
    two = replace(posts, fold=posts.fold % 2)
    nested = combination.nest(two, own, SETTINGS)  # learned on the other fold
    assert np.isfinite(nested).all()


@pytest.mark.parametrize(("authors", "stands"), [(400, True), (4, False)])
def test_a_gain_of_few_authors_does_not_stand_out(authors, stands):
    """The same gains: of many authors they are beyond chance, of four they are not."""
    numbers = np.arange(400)
    gain, author = np.array([0.5, 0.05, -0.4, 0.05])[numbers % 4], numbers % authors
    posts = TrainingPosts(gain, gain > 0, author % 2, author)
    assert combination.stands_out(gain, posts) == stands


@given(st.floats(0.2, 3), st.floats(-5, 5), st.integers(0, 99))
def test_the_line_is_the_one_that_was_planted(slope, intercept, seed):
    draw = np.random.default_rng(seed)
    x = draw.normal(5, 2, 400)
    true = intercept + slope * x
    true[:60] += 50  # what would draw least squares away
    found = combination.fit_line(true, x)
    assert found == pytest.approx((intercept, slope), abs=1e-2)


def test_a_line_never_turns_the_ranking_round():
    x = np.linspace(0, 10, 200)
    _, slope = combination.fit_line(3 - 2 * x, x)
    assert slope > 0


def test_nested_predictions_never_saw_their_rows():
    posts, own = make(500)
    before = combination.nest(posts, own, SETTINGS)
    inside = posts.fold == 3
    changed = replace(posts, label=np.where(inside, posts.label[::-1], posts.label))
    after = combination.nest(changed, own, SETTINGS)
    np.testing.assert_array_equal(before[inside], after[inside])
    assert not np.array_equal(before, after)


def test_fixed_weights_are_those_of_the_parameters_normalised():
    fixed = combination.fix(SETTINGS, ["catboost", "lightgbm"])
    assert fixed.weights["known"] == {"catboost": 0.4, "lightgbm": 0.6}
    assert fixed.overall(np.array([True, False])) == pytest.approx(fixed.weights["new"])


def test_what_is_left_out_gives_its_weight_to_the_others():
    found = Combination(
        {"known": {"a": 0.5, "b": 0.25, "c": 0.25}, "new": {"a": 1.0, "b": 0.0, "c": 0.0}},
        dict.fromkeys(("known", "new"), IDENTITY),
    )
    left = found.leave_out("a").weights
    assert left["known"] == {"b": 0.5, "c": 0.5}
    assert left["new"] == {"b": 0.5, "c": 0.5}  # none is left with a weight: all alike


def test_it_is_the_same_again_from_what_is_saved():
    posts, own = make(500)
    learned = combination.learn(posts, own, SETTINGS)
    again = Combination(**learned.describe())
    np.testing.assert_array_equal(again.fuse(own, posts.known), learned.fuse(own, posts.known))
    other = replace(learned, lines=dict.fromkeys(("known", "new"), (1.0, 1.0)))
    assert not np.array_equal(other.fuse(own, posts.known), learned.fuse(own, posts.known))
