"""What every registered learner does; a new one is tested by its line in the registry."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from fame.learners.folds import FoldLearner
from scipy.stats import spearmanr

from fame.features.contract import Column
from fame.gates.checks import BORDERS
from fame.posts.contract import FIT, HOLDOUT
from fame.registry import LEARNERS, resolve
from fame.runtime import ids
from fame.runtime.errors import InputError

# What holds for a model a fold is tested of those; a stack mixes its folds' models.
ALL = sorted(LEARNERS)
ONE_MODEL_A_FOLD = [k for k in ALL if issubclass(resolve(LEARNERS, k, "kind"), FoldLearner)]
each_kind = pytest.mark.parametrize("kind", ALL)
each_with_a_model_a_fold = pytest.mark.parametrize("kind", ONE_MODEL_A_FOLD)


def save(learner, folder):
    folder.mkdir()
    learner.save(folder)
    return read(folder)


def read(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def take(table, rows):
    fields = ("post_ids", "values", "split", "fold", "popularity")
    taken = {name: getattr(table, name)[rows] for name in fields}
    texts = {name: texts[rows] for name, texts in table.texts.items()}
    return replace(table, **taken, texts=texts)


@each_kind
def test_importing_the_kind_imports_no_library_of_models(kind):
    module = LEARNERS[kind].split(":")[0]
    heavy = ["torch", "catboost", "lightgbm", "autogluon", "sklearn", "scipy", "transformers"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


@each_kind
def test_finds_the_planted_signal(kind, fitted, tables):
    table, label = tables()
    prediction = fitted(kind)[0].predict(table)
    assert prediction.shape == label.shape
    assert prediction.dtype == np.float64
    median = np.median(label[table.split == FIT])
    for part in (FIT, HOLDOUT):
        rows = table.split == part
        constant_mae = np.abs(label[rows] - median).mean()
        assert np.abs(label[rows] - prediction[rows]).mean() < 0.75 * constant_mae
        assert spearmanr(label[rows], prediction[rows]).statistic > 0.6


@each_with_a_model_a_fold
def test_shuffled_labels_teach_nothing(kind, learners, tables):
    table, label = tables()
    popularity = table.popularity.copy()
    fit = np.flatnonzero(table.split == FIT)
    popularity[fit] = np.random.default_rng(0).permutation(popularity[fit])
    learner = learners(kind)
    learner.fit(replace(table, popularity=popularity))
    prediction = learner.predict(table)
    held_out = table.split == HOLDOUT
    assert abs(spearmanr(prediction[held_out], label[held_out]).statistic) < 0.25
    # A learner that had seen a row's own label would rank the shuffled labels well.
    assert spearmanr(prediction[fit], popularity[fit]).statistic < 0.25


@each_with_a_model_a_fold
def test_a_post_is_predicted_by_a_model_that_never_trained_on_its_label(kind, learners, tables):
    table, _ = tables()
    changed = table.popularity.copy()
    own = table.validation_rows(0)
    changed[own] = np.random.default_rng(1).normal(scale=10, size=len(own))
    before, after = learners(kind, one_step=True), learners(kind, one_step=True)
    before.fit(table)
    after.fit(replace(table, popularity=changed))
    rows = np.arange(len(table.post_ids))
    for fold in table.folds:
        first = before.predict_fold(fold, table, rows)
        assert np.array_equal(first, after.predict_fold(fold, table, rows)) == (fold == 0)


@each_with_a_model_a_fold
def test_nothing_is_fitted_on_posts_outside_the_fit_rows(kind, fitted, learners, tables, tmp_path):
    table, _ = tables()
    values = table.values.copy()
    values[table.split != FIT] = 3
    learner = learners(kind)
    learner.fit(replace(table, values=values))
    assert save(learner, tmp_path / "models") == read(fitted(kind)[1])


@each_with_a_model_a_fold
def test_another_fit_row_is_another_model(kind, fitted, learners, tables, tmp_path):
    """The counterpart of the tests for equal bytes: they would see a difference."""
    table, _ = tables()
    values = table.values.copy()
    values[0, 2:] += 5
    learner = learners(kind)
    learner.fit(replace(table, values=values))
    assert save(learner, tmp_path / "models") != read(fitted(kind)[1])


@each_kind
def test_the_same_input_is_the_same_bytes(kind, fitted, learners, tables, tmp_path, monkeypatch):
    expected = read(fitted(kind)[1])
    monkeypatch.chdir(tmp_path)  # in whatever folder
    learner = learners(kind)
    learner.fit(tables()[0])
    assert save(learner, tmp_path / "models") == expected
    assert learner.curves() == fitted(kind)[0].curves()


@each_with_a_model_a_fold
def test_another_seed_is_another_model(kind, fitted, learners, tables, tmp_path):
    learner = learners(kind, seed=8)
    learner.fit(tables()[0])
    assert save(learner, tmp_path / "models") != read(fitted(kind)[1])


@each_kind
def test_loaded_models_predict_the_same_numbers(kind, fitted, learners, tables):
    table, _ = tables()
    learner, folder = fitted(kind)
    loaded = learners(kind)
    loaded.load(folder)
    np.testing.assert_array_equal(loaded.predict(table), learner.predict(table))
    assert loaded.record() == learner.record()


@each_with_a_model_a_fold
def test_posts_outside_the_fit_rows_get_the_mean_of_the_folds(kind, fitted, tables):
    table, _ = tables()
    learner = fitted(kind)[0]
    prediction = learner.predict(table)
    rows = np.flatnonzero(table.fold < 0)
    each = [learner.predict_fold(fold, table, rows) for fold in table.folds]
    np.testing.assert_array_equal(prediction[rows], np.mean(each, axis=0))
    own = table.validation_rows(2)
    np.testing.assert_array_equal(prediction[own], learner.predict_fold(2, table, own))


@each_kind
def test_a_table_of_fit_rows_alone_is_predicted(kind, fitted, tables):
    table, _ = tables()
    rows = np.flatnonzero(table.fold >= 0)
    part = take(table, rows)
    learner = fitted(kind)[0]
    np.testing.assert_allclose(learner.predict(part), learner.predict(table)[rows], rtol=1e-6)


@each_kind
def test_damaged_models_are_refused(kind, fitted, learners, tmp_path):
    folder = fitted(kind)[1]
    for path in sorted(folder.iterdir()):
        for damage in ("cut", "missing"):
            copy = tmp_path / f"{path.name}_{damage}"
            shutil.copytree(folder, copy)
            if damage == "cut":
                (copy / path.name).write_bytes(path.read_bytes()[:-50])
            else:
                (copy / path.name).unlink()
            with pytest.raises(InputError, match=path.name):
                learners(kind).load(copy)


@each_kind
def test_models_of_another_kind_are_refused(kind, fitted, learners):
    other = next(name for name in sorted(LEARNERS) if name != kind)
    with pytest.raises(InputError, match=f"expected models of kind '{other}', found '{kind}'"):
        learners(other).load(fitted(kind)[1])


@each_kind
def test_a_table_with_other_columns_is_refused(kind, fitted, tables):
    table, _ = tables()
    renamed = (*table.columns[:4], Column("minilm.other"), *table.columns[5:])
    learner = fitted(kind)[0]
    with pytest.raises(InputError, match=r"column 4 is 'minilm.other', .*'minilm.title_02'"):
        learner.predict(replace(table, columns=renamed))
    shorter = replace(table, columns=table.columns[:-1], values=table.values[:, :-1])
    with pytest.raises(InputError, match=r"column 31 is none, .*'minilm.title_29'"):
        learner.predict(shorter)


@each_with_a_model_a_fold
def test_columns_without_a_value_or_without_variation_are_no_obstacle(kind, learners, tables):
    table, label = tables()
    values = table.values.copy()
    values[:, 5] = np.nan  # no value at all
    values[:, 6] = 1e6  # one value
    values[table.fold != 1, 7] = np.nan  # no value in the training rows of fold 1
    values[table.split == FIT, 8] = 2  # one value in the fit rows, others elsewhere
    values[:, 1] = 0  # one category
    odd = replace(table, values=values)
    learner = learners(kind)
    learner.fit(odd)
    prediction = learner.predict(odd)
    assert np.isfinite(prediction).all()
    rows = table.split == HOLDOUT
    assert spearmanr(prediction[rows], label[rows]).statistic > 0.6


@each_with_a_model_a_fold
def test_a_table_of_half_precision_is_read(kind, learners, tables):
    table, label = tables(np.float16)
    learner = learners(kind)
    learner.fit(table)
    rows = table.split == HOLDOUT
    assert spearmanr(learner.predict(table)[rows], label[rows]).statistic > 0.6


@each_with_a_model_a_fold
def test_a_table_without_categories_is_read(kind, learners, tables):
    table, label = tables()
    numbers = replace(table, values=table.values[:, 2:], columns=table.columns[2:])
    learner = learners(kind)
    learner.fit(numbers)
    rows = table.split == HOLDOUT
    assert spearmanr(learner.predict(numbers)[rows], label[rows]).statistic > 0.5


@each_kind
def test_record_and_curves_tell_how_the_training_went(kind, fitted, tables):
    table, _ = tables()
    learner = fitted(kind)[0]
    record = learner.record()
    prediction = learner.predict(table)
    assert [fold["fold"] for fold in record["folds"]] == table.folds
    for fold in record["folds"]:
        rows = table.validation_rows(fold["fold"])
        assert fold["rows_trained"] == len(table.training_rows(fold["fold"]))
        assert fold["rows_validated"] == len(rows)
        assert fold.get("best_iteration", 1) >= 1
        mae = np.abs(table.popularity[rows] - prediction[rows]).mean()
        assert fold["validation_mae"] == pytest.approx(mae, abs=2e-6)
    assert record["categorical"] == ["meta.category", "meta.concept"]
    assert record["columns"] == len(table.columns)
    for fold in record["folds"] if learner.curves() else []:
        points = [point for point in learner.curves() if point["fold"] == fold["fold"]]
        assert min(point["validation_mae"] for point in points) < 1.9
        for phase in {point["phase"] for point in points}:
            iterations = [point["iteration"] for point in points if point["phase"] == phase]
            assert iterations == sorted(set(iterations))
            assert iterations[0] == 1


@each_with_a_model_a_fold
def test_what_the_columns_add_makes_the_prediction(kind, fitted, tables):
    table, _ = tables()
    rows = np.flatnonzero(table.fold < 0)
    learner = fitted(kind)[0]
    values = learner.explain(table, rows)
    if values is None:
        return  # the kind has no exact values
    assert values.shape == (len(rows), len(table.columns))
    base = learner.predict(table)[rows] - values.sum(axis=1)
    np.testing.assert_allclose(base, base[0], atol=1e-4)
    # The order of the columns is the table's: a column that is changed has another part.
    changed = table.values.copy()
    place = int(np.abs(values).mean(axis=0).argmax())
    changed[rows, place] = changed[rows[::-1], place]
    after = learner.explain(replace(table, values=changed), rows)
    moved = np.abs(after - values).mean(axis=0)
    assert moved.argmax() == place


@each_with_a_model_a_fold
def test_every_fold_says_what_it_was_fitted_on(kind, fitted, tables):
    table, _ = tables()
    fit = ids.digest(table.post_ids[table.fold >= 0])
    for fold in fitted(kind)[0].record()["folds"]:
        training = ids.digest(table.post_ids[table.training_rows(fold["fold"])])
        for key in (key for key in fold if key.endswith("fitted_on")):
            assert fold[key] == (fit if key == BORDERS else training)


@each_kind
def test_posts_outside_the_fit_rows_are_predicted_without_them(kind, fitted, tables):
    table, _ = tables()
    rows = np.flatnonzero(table.fold < 0)[:30]
    part = take(table, rows)
    learner = fitted(kind)[0]
    np.testing.assert_allclose(learner.predict(part), learner.predict(table)[rows], rtol=1e-6)
