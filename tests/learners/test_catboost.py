from dataclasses import replace

import numpy as np
import pytest

from fame.common.contracts import Column
from fame.errors import InputError


def test_time_and_random_id_are_not_in_the_files(fitted):
    from catboost import CatBoostRegressor

    _, folder = fitted("catboost")
    metadata = CatBoostRegressor().load_model(str(folder / "fold_0.cbm")).get_metadata()
    assert metadata["train_finish_time"] == ""
    assert metadata["model_guid"] == ""


def test_names_of_columns_are_kept_to_the_model(learners, tables, tmp_path):
    from catboost import CatBoostRegressor

    table, _ = tables()
    names = ['own_{"é": [1, 2]}', "own_a b", "own_a_b", "own_a\tb", "own_🙂"]
    columns = (*table.columns[:2], *map(Column, names), *table.columns[7:])
    learner = learners("catboost")
    learner.fit(replace(table, columns=columns))
    learner.save(tmp_path)
    model = CatBoostRegressor().load_model(str(tmp_path / "fold_0.cbm"))
    assert set(names) < set(model.feature_names_)
    categories = [model.feature_names_[place] for place in model.get_cat_feature_indices()]
    assert categories == ["meta.category", "meta.concept"]


def test_a_category_never_seen_is_predicted_as_any_other_never_seen(fitted, tables):
    table, _ = tables()
    values = np.repeat(table.values[:1], 3, axis=0)
    values[:, 0] = [0, 900, 901]
    learner = fitted("catboost")[0]
    known, unseen, other = learner.predict_fold(0, replace(table, values=values), np.arange(3))
    assert unseen == other
    assert known != unseen


def test_what_cannot_be_learned_is_one_sentence(learners, tables):
    table, _ = tables()
    equal = np.where(table.fold >= 0, 6.4, np.nan)
    with pytest.raises(InputError, match=r"catboost cannot learn on fold 0: .*equal"):
        learners("catboost").fit(replace(table, popularity=equal))
    same = np.zeros_like(table.values)
    with pytest.raises(InputError, match=r"catboost cannot learn on fold 0: .*constant"):
        learners("catboost").fit(replace(table, values=same))


def test_writes_no_file_of_its_own(learners, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learner = learners("catboost", one_step=True)
    learner.fit(tables()[0])
    assert list(tmp_path.iterdir()) == []


def test_loss_is_a_parameter(learners, tables):
    table, _ = tables()
    predictions = []
    for loss in ("rmse", "mae"):
        learner = learners("catboost", loss=loss)
        learner.fit(table)
        predictions.append(learner.predict(table))
    assert not np.array_equal(*predictions)
