import numpy as np
import pytest

from fame import params
from fame.features.blocks import Column
from fame.learners.contract import ScoreTable
from fame.report import importance


class Linear:
    """Predicts twice column 0; explains itself if asked to."""

    explanation = "shap"

    def __init__(self, explains):
        self.explains = explains

    def explain(self, table):
        values = np.zeros(table.values.shape)
        values[:, 0] = 2 * table.values[:, 0]
        return values if self.explains else None

    def predict(self, table):
        return 2.0 * table.values[:, 0]


@pytest.fixture
def table():
    names = ("meta.profile_views", "meta.time_hour", "glove.title_0", "glove.title_1")
    return ScoreTable(
        post_ids=np.arange(50).astype(str).astype(object),
        values=np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32),
        columns=tuple(Column(name) for name in names),
        split=np.array((["holdout"] * 3 + ["challenge"] * 2) * 10, dtype=object),
    )


@pytest.fixture
def settings(write_params, tmp_path):
    write_params()
    return params.load(tmp_path / "params.yaml", kinds=False).report


def test_blocks_are_groups_of_columns_and_the_crawled_totals_their_own(table):
    assert importance.name_blocks(table) == {"meta (profile)": [0], "meta": [1], "glove": [2, 3]}


def test_shap_values_are_summed_by_block(table, settings):
    label = 2.0 * table.values[:, 0]
    method, found, columns = importance.measure(Linear(explains=True), table, label, settings)
    assert method == "shap"
    expected = pytest.approx(np.abs(2 * table.values[:, 0]).mean())
    assert found == {"meta (profile)": expected, "meta": 0, "glove": 0}
    assert columns == {
        "meta.profile_views": expected,
        "meta.time_hour": 0,
        "glove.title_0": 0,
        "glove.title_1": 0,
    }


def test_without_them_a_block_is_exchanged_between_the_posts(table, settings):
    before = table.values.copy()
    few = importance.choose_holdout(table, settings)
    label = 2.0 * few.values[:, 0]
    method, found, columns = importance.measure(Linear(explains=False), few, label, settings)
    assert method == "permutation"
    assert np.array_equal(table.values, before)
    assert next(iter(importance.keep_first(columns))) == "meta.profile_views"
    assert columns["meta.profile_views"] > 1
    assert columns["meta.time_hour"] == columns["glove.title_1"] == 0
    assert found["meta (profile)"] > 1
    assert found["meta"] == found["glove"] == 0


def test_that_no_block_counts_is_said_where_nothing_tells_posts_apart():
    assert importance.describe_first({"meta": 0.1, "glove": 0.2}) == "glove counts most for"
    assert importance.describe_first({"meta": 1e-9, "glove": 0.0}) == "no block counts for"
    assert importance.describe_first({"meta": -0.01, "glove": 0.0}) == "no block counts for"


def test_only_holdout_posts_are_looked_at(table, settings):
    few = importance.choose_holdout(table, settings.model_copy(update={"importance_posts": 10}))
    held = table.post_ids[table.split == "holdout"]
    assert len(few.post_ids) == 10
    assert set(few.post_ids) < set(held)
    row = {post_id: place for place, post_id in enumerate(table.post_ids)}
    rows = [row[post_id] for post_id in few.post_ids]
    assert np.array_equal(few.values, table.values[rows])
    assert importance.choose_holdout(table, settings).post_ids.tolist() == held.tolist()
