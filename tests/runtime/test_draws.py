import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fame.runtime.draws import draw


@given(st.lists(st.text(max_size=20)), st.integers(0, 2**31 - 1))
def test_a_number_belongs_to_its_id(post_ids, seed):
    drawn = draw(post_ids, seed)
    assert drawn.shape == (len(post_ids),)
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert drawn[::-1].tolist() == draw(post_ids[::-1], seed).tolist()


def test_it_is_even_and_another_seed_draws_anew():
    post_ids = [str(i) for i in range(20_000)]
    first, second = draw(post_ids, 1), draw(post_ids, 2)
    for drawn in (first, second):
        assert abs(np.histogram(drawn, 10, (0, 1))[0] - 2_000).max() < 250
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
