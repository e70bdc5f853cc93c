"""The directions along which numbers vary most."""

import numpy as np

# Squared singular values below this share of the largest are rounding, not directions.
RANK_TOLERANCE = 1e-10


def find_basis(product: np.ndarray, components: int) -> np.ndarray:
    """The leading right singular vectors of X, given X'X (d, d).

    Returns:
        (m, d), m <= components: only directions that X has. Each one's entry of largest size is
        positive, which fixes the sign.
    """
    squares, vectors = np.linalg.eigh(product)
    leading = np.argsort(-squares, kind="stable")[:components]
    leading = leading[squares[leading] > RANK_TOLERANCE * squares[-1]]
    basis = vectors[:, leading].T
    largest = np.abs(basis).argmax(axis=1)
    return basis * np.sign(basis[np.arange(len(basis)), largest])[:, None]
