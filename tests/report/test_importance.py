import numpy as np
import pytest

from fame.features.contract import Column
from fame.learners.contract import Table
from fame.report import importance


class Linear:
    """Predicts twice column 0; explains itself if asked to."""

    def __init__(self, explains):
        self.explains = explains

    def explain(self, table, rows):
        values = np.zeros((len(rows), len(table.columns)))
        values[:, 0] = 2 * table.values[rows, 0]
        return values if self.explains else None

    def predict(self, table):
        return 2.0 * table.values[:, 0]


@pytest.fixture
def table():
    names = ("meta.profile_views", "meta.time_hour", "glove.title_0", "glove.title_1")
    return Table(
        post_ids=np.arange(50).astype(str).astype(object),
        values=np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32),
        columns=tuple(Column(name) for name in names),
        split=np.array(["holdout"] * 30 + ["fit"] * 20, dtype=object),
        fold=np.array([-1] * 30 + [0, 1] * 10),
        popularity=np.full(50, np.nan),
    )


def test_blocks_are_groups_of_columns_and_the_crawled_totals_their_own(table):
    assert importance.name_blocks(table) == {"meta (profile)": [0], "meta": [1], "glove": [2, 3]}


def test_shap_values_are_summed_by_block(table):
    label = 2.0 * table.values[:, 0]
    method, found = importance.measure(Linear(explains=True), table, label, 1)
    assert method == "shap"
    expected = pytest.approx(np.abs(2 * table.values[:, 0]).mean())
    assert found == {"meta (profile)": expected, "meta": 0, "glove": 0}


def test_without_them_a_block_is_exchanged_between_the_posts(table):
    label = 2.0 * table.values[:, 0]
    method, found = importance.measure(Linear(explains=False), table, label, 1)
    assert method == "permutation"
    assert found["meta (profile)"] > 1
    assert found["meta"] == found["glove"] == 0


def test_only_holdout_posts_are_looked_at(table):
    rows = importance.choose_rows(table, 10, 1)
    assert len(rows) == 10
    assert rows.max() < 30
    assert len(importance.choose_rows(table, 500, 1)) == 30
