"""Known and new authors: whether a post's author has an earlier training post that counts."""

import numpy as np

from fame.posts.contract import FIT, HOLDOUT
from fame.runtime.draws import draw

SHARES = (0.05, 0.2)  # hidden at least, as a draft may be a new author's, and at most


def hide(post_ids: list[str], share: float, seed: int) -> np.ndarray:
    """(n,) bool: training posts that are treated as a new author's.

    A model that always sees the author's past fails for new authors, so a share of the training
    posts shows none. Drawn by the posts' ids: other posts change nothing.
    """
    return draw(post_ids, seed) < share


def choose_share(users: list[str | None], split: np.ndarray) -> float:
    """The share of the holdout's posts that are by new authors, within SHARES.

    Posts without a label change nothing.

    Args:
        users: n author ids, None where unknown: new.
        split: (n,) fit, holdout or challenge.
    """
    trained = {user for user, part in zip(users, split, strict=True) if part == FIT} - {None}
    held_out = [user for user, part in zip(users, split, strict=True) if part == HOLDOUT]
    new = sum(user not in trained for user in held_out)
    return float(np.clip(new / max(len(held_out), 1), *SHARES))


def find_known(
    users: list[str | None], posted_at: np.ndarray, is_fit: np.ndarray, hidden: np.ndarray
) -> np.ndarray:
    """(n,) bool: posts of an author with an earlier training post, but for hidden ones.

    Args:
        users: n author ids, None where unknown: never known.
        posted_at: (n,) float64 seconds, NaN where unknown: then any training post of the author
            but the post itself counts.
        is_fit: (n,) bool, the training posts.
        hidden: (n,) bool of `hide`, false outside the training posts.
    """
    first: dict[str, float] = {}
    count: dict[str, int] = {}
    for row in np.flatnonzero(is_fit):
        user = users[row]
        if user is not None:
            first[user] = np.fmin(first.get(user, np.nan), posted_at[row])
            count[user] = count.get(user, 0) + 1
    known = np.zeros(len(users), dtype=bool)
    for post, user in enumerate(users):
        if user in first and not hidden[post]:
            timeless = np.isnan(posted_at[post]) or np.isnan(first[user])
            known[post] = count[user] > is_fit[post] if timeless else first[user] < posted_at[post]
    return known
