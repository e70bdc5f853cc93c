from datetime import datetime

import numpy as np

from fame.report import breakdown

HELD = np.array([False, True, True, True, False])
TRUE = np.array([1.0, 2.0, 3.0, 4.0, np.nan])
PREDICTED = np.array([0.0, 3.0, 3.0, 2.0, 0.0])


def test_errors_by_category():
    rows = breakdown.by_category(["x", "y", "x", "y", "x"], HELD, TRUE, PREDICTED)
    assert rows == [
        {"name": "y", "posts": 2, "mae": 1.5, "bias": -0.5},
        {"name": "x", "posts": 1, "mae": 0.0, "bias": 0.0},
    ]


def test_only_labelled_posts_outside_the_holdout_count_for_a_user():
    rows = breakdown.by_posts_per_user(["u", "u", "v", None, "v"], HELD, TRUE, PREDICTED)
    assert [(row["name"], row["posts"]) for row in rows] == [("0", 2), ("1 to 2", 1)]


def test_errors_over_time_are_in_the_order_of_posting():
    times = [None, datetime(2024, 3, 1), datetime(2024, 1, 1), None, None]
    rows = breakdown.by_time(times, HELD, TRUE, PREDICTED)
    assert [row["name"] for row in rows] == ["2024-01-01", "2024-03-01"]
    assert [row["mae"] for row in rows] == [0.0, 1.0]
