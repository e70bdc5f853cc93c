"""A post unlike all training posts is predicted within their labels, by every kind of learner."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fame import params
from fame.learners.clipping import clip
from fame.posts.contract import FIT
from fame.registry import LEARNERS

LARGEST = np.finfo(np.float32).max
# What stands in the numbers of all posts: their own a thousand million times, or one value.
CHANGES = {
    "far": lambda numbers: numbers * np.float32(1e9),
    "one value": np.zeros_like,
    "largest": lambda numbers: np.full_like(numbers, LARGEST),
    "missing": lambda numbers: np.full_like(numbers, np.nan),
}
LONG = "word " * 2000  # 10,000 characters


@pytest.mark.filterwarnings("error::RuntimeWarning")  # what overflows may predict anything
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", sorted(LEARNERS))
def test_a_post_unlike_all_others_is_predicted_within_the_labels(kind, change, fitted, tables):
    table, label = tables()
    numbers, values = table.numeric, np.array(table.values)
    with np.errstate(over="ignore"):
        values[:, numbers] = CHANGES[change](values[:, numbers])
    texts = {name: np.full(len(values), LONG, dtype=object) for name in table.texts}
    strange = replace(table, values=values, texts=texts)
    model = fitted(kind).model
    margin = params.load(Path(__file__).parents[2] / "params.yaml").predictions.margin
    prediction, _ = clip(model.predict(strange, np.arange(20)), model.label_range, margin)
    known = label[table.split == FIT]
    assert np.isfinite(prediction).all()
    assert known.min() <= prediction.min()
    assert prediction.max() <= known.max()
