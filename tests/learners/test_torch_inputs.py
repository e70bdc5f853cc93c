"""Predictions of networks: those of a post do not depend on the posts beside it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.learners.torch_inputs import CHUNK_ROWS, predict_in_chunks


@given(st.lists(st.integers(0, 10**6), max_size=3 * CHUNK_ROWS // 2))
def test_every_row_is_predicted_once_in_chunks_of_one_size(rows):
    sizes = []

    def predict(part):
        sizes.append(len(part))
        return part * 2.0

    found = predict_in_chunks(np.array(rows, np.int64), predict)
    assert found.tolist() == [row * 2.0 for row in rows]
    assert sizes == [CHUNK_ROWS] * -(-len(rows) // CHUNK_ROWS)


@pytest.mark.parametrize("kind", ["dae", "tabm"])
def test_a_post_alone_and_all_posts_at_once_are_the_same_numbers(kind, fitted, tables):
    table, _ = tables()
    model = fitted(kind).model
    rows = table.all_rows
    whole = model.predict(table, rows)

    @given(st.lists(st.sampled_from(rows.tolist()), min_size=1, max_size=20))
    def check(some):
        np.testing.assert_array_equal(model.predict(table, np.array(some)), whole[some])

    check()
    many = np.random.default_rng(0).permutation(np.tile(rows, 5))  # more than one chunk
    np.testing.assert_array_equal(model.predict(table, many), whole[many])
