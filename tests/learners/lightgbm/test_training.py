from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest

from fame.features.blocks import Column
from fame.learners.lightgbm import boosting
from fame.runtime.errors import InputError


def read_line(path, key):
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix(f"{key}=") for line in lines if line.startswith(f"{key}="))


def test_names_of_columns_are_kept_to_the_model(learners, tables):
    table, _ = tables()
    names = ['own_{"é": [1, 2]}', "own_a b", "own_a_b", "own_a\tb", "own_🙂"]
    columns = (*table.columns[:2], *map(Column, names), *table.columns[7:])
    learner = learners("lightgbm").fit(replace(table, columns=columns))
    written = read_line(learner.folder / "fold_0.txt", "feature_names").split(" ")
    assert written[0] == "meta.category"
    assert [unquote(name) for name in written] == [column.name for column in columns]


def test_categories_are_split_as_sets(fitted):
    folder = fitted("lightgbm").folder
    infos = read_line(folder / "fold_0.txt", "feature_infos").split(" ")
    # Values joined by colons are a set of categories (-1: any other); a number has [low:high].
    assert {"0", "1", "2", "3"} <= set(infos[0].split(":"))
    assert infos[2].startswith("[")
    assert "cat_threshold=" in (folder / "fold_0.txt").read_text(encoding="utf-8")


def test_the_file_ends_at_the_best_iteration(learners, tables):
    changes = {"iterations": 2000, "early_stopping_rounds": 5, "learning_rate": 0.5}
    learner = learners("lightgbm", **changes).fit(tables()[0])
    for fold in learner.trainer.record()["folds"]:
        text = (learner.folder / f"fold_{fold['fold']}.txt").read_text()
        assert text.count("\nTree=") == fold["best_iteration"] < 2000
        steps = [point for point in learner.trainer.curves() if point["fold"] == fold["fold"]]
        assert steps[-1]["iteration"] == fold["best_iteration"] + 5
        best = min(steps, key=lambda point: point["validation_mae"])
        assert best["iteration"] == fold["best_iteration"]


def test_a_category_never_seen_is_predicted_as_any_other_never_seen(fitted, tables):
    table, _ = tables()
    values = np.repeat(table.values[:1], 2, axis=0)
    values[:, 0] = [900, 901]
    model = fitted("lightgbm").model
    unseen, other = model.predict_fold(0, replace(table, values=values), np.arange(2))
    assert unseen == other


def test_loss_is_a_parameter(learners, tables):
    table, _ = tables()
    predictions = [
        learners("lightgbm", loss=loss).fit(table).predict(table) for loss in ("rmse", "mae")
    ]
    assert not np.array_equal(*predictions)


class Noting:
    """A table that notes which rows of it are read."""

    def __init__(self, table, asked):
        self.table, self.asked = table, asked

    def read(self, rows):
        self.asked.append(rows)
        return self.table.read(rows)


@pytest.fixture
def reads(monkeypatch):
    """The rows of each reading of the table for the bins."""
    asked, open_rows = [], boosting._open
    monkeypatch.setattr(
        boosting, "_open", lambda table, *given: open_rows(Noting(table, asked), *given)
    )
    return asked


def test_the_training_posts_are_read_once_for_all_folds_batch_by_batch(
    learners, tables, fitted, reads, monkeypatch
):
    table, _ = tables()
    monkeypatch.setattr(boosting, "BATCH_ROWS", 32)
    learner = learners("lightgbm").fit(table)
    batches = [rows for rows in reads if len(rows) > 1]
    assert [len(rows) for rows in batches] == [32] * 5
    np.testing.assert_array_equal(np.concatenate(batches), table.training.all_rows)
    assert learner.read() == fitted("lightgbm").read()


def test_borders_are_found_on_so_many_training_posts(learners, tables, reads):
    learners("lightgbm", bin_construct_sample_cnt=50, iterations=1).fit(tables()[0])
    drawn = {int(rows[0]) for rows in reads if len(rows) == 1}
    assert 50 <= len(drawn) <= 51  # and the first row, for its length


def test_the_bins_wait_for_a_fold_that_needs_them_and_are_let_go(learners, tables, reads, tmp_path):
    table, _ = tables()
    learner = learners("lightgbm", iterations=1).fit(table, tmp_path)
    assert len(reads) > 0
    assert learner.trainer._bins is None
    reads.clear()
    learners("lightgbm", iterations=1).fit(table, tmp_path)  # no fold is left to fit
    assert reads == []


@pytest.mark.parametrize("device", ["gpu", "cuda"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_read(
    device, learners, tables, reads
):
    try:
        boosting.check_device({"device_type": device})
    except InputError:
        with pytest.raises(InputError, match=f"device_type of lightgbm: '{device}' is not avail"):
            learners("lightgbm", device_type=device).fit(tables()[0])
        assert reads == []
    else:
        pytest.skip(f"LightGBM has {device} here")
