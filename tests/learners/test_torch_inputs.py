from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame.learners import torch_inputs
from fame.learners.torch_inputs import CHUNK_ROWS, Inputs, predict_in_chunks


@pytest.fixture
def asked():
    return []


@pytest.fixture
def make_inputs(asked):
    """Rows of a table whose numbers are shown doubled; what is read is noted."""

    def prepare(table, rows):
        asked.append(rows)
        return np.nan_to_num(2 * table.read(rows))

    def make(table, rows):
        labels = torch.from_numpy(table.popularity[rows].astype(np.float32))
        return Inputs(table, rows, prepare, labels)

    return make


def test_batches_are_read_in_the_order_asked_for_beside_what_is_encoded(tables, make_inputs):
    table = tables()[0].training
    data = make_inputs(table, np.arange(5, 155))
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    encoded = torch.arange(300.0).reshape(150, 2)
    read = list(replace(data, encoded=encoded).read(order.split(32)))
    assert [len(labels) for _, labels in read] == [32, 32, 32, 32, 22]
    x, labels = (torch.cat(parts) for parts in zip(*read, strict=True))
    np.testing.assert_array_equal(labels, table.popularity[order + 5].astype(np.float32))
    np.testing.assert_array_equal(x[:, :2], encoded[order])
    np.testing.assert_array_equal(x[:, 2:], np.nan_to_num(2 * table.values[order.numpy() + 5]))


def test_all_rows_are_read_in_order_whatever_the_chunk(tables, make_inputs, monkeypatch):
    table = tables()[0].training
    monkeypatch.setattr(torch_inputs, "CHUNK_ROWS", 7)
    parts = list(make_inputs(table, np.arange(30, 50)).read_in_order())
    assert [len(labels) for _, labels in parts] == [7, 7, 6]
    x = torch.cat([part for part, _ in parts])
    np.testing.assert_array_equal(x, np.nan_to_num(2 * table.values[30:50]))


def test_rows_are_never_held(tables, make_inputs, asked):
    """What is read ahead of a batch that is not yet computed is a few batches, not the table."""
    data = make_inputs(tables()[0].training, np.arange(150))
    for number, _ in enumerate(data.read(torch.arange(150).split(10)), 1):
        assert len(asked) <= number + torch_inputs.BATCHES_AHEAD
    assert [len(rows) for rows in asked] == [10] * 15


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
