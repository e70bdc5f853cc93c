import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.posts import authors

IDS = [f"post{i}" for i in range(2000)]


def test_the_share_is_drawn_and_a_draw_does_not_depend_on_other_posts():
    drawn = authors.hide(IDS, 0.2, 7)
    assert abs(drawn.mean() - 0.2) < 0.03
    np.testing.assert_array_equal(authors.hide(IDS[::-3], 0.2, 7), drawn[::-3])
    assert not authors.hide(IDS, 0, 7).any()


def test_a_larger_share_hides_the_same_posts_and_more():
    assert (authors.hide(IDS, 0.2, 7) <= authors.hide(IDS, 0.5, 7)).all()


@pytest.mark.parametrize(
    ("held_out", "share"),
    [("aaaa", 0.05), ("a" * 9 + "n", 0.1), ("aann", 0.2), ([None, "a"], 0.2), ("", 0.05)],
)
def test_as_many_are_hidden_as_the_holdout_has_new_authors(held_out, share):
    users = ["a", None, *held_out, "b", "c"]
    split = np.array(["fit", "fit", *["holdout"] * len(held_out), "challenge", "challenge"])
    assert authors.choose_share(users, split) == share


def test_an_author_is_known_by_an_earlier_training_post():
    users = ["a", "a", "a", "b", "b", None, "c", "a"]
    times = np.array([1.0, 2.0, 2.0, 5.0, 4.0, 9.0, 9.0, np.nan])
    is_fit = np.array([True, True, False, True, False, True, False, False])
    hidden = np.zeros(8, bool)
    known = authors.find_known(users, times, is_fit, hidden)
    np.testing.assert_array_equal(known, [False, True, True, False, False, False, False, True])
    hidden[1] = True
    assert not authors.find_known(users, times, is_fit, hidden)[1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans()), max_size=30))
def test_posts_that_are_no_training_posts_make_nobody_known(rows):
    users = [user for user, _, _ in rows]
    times = np.array([time for _, time, _ in rows], float)
    is_fit = np.array([fit for _, _, fit in rows], bool)
    known = authors.find_known(users, times, is_fit, np.zeros(len(rows), bool))
    alone = np.flatnonzero(is_fit)
    again = authors.find_known(
        [users[row] for row in alone], times[alone], is_fit[alone], np.zeros(len(alone), bool)
    )
    np.testing.assert_array_equal(known[alone], again)
