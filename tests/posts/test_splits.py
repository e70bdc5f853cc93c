import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.params import SplitParams
from fame.posts import splits
from fame.runtime.errors import InputError

PROTOCOLS = ("chronological", "new_users", "user", "random")


def make_params(
    protocol="chronological", fraction=0.2, folds=3, seed=7, folds_by="author", large=None
):
    return SplitParams(
        protocol=protocol,
        holdout_fraction=fraction,
        folds=folds,
        folds_by=folds_by,
        large_author_posts=large,
        hidden_share=0.2,
        seed=seed,
    )


@st.composite
def posts(draw):
    """Times and users of labelled posts."""
    count = draw(st.integers(40, 120))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    users = generator.integers(0, 15, count)
    users[:15] = np.arange(15)
    return generator.integers(0, 1000, count).astype(float), users


@given(posts(), st.sampled_from(PROTOCOLS), st.integers(0, 100))
def test_a_post_is_in_exactly_one_place(data, protocol, seed):
    times, users = data
    params = make_params(protocol, folds=2, seed=seed)
    split = splits.assign_split(times, users, params)
    fit = split == "fit"
    fold = splits.assign_folds(users[fit], params)
    assert len(split) == len(times)
    assert set(split) == {"fit", "holdout"}
    assert len(fold) == (split == "fit").sum()
    assert set(fold) == {0, 1}


@given(posts())
def test_chronological_holds_out_the_newest_posts(data):
    times, users = data
    split = splits.assign_split(times, users, make_params())
    assert times[split == "fit"].max() <= times[split == "holdout"].min()
    assert (split == "holdout").sum() == round(0.2 * len(times))


@given(posts())
def test_an_author_is_in_one_fold_and_folds_have_about_as_many_posts(data):
    _, users = data
    params = make_params(folds=3)
    fold = splits.assign_folds(users, params)
    for user in np.unique(users):
        assert len(set(fold[users == user])) == 1 or (users == user).sum() >= len(users) / 6
    counts = np.bincount(fold, minlength=3)
    assert counts.max() - counts.min() <= np.bincount(users).max()


def test_posts_of_large_authors_are_in_all_folds():
    """Nine pages with 3,514 to 12 posts: whole pages would make folds of those sizes."""
    sizes = [3514, 1526, 493, 400, 300, 200, 100, 53, 12]
    users = np.repeat(np.arange(9), sizes)
    fold = splits.assign_folds(users, make_params(folds=5))
    counts = np.bincount(fold)
    assert counts.max() < 1.3 * counts.min()
    largest = np.bincount(fold[users == 0])
    assert len(largest) == 5
    assert largest.max() - largest.min() <= 1
    assert len(set(fold[users == 8])) == 1


@pytest.mark.parametrize(
    ("protocol", "folds"), [("chronological", 5), ("random", 5), ("user", 1), ("new_users", 1)]
)
def test_authors_are_large_by_parameter_where_they_are_known_when_scored(protocol, folds):
    users = np.repeat(np.arange(100), 60)
    fold = splits.assign_folds(users, make_params(protocol, folds=5, large=50))
    assert {len(set(fold[users == user])) for user in range(100)} == {folds}


@given(posts())
def test_new_users_holds_out_all_posts_of_the_users_who_appear_last(data):
    times, users = data
    held = splits.assign_split(times, users, make_params("new_users")) == "holdout"
    assert not set(users[held]) & set(users[~held])
    first = {user: times[users == user].min() for user in np.unique(users)}
    assert max(first[u] for u in users[~held]) <= min(first[u] for u in users[held])
    assert held.sum() >= round(0.2 * len(times))


@given(posts(), st.integers(0, 100))
def test_user_protocol_shares_no_user(data, seed):
    times, users = data
    split = splits.assign_split(times, users, make_params("user", folds=2, seed=seed))
    assert not set(users[split == "fit"]) & set(users[split == "holdout"])
    assert (split == "holdout").sum() >= round(0.2 * len(times))


def test_random_folds_differ_by_at_most_one_post():
    params = make_params("random", folds=5, folds_by="post")
    counts = np.bincount(splits.assign_folds(np.zeros(81, int), params))
    assert len(counts) == 5
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("protocol", ["chronological", "new_users"])
def test_a_post_without_a_time_is_a_training_post(protocol):
    times, users = np.arange(50.0), np.arange(50)
    times[[3, 40]] = np.nan
    split = splits.assign_split(times, users, make_params(protocol))
    assert split[3] == split[40] == "fit"
    assert (split == "holdout").sum() >= 10


def test_the_seed_decides():
    times, users = np.zeros(200), np.arange(200) // 4
    draws = [
        splits.assign_split(times, users, make_params("user", seed=seed)).tolist()
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("times", [[np.nan] * 10, [5.0] * 10])
@pytest.mark.parametrize(
    ("users", "allowed"), [(range(10), "random"), ([*range(9), 0], "user, random")]
)
def test_authors_are_held_out_whole_only_where_one_has_several_posts(times, users, allowed):
    with pytest.raises(InputError, match=f"; allowed then: {allowed}$"):
        splits.assign_split(np.array(times), np.array(users), make_params())


@pytest.mark.parametrize(
    ("params", "times", "users", "message"),
    [
        (make_params(), [np.nan] * 10, range(10), "chronological needs the posting time"),
        (make_params(), [5.0] * 10, range(10), "chronological needs posting times that differ"),
        (make_params(fraction=0.99), range(10), range(10), "10 with a label, at least 251 are"),
        (make_params(), range(7), range(7), "7 with a label, at least 8 are needed: 2 held out"),
        (make_params("user"), range(10), [0] * 10, "takes all 1 of them"),
        (make_params("new_users"), [np.nan] * 10, range(10), "new_users needs the posting time"),
        (make_params("new_users"), range(10), [0] * 10, "takes all 1 of them"),
    ],
)
def test_a_protocol_without_its_input_is_refused(params, times, users, message):
    times, users = np.array(list(times), float), np.array(list(users))
    with pytest.raises(InputError, match=message):
        splits.assign_split(times, users, params)


def test_more_folds_than_posts_are_refused():
    with pytest.raises(InputError, match=r"3 folds need as many training posts, found 2"):
        splits.assign_folds(np.array([0, 1]), make_params())


def test_users_are_numbered_by_first_appearance_and_posts_without_one_are_their_own():
    assert splits.number_users(["u", None, "v", "u", None]).tolist() == [0, 1, 2, 0, 3]
