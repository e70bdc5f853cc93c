"""Draws that belong to a post: by a hash of its id, the same whichever posts are beside it."""

import hashlib
from collections.abc import Iterable

import numpy as np


def draw(post_ids: Iterable[str], seed: int) -> np.ndarray:
    """(n,) float64, even in [0, 1): a number for each id and ``seed`` (>= 0)."""
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, "big")
    digests = (hashlib.blake2b(i.encode(), digest_size=8, salt=salt).digest() for i in post_ids)
    whole = np.frombuffer(b"".join(digests), ">u8")
    # The upper 53 bits: all that a float64 below 1 holds, so that none is rounded up to 1.
    return (whole >> np.uint64(11)).astype(np.float64) / 2**53
