import numpy as np
import pytest

from fame.fusion import intervals


def test_the_half_width_is_the_quantile_with_the_correction_for_few_posts():
    error = np.arange(1.0, 100.0)  # 1 ... 99
    widths = intervals.fit(error, np.ones(99, bool), [0.8, 0.95])
    assert widths["known"] == {"80": 80.0, "95": 95.0}
    assert widths["new"] == widths["known"]  # none of its own: those of all posts


def test_known_and_new_authors_have_widths_of_their_own():
    error = np.r_[np.full(60, 1.0), np.full(60, 3.0)]
    widths = intervals.fit(error, np.arange(120) < 60, [0.8])
    assert widths == {"known": {"80": 1.0}, "new": {"80": 3.0}}
    low, high = intervals.find_ends(np.zeros(2), np.array([True, False]), widths, 0.8, (-9, 9))
    assert (low.tolist(), high.tolist()) == ([-1.0, -3.0], [1.0, 3.0])


def test_an_interval_ends_within_reach_and_holds_its_prediction():
    widths, predicted = {"known": {"80": 2.0}, "new": {}}, np.array([0.5, 5.0, 9.5, 10.2])
    widths["new"] = widths["known"]
    low, high = intervals.find_ends(predicted, np.ones(4, bool), widths, 0.8, (0.0, 10.0))
    assert low.tolist() == [0.0, 3.0, 7.5, pytest.approx(8.2)]
    assert high.tolist() == [2.5, 7.0, 10.0, 10.2]


def test_coverage_and_width_are_those_of_intervals_within_reach():
    widths = {"known": {"80": 2.0}, "new": {"80": 2.0}}
    true, predicted = np.array([0.0, 10.5]), np.array([1.0, 9.0])
    (found,) = intervals.score(
        true, predicted, np.ones(2, bool), widths, [0.8], (0.0, 10.0)
    ).values()
    assert found == {"coverage": 0.5, "width": 3.0, "coverage_known": 0.5}


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_intervals_cover_what_they_say(share):
    generator = np.random.default_rng(0)
    known = generator.random(40_000) < 0.5
    spread = np.where(known, 1.0, 2.5)
    error = generator.normal(size=40_000) * spread
    fitted, held = slice(0, 20_000), slice(20_000, None)
    widths = intervals.fit(np.abs(error[fitted]), known[fitted], [share])
    everything = (-np.inf, np.inf)
    scores = intervals.score(
        error[held], np.zeros(20_000), known[held], widths, [share], everything
    )
    found = scores[f"interval_{intervals.name_share(share)}"]
    for key in ("coverage", "coverage_known", "coverage_new"):
        assert found[key] == pytest.approx(share, abs=0.012)
    assert found["width"] > 0
