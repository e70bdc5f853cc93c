import json

import numpy as np
import pytest

from fame.learners import contract
from fame.runtime.errors import InputError


@pytest.mark.parametrize("kind", ["catboost", "lightgbm"])
def test_the_size_of_a_chunk_does_not_change_the_prediction_of_trees(
    kind, fitted, tables, monkeypatch
):
    table, _ = tables()
    model = fitted(kind).model
    whole = model.predict(table)
    monkeypatch.setattr(contract, "CHUNK_ROWS", 7)
    np.testing.assert_array_equal(model.predict(table), whole)


@pytest.mark.parametrize("content", [[], {"kind": "catboost"}])
def test_a_manifest_that_is_none_of_the_kind_is_refused(content, learners, tmp_path):
    (tmp_path / "learner.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"learner\.json: expected models of kind 'lightgbm'"):
        learners("lightgbm").model.load(tmp_path)
