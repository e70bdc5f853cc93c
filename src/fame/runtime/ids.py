"""Post ids: their one order and their digest."""

import hashlib
from collections.abc import Iterable

import numpy as np


def order(post_ids: Iterable[str]) -> np.ndarray:
    """Positions that sort ids by length, then text: numeric order for ids of digits.

    Returns:
        (n,) int64.
    """
    ids = list(post_ids)
    return np.array(sorted(range(len(ids)), key=lambda i: (len(ids[i]), ids[i])), dtype=np.int64)


def digest(post_ids: Iterable[str]) -> str:
    """A hex digest of a set of ids that does not depend on their order."""
    state = hashlib.blake2b(digest_size=16)
    for post_id in sorted(post_ids):
        raw = post_id.encode()
        state.update(len(raw).to_bytes(4, "big") + raw)
    return state.hexdigest()
