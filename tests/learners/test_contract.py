"""What every registered learner does; a new one is tested by its line in the registry."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.python_process import run_python

from fame.features.blocks import Column
from fame.gates.checks import BORDERS
from fame.learners.fold_training import FoldTrainer
from fame.posts.contract import FIT, HOLDOUT
from fame.registry import LEARNERS, resolve_learner
from fame.runtime import arrays, ids
from fame.runtime.errors import InputError
from fame.runtime.imports import find_file, list_files

# What holds for a model a fold is tested of those; a stack mixes its folds' models.
ALL = sorted(LEARNERS)
ONE_MODEL_A_FOLD = [k for k in ALL if issubclass(resolve_learner(k, "Trainer", "k"), FoldTrainer)]
each_kind = pytest.mark.parametrize("kind", ALL)
each_with_a_model_a_fold = pytest.mark.parametrize("kind", ONE_MODEL_A_FOLD)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_are_read_in_the_order_asked_for_whatever_the_chunk(dtype, tables, monkeypatch):
    table, _ = tables(dtype)
    rows = np.array([400, 3, 3, 17, 0])
    monkeypatch.setattr(arrays, "BYTES_AT_ONCE", 300)  # of 64 or 128 a row
    for columns in (None, [5, 1], []):
        values = table.read(rows, columns)
        assert values.dtype == np.float32
        expected = table.values[rows] if columns is None else table.values[rows][:, columns]
        np.testing.assert_array_equal(values, expected)
    assert table.read(rows[:0]).shape == (0, len(table.columns))


def test_every_training_post_is_in_one_fold_and_trains_the_others(tables):
    table = tables()[0].training
    for fold in table.folds:
        training, validation = table.training_rows(fold), table.validation_rows(fold)
        np.testing.assert_array_equal(np.sort(np.r_[training, validation]), table.all_rows)
        assert set(table.fold[validation]) == {fold}


@each_kind
def test_importing_the_kind_imports_no_library_of_models(kind):
    modules = ", ".join(f"{LEARNERS[kind]}.{part}" for part in ("params", "training", "model"))
    heavy = ["torch", "catboost", "lightgbm", "autogluon", "sklearn", "scipy", "transformers"]
    code = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    assert run_python(code) == "[]\n"


@each_kind
def test_code_that_only_predicts_is_none_of_the_training_and_the_other_way_round(kind):
    training, model = f"{LEARNERS[kind]}.training", f"{LEARNERS[kind]}.model"
    assert find_file(model) in list_files([model])
    assert find_file(model) not in list_files([training])
    assert find_file(training) not in list_files([model])


@each_kind
def test_finds_the_planted_signal(kind, fitted, tables):
    table, label = tables()
    prediction = fitted(kind).predict(table)
    assert fitted(kind).trainer.out_of_fold().dtype == np.float64
    assert fitted(kind).model.predict(table).dtype == np.float64
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
    fit = table.fit_rows
    popularity[fit] = np.random.default_rng(0).permutation(popularity[fit])
    prediction = learners(kind).fit(replace(table, popularity=popularity)).predict(table)
    held_out = table.split == HOLDOUT
    assert abs(spearmanr(prediction[held_out], label[held_out]).statistic) < 0.25
    # A learner that had seen a row's own label would rank the shuffled labels well.
    assert spearmanr(prediction[fit], popularity[fit]).statistic < 0.25


@each_with_a_model_a_fold
def test_a_post_is_predicted_by_a_model_that_never_trained_on_its_label(kind, learners, tables):
    table, _ = tables()
    changed = table.popularity.copy()
    own = np.flatnonzero(table.fold == 0)
    changed[own] = np.random.default_rng(1).normal(scale=10, size=len(own))
    before = learners(kind, one_step=True).fit(table)
    after = learners(kind, one_step=True).fit(replace(table, popularity=changed))
    for fold in table.training.folds:
        first, second = (learner.model.predict_fold(fold, table) for learner in (before, after))
        assert np.array_equal(first, second) == (fold == 0)


@each_with_a_model_a_fold
def test_predictions_out_of_fold_are_those_of_the_saved_models(kind, fitted, tables):
    table = tables()[0].training
    learner = fitted(kind)
    for fold in table.folds:
        own = table.validation_rows(fold)
        found = learner.model.predict_fold(fold, table, own)
        np.testing.assert_array_equal(learner.trainer.out_of_fold()[own], found)
        others = next(other for other in table.folds if other != fold)
        assert not np.array_equal(learner.model.predict_fold(others, table, own), found)


@each_with_a_model_a_fold
def test_another_training_post_is_another_model(kind, fitted, learners, tables):
    """The counterpart of the tests for equal bytes: they would see a difference."""
    table, _ = tables()
    values = table.values.copy()
    values[0, 2:] += 5
    assert learners(kind).fit(replace(table, values=values)).read() != fitted(kind).read()


@each_kind
def test_the_same_input_is_the_same_bytes(kind, fitted, learners, tables, tmp_path, monkeypatch):
    expected = fitted(kind)
    monkeypatch.chdir(tmp_path)  # in whatever folder
    learner = learners(kind).fit(tables()[0])
    assert learner.read() == expected.read()
    assert learner.trainer.curves() == expected.trainer.curves()
    assert learner.trainer.record() == expected.trainer.record()
    assert learner.trainer.out_of_fold().tobytes() == expected.trainer.out_of_fold().tobytes()


@pytest.mark.parametrize(
    "kind", [k for k in ONE_MODEL_A_FOLD if resolve_learner(k, "Trainer", "k").draws]
)
def test_another_seed_is_another_model(kind, fitted, learners, tables):
    assert learners(kind, seed=8).fit(tables()[0]).read() != fitted(kind).read()


@each_kind
def test_loaded_again_it_predicts_the_same_numbers(kind, fitted, learners, tables):
    table, _ = tables()
    loaded = learners(kind).model
    loaded.load(fitted(kind).folder)
    np.testing.assert_array_equal(loaded.predict(table), fitted(kind).model.predict(table))


@each_with_a_model_a_fold
def test_without_a_pickle_it_loads_wherever_the_files_lie(kind, fitted, learners, tables, tmp_path):
    table, _ = tables()
    folder = tmp_path / "somewhere else"
    shutil.copytree(fitted(kind).folder, folder)
    assert not any((parent / "dvc.lock").exists() for parent in folder.parents)
    loaded = learners(kind).model
    loaded.load(folder)
    np.testing.assert_array_equal(loaded.predict(table), fitted(kind).model.predict(table))


@each_with_a_model_a_fold
def test_a_prediction_is_the_mean_of_the_folds(kind, fitted, tables):
    table, _ = tables()
    model = fitted(kind).model
    rows = np.flatnonzero(table.fold < 0)
    each = [model.predict_fold(fold, table, rows) for fold in table.training.folds]
    np.testing.assert_array_equal(model.predict(table, rows), np.mean(each, axis=0))


@each_kind
def test_no_post_at_all_is_no_error(kind, fitted, tables):
    table, _ = tables()
    prediction = fitted(kind).model.predict(table, np.arange(0))
    assert (prediction.shape, prediction.dtype) == ((0,), np.float64)


@each_kind
def test_training_posts_alone_are_predicted_as_among_others(kind, fitted, tables):
    table, _ = tables()
    model = fitted(kind).model
    alone, among = model.predict(table.training), model.predict(table)[table.fit_rows]
    np.testing.assert_allclose(alone, among, rtol=1e-6)


@each_kind
def test_damaged_models_are_refused(kind, fitted, learners, tmp_path):
    folder = fitted(kind).folder
    for path in sorted(folder.iterdir()):
        for damage in ("cut", "missing"):
            copy = tmp_path / f"{path.name}_{damage}"
            shutil.copytree(folder, copy)
            if damage == "cut":
                (copy / path.name).write_bytes(path.read_bytes()[:-50])
            else:
                (copy / path.name).unlink()
            with pytest.raises(InputError, match=path.name):
                learners(kind).model.load(copy)


@each_kind
def test_models_of_another_kind_are_refused(kind, fitted, learners):
    other = next(name for name in sorted(LEARNERS) if name != kind)
    with pytest.raises(InputError, match=f"expected models of kind '{other}', found '{kind}'"):
        learners(other).model.load(fitted(kind).folder)


@each_kind
def test_a_table_with_other_columns_is_refused(kind, fitted, tables):
    table, _ = tables()
    renamed = (*table.columns[:4], Column("minilm.other"), *table.columns[5:])
    model = fitted(kind).model
    with pytest.raises(InputError, match=r"column 4 is 'minilm.other', .*'minilm.title_02'"):
        model.predict(replace(table, columns=renamed))
    shorter = replace(table, columns=table.columns[:-1], values=table.values[:, :-1])
    with pytest.raises(InputError, match=r"column 31 is none, .*'minilm.title_29'"):
        model.predict(shorter)


@each_with_a_model_a_fold
def test_columns_without_a_value_or_without_variation_are_no_obstacle(kind, learners, tables):
    table, label = tables()
    values = table.values.copy()
    values[:, 5] = np.nan  # no value at all
    values[:, 6] = 1e6  # one value
    values[table.fold != 1, 7] = np.nan  # no value in the training rows of fold 1
    values[table.split == FIT, 8] = 2  # one value in the training posts, others elsewhere
    values[:, 1] = 0  # one category
    odd = replace(table, values=values)
    prediction = learners(kind).fit(odd).predict(odd)
    assert np.isfinite(prediction).all()
    rows = table.split == HOLDOUT
    assert spearmanr(prediction[rows], label[rows]).statistic > 0.6


@each_with_a_model_a_fold
def test_a_table_of_half_precision_is_read(kind, learners, tables):
    table, label = tables(np.float16)
    prediction = learners(kind).fit(table).predict(table)
    rows = table.split == HOLDOUT
    assert spearmanr(prediction[rows], label[rows]).statistic > 0.6


@each_with_a_model_a_fold
def test_a_table_without_categories_is_read(kind, learners, tables):
    table, label = tables()
    numbers = replace(table, values=table.values[:, 2:], columns=table.columns[2:])
    prediction = learners(kind).fit(numbers).predict(numbers)
    rows = table.split == HOLDOUT
    assert spearmanr(prediction[rows], label[rows]).statistic > 0.5


@each_kind
def test_record_and_curves_tell_how_the_training_went(kind, fitted, tables):
    table = tables()[0].training
    trainer = fitted(kind).trainer
    record, curves = trainer.record(), trainer.curves()
    prediction = trainer.out_of_fold()
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
    for fold in record["folds"] if curves else []:
        points = [point for point in curves if point["fold"] == fold["fold"]]
        assert min(point["validation_mae"] for point in points) < 1.9
        for phase in {point["phase"] for point in points}:
            iterations = [point["iteration"] for point in points if point["phase"] == phase]
            assert iterations == sorted(set(iterations))
            assert iterations[0] == 1


@each_with_a_model_a_fold
def test_what_the_columns_add_makes_the_prediction(kind, fitted, tables):
    table, _ = tables()
    rows = np.flatnonzero(table.fold < 0)
    model = fitted(kind).model
    values = model.explain(table, rows)
    if values is None:
        return  # the kind has no exact values
    assert values.shape == (len(rows), len(table.columns))
    base = model.predict(table, rows) - values.sum(axis=1)
    np.testing.assert_allclose(base, base[0], atol=1e-4)
    np.testing.assert_array_equal(model.explain(table)[rows], values)
    # The order of the columns is the table's: a column that is changed has another part.
    changed = table.values.copy()
    place = int(np.abs(values).mean(axis=0).argmax())
    changed[rows, place] = changed[rows[::-1], place]
    after = model.explain(replace(table, values=changed), rows)
    moved = np.abs(after - values).mean(axis=0)
    assert moved.argmax() == place


@each_with_a_model_a_fold
def test_every_fold_says_what_it_was_fitted_on(kind, fitted, tables):
    table = tables()[0].training
    fit = ids.digest(table.post_ids)
    for fold in fitted(kind).trainer.record()["folds"]:
        training = ids.digest(table.post_ids[table.training_rows(fold["fold"])])
        assert fold["fitted_on"] == training
        for key in (key for key in fold if key.endswith("fitted_on")):
            assert fold[key] == (fit if key == BORDERS else training)


@each_kind
def test_other_posts_alone_are_predicted_as_among_others(kind, fitted, tables):
    table, _ = tables()
    rows = np.flatnonzero(table.fold < 0)[:30]
    model = fitted(kind).model
    alone, among = model.predict(table.take(rows)), model.predict(table)[rows]
    np.testing.assert_allclose(alone, among, rtol=1e-6)
