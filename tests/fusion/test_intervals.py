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
    half = intervals.half_widths(widths, np.array([True, False]), 0.8)
    np.testing.assert_array_equal(half, [1.0, 3.0])


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_intervals_cover_what_they_say(share):
    generator = np.random.default_rng(0)
    known = generator.random(40_000) < 0.5
    spread = np.where(known, 1.0, 2.5)
    error = generator.normal(size=40_000) * spread
    fitted, held = slice(0, 20_000), slice(20_000, None)
    widths = intervals.fit(np.abs(error[fitted]), known[fitted], [share])
    scores = intervals.score(error[held], np.zeros(20_000), known[held], widths, [share])
    found = scores[f"interval_{intervals.name_share(share)}"]
    for key in ("coverage", "coverage_known", "coverage_new"):
        assert found[key] == pytest.approx(share, abs=0.012)
    assert found["width"] > 0
