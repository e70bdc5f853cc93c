import numpy as np

from fame.features.backbones.shared.items import (
    group_by_size,
    measure,
    stack_pixels,
    stack_tokens,
)
from fame.features.contract import Item


def make_item(tokens=None, side=None):
    ids = None if tokens is None else np.arange(tokens, dtype=np.int32)
    return Item(ids, None if side is None else np.full((side, side, 3), side, dtype=np.uint8))


def test_only_neighbours_of_one_size_are_a_group():
    items = [make_item(n, 4) for n in (3, 3, 5, 3)] + [make_item(3, 8)]
    assert [len(group) for group in group_by_size(items)] == [2, 1, 1, 1]
    assert measure(make_item(3)) == (3,)
    assert measure(make_item(None, 4)) == (4, 4, 3)
    assert measure(make_item(3, 4)) == (4, 4, 3, 3)


def test_items_of_one_size_are_one_array():
    items = [make_item(3, 4)] * 2
    np.testing.assert_array_equal(stack_tokens(items), [[0, 1, 2]] * 2)
    assert stack_tokens(items).dtype == np.int64
    assert stack_pixels(items).shape == (2, 4, 4, 3)
