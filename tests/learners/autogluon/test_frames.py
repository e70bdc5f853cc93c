from dataclasses import replace

import numpy as np

from fame.learners.autogluon.frames import LARGEST, make_frame


def test_categories_reach_the_models_as_categories(learners, tables):
    frame = make_frame(tables()[0], np.arange(5), learners("autogluon").trainer.params)
    assert frame["meta.category"].dtype == "category"
    assert frame["minilm.title_00"].dtype == np.float32
    assert frame["title"].dtype == object


def test_numbers_are_bounded_and_ordinary_ones_as_they_are(learners, tables):
    table, _ = tables()
    numbers, values = table.numeric, np.array(table.values)
    largest = np.finfo(np.float32).max
    values[:3, numbers[:1]] = [[largest], [-largest], [1.7e18]]  # nanoseconds of 2023
    params = learners("autogluon").trainer.params
    frame = make_frame(replace(table, values=values), np.arange(20), params)
    found = frame[[table.columns[place].name for place in numbers]].to_numpy()
    assert found[:2, 0].tolist() == [np.float32(LARGEST), -np.float32(LARGEST)]
    assert np.array_equal(found[2:], values[2:20, numbers], equal_nan=True)
    assert np.isnan(found).any()  # missing ones stay
    assert values[0, numbers[0]] == largest  # the table itself is as it was
