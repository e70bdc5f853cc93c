import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame.learners import torch_inputs
from fame.learners.torch_inputs import CHUNK_ROWS, Inputs, find_room, predict_in_chunks


@pytest.fixture
def asked():
    return []


@pytest.fixture
def make_inputs(asked):
    """Rows of a table whose numbers are shown doubled; what is read is noted."""

    def prepare(table, rows):
        asked.append(rows)
        return np.nan_to_num(2 * table.read(rows))

    def make(table, rows, threads=2):
        labels = torch.from_numpy(table.popularity[rows].astype(np.float32))
        return Inputs(table, rows, prepare, labels, threads)

    return make


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("threads", [1, 5])
def test_batches_are_read_in_the_order_asked_for_beside_what_is_encoded(
    threads, held, tables, make_inputs
):
    table = tables()[0].training
    data = make_inputs(table, np.arange(5, 155), threads)
    data = data.hold() if held else data
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    encoded = torch.arange(300.0).reshape(150, 2)
    read = list(replace(data, encoded=encoded).read(order.split(32)))
    assert [len(labels) for _, labels in read] == [32, 32, 32, 32, 22]
    x, labels = (torch.cat(parts) for parts in zip(*read, strict=True))
    np.testing.assert_array_equal(labels, table.popularity[order + 5].astype(np.float32))
    np.testing.assert_array_equal(x[:, :2], encoded[order])
    np.testing.assert_array_equal(x[:, 2:], np.nan_to_num(2 * table.values[order.numpy() + 5]))


def test_batches_come_in_order_whichever_is_prepared_first(tables):
    table = tables()[0].training
    second = threading.Event()

    def prepare(table, rows):
        if rows[0] == 0:
            assert second.wait(10)  # the first batch is prepared after the second
        second.set()
        return np.nan_to_num(table.read(rows))

    data = Inputs(table, np.arange(20), prepare, torch.arange(20.0), threads=2)
    assert [labels.tolist() for _, labels in data.read(torch.arange(20).split(10))] == [
        list(range(10)),
        list(range(10, 20)),
    ]


def test_all_rows_are_read_in_order_whatever_the_chunk(tables, make_inputs, monkeypatch):
    table = tables()[0].training
    monkeypatch.setattr(torch_inputs, "CHUNK_ROWS", 7)
    parts = list(make_inputs(table, np.arange(30, 50)).read_in_order())
    assert [len(labels) for _, labels in parts] == [7, 7, 6]
    x = torch.cat([part for part, _ in parts])
    np.testing.assert_array_equal(x, np.nan_to_num(2 * table.values[30:50]))


@pytest.mark.parametrize(("threads", "room", "ahead"), [(2, 1e9, 4), (8, 3, 3), (8, 0, 1)])
def test_no_more_is_prepared_ahead_than_there_is_room_for(
    threads, room, ahead, tables, make_inputs, asked, monkeypatch
):
    table = tables()[0].training
    monkeypatch.setattr(torch_inputs, "AHEAD_BYTES", room * 4 * 10 * len(table.columns))
    data = make_inputs(table, np.arange(150), threads)
    for number, _ in enumerate(data.read(torch.arange(150).split(10)), 1):
        assert len(asked) <= number + ahead
    assert sorted(rows[0] for rows in asked) == list(range(0, 150, 10))


def test_rows_that_are_held_are_prepared_once(tables, make_inputs, asked):
    data = make_inputs(tables()[0].training, np.arange(150)).hold()
    prepared = len(asked)
    for _ in range(3):
        assert len(list(data.read_in_order())) == 1
    assert len(asked) == prepared


def test_rows_are_not_held_where_there_is_no_room(tables, make_inputs, monkeypatch):
    data = make_inputs(tables()[0].training, np.arange(150))
    held = data.hold().held
    assert held is not None
    monkeypatch.setattr(torch_inputs, "HELD_BYTES", held.nbytes - 1)
    assert data.hold().held is None
    monkeypatch.setattr(torch_inputs, "HELD_BYTES", held.nbytes)
    assert data.hold().held is not None


def test_memory_of_an_earlier_fold_counts_as_free_on_a_gpu(monkeypatch):
    """torch keeps what a fold has released."""
    sizes = {"mem_get_info": (30, 80), "memory_reserved": 50, "memory_allocated": 10}
    for name, size in sizes.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, size=size: size)
    assert find_room(torch.device("cuda")) == torch_inputs.HELD_SHARE * (30 + 50 - 10)
    assert find_room(torch.device("cpu")) == torch_inputs.HELD_BYTES


def test_an_error_in_a_thread_ends_the_reading(tables, make_inputs):
    def prepare(*_):
        raise OSError("disk")

    data = replace(make_inputs(tables()[0].training, np.arange(150)), prepare=prepare)
    with pytest.raises(OSError, match="disk"):
        list(data.read_in_order())


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


@pytest.mark.parametrize("kind", ["dae", "tabm"])
def test_neither_threads_nor_room_change_a_model(kind, learners, tables, monkeypatch):
    table, _ = tables()
    models = []
    for workers, room in ((1, 2**29), (5, 2**29), (3, 0)):
        monkeypatch.setattr(torch_inputs, "HELD_BYTES", room)
        learner = learners(kind, one_step=True)
        learner.trainer.runtime = learner.trainer.runtime.model_copy(update={"workers": workers})
        models.append(learner.fit(table).read())
    assert models[0] == models[1] == models[2]
