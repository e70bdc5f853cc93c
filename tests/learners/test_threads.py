"""Learners whose ``threads`` may be auto: a machine with more cores makes the same bytes."""

import pytest


@pytest.mark.parametrize("kind", ["catboost", "lightgbm", "extratrees"])
def test_the_number_of_threads_changes_no_byte(kind, learners, tables):
    table, _ = tables()
    made = [learners(kind, threads=threads).fit(table) for threads in (1, 3, "auto")]
    first = made[0]
    for other in made[1:]:
        assert other.read() == first.read()
        assert other.trainer.record() == first.trainer.record()
        assert (other.predict(table) == first.predict(table)).all()
