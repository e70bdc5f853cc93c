import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fame.report import bootstrap
from fame.runtime.metrics import mean_absolute_error, spearman


def draw_rows(users, seed, number):
    """The rows of a resample, one by one: the plain way."""
    count = users.max() + 1
    drawn = np.random.default_rng([seed, number]).integers(count, size=count)
    return np.concatenate([np.flatnonzero(users == user) for user in drawn])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_each_resample_is_scored_as_if_its_rows_were_written_out(seed, tied):
    draw = np.random.default_rng(seed)
    users = np.unique(draw.integers(12, size=80), return_inverse=True)[1]
    true = np.round(draw.normal(6, 2, 80), 0)
    predicted = true + draw.normal(0, 1, 80)
    predictions = {"a": np.round(predicted, 0) if tied else predicted, "b": np.full(80, 5.0)}
    scores = bootstrap.resample_scores(true, predictions, users, 5, seed)
    for number in range(5):
        rows = draw_rows(users, seed, number)
        for name, values in predictions.items():
            found = scores[name]
            assert found["src"][number] == pytest.approx(spearman(true[rows], values[rows]))
            mae = mean_absolute_error(true[rows], values[rows])
            assert found["mae"][number] == pytest.approx(mae)


def test_a_resample_does_not_depend_on_how_many_there_are():
    draw = np.random.default_rng(0)
    true, users = draw.normal(size=50), np.arange(50) % 10
    few = bootstrap.resample_scores(true, {"a": true**3 + 1}, users, 3, 7)
    many = bootstrap.resample_scores(true, {"a": true**3 + 1}, users, 8, 7)
    assert np.array_equal(few["a"]["mae"], many["a"]["mae"][:3])


def test_intervals_are_wider_when_a_users_posts_resemble_each_other():
    draw = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 10)
    true = np.zeros(400)
    errors = np.repeat(draw.normal(size=40), 10)
    width = {}
    for name, own in (("users", users), ("posts", np.arange(400))):
        samples = bootstrap.resample_scores(true, {"a": errors}, own, 300, 1)["a"]["mae"]
        low, high = bootstrap.interval(samples, 0.95)
        assert low < np.abs(errors).mean() < high
        width[name] = high - low
    assert width["users"] > 2 * width["posts"]


def make_posts(users, days):
    kind = pa.timestamp("ms", tz="UTC")  # as Parquet gives it back
    times = [None if day is None else int(day * bootstrap.DAY * 1000) for day in days]
    return pa.table({"user_id": pa.array(users, pa.string()), "posted_at": pa.array(times, kind)})


@pytest.mark.parametrize(
    ("users", "days", "name", "count"),
    [
        ([f"u{i % 20}" for i in range(60)], range(60), "authors", 20),
        ([None] * 30, range(30), "posts", 30),
        (["a"] + [None] * 29, range(30), "authors", 30),
        (["a"] * 150, range(150), "weeks of an author", 22),
        (["a", "b"] * 75, range(150), "weeks of an author", 44),
        (["a"] * 90, [i // 3 for i in range(90)], "days of an author", 30),
        (["a"] * 90, [0] * 90, "posts", 90),
        (["a"] * 90, [None] * 90, "posts", 90),
        (["a"] * 5, range(5), "posts", 5),
        ([], [], "posts", 0),
    ],
)
def test_where_authors_are_few_their_weeks_are_drawn_or_what_is_smaller(users, days, name, count):
    drawn, found = bootstrap.number_drawn(make_posts(users, days))
    assert found == name
    assert sorted(set(drawn.tolist())) == list(range(count))


def test_the_posts_of_one_author_have_an_interval():
    draw = np.random.default_rng(0)
    true, predicted = draw.normal(size=(2, 200))
    drawn, _ = bootstrap.number_drawn(make_posts(["a"] * 200, range(200)))
    samples = bootstrap.resample_scores(true, {"a": predicted}, drawn, 200, 1)["a"]["mae"]
    low, high = bootstrap.interval(samples, 0.95)
    assert low < mean_absolute_error(true, predicted) < high
    assert high - low > 0.1
