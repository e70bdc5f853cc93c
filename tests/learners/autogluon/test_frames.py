import numpy as np

from fame.learners.autogluon.frames import make_frame


def test_categories_reach_the_models_as_categories(learners, tables):
    frame = make_frame(tables()[0], np.arange(5), learners("autogluon").trainer.params)
    assert frame["meta.category"].dtype == "category"
    assert frame["minilm.title_00"].dtype == np.float32
    assert frame["title"].dtype == object
