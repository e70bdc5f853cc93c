import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fame.learners.torch_training import _average, is_fused, split_batches


@given(st.integers(1, 300), st.integers(2, 64))
def test_batches_hold_every_row_once_and_never_a_lone_row(rows, batch_size):
    batches = split_batches(torch.arange(rows), batch_size)
    assert torch.cat(batches).tolist() == list(range(rows))
    assert max(map(len, batches)) <= batch_size + 1
    assert rows == 1 or min(map(len, batches)) > 1


@given(st.lists(st.tuples(st.floats(0, 1e6, width=32), st.integers(1, 300)), min_size=1))
def test_an_average_is_added_up_batch_after_batch(batches):
    means, sizes = zip(*batches, strict=True)
    total = 0.0
    for mean, size in batches:
        total += mean * size
    assert _average(list(map(torch.tensor, means)), list(sizes)) == total / sum(sizes)


def test_several_averages_are_each_their_own():
    means = [torch.tensor([1.0, 10.0]), torch.tensor([4.0, 40.0])]
    np.testing.assert_array_equal(_average(means, [1, 2]), [3.0, 30.0])


def test_a_loss_that_is_not_finite_is_none():
    assert np.isnan(_average([torch.tensor(1.0), torch.tensor(float("nan"))], [2, 2]))


def test_weights_on_a_cpu_are_changed_one_after_another():
    """All at once, the last digits would be others."""
    assert not is_fused(torch.nn.Linear(2, 2))
