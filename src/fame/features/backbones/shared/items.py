"""Items of a batch as arrays."""

from itertools import groupby

import numpy as np

from fame.features.contract import Item


def measure(item: Item) -> tuple[int, ...]:
    """Height, width and channels of the pixels, then the number of tokens; what there is of it."""
    pixels = () if item.pixels is None else item.pixels.shape
    return pixels if item.tokens is None else (*pixels, len(item.tokens))


def group_by_size(items: list[Item]) -> list[list[Item]]:
    """Items of one size that follow each other."""
    return [list(group) for _, group in groupby(items, key=measure)]


def stack_tokens(items: list[Item]) -> np.ndarray:
    """(n, t) int64 of items of one size."""
    return np.stack([item.tokens for item in items if item.tokens is not None]).astype(np.int64)


def stack_pixels(items: list[Item]) -> np.ndarray:
    """(n, ...) of items of one size."""
    return np.stack([item.pixels for item in items if item.pixels is not None])
