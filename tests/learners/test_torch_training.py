from hypothesis import given
from hypothesis import strategies as st

from fame.learners.torch_training import split_batches


@given(st.integers(1, 300), st.integers(2, 64))
def test_batches_hold_every_row_once_and_never_a_lone_row(rows, batch_size):
    import torch

    batches = split_batches(torch.arange(rows), batch_size)
    assert torch.cat(batches).tolist() == list(range(rows))
    assert max(map(len, batches)) <= batch_size + 1
    assert rows == 1 or min(map(len, batches)) > 1
