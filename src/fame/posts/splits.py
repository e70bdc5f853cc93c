"""Holdout and folds of the labelled posts; no other post can change them."""

import numpy as np

from fame.params import SplitParams
from fame.posts.contract import FIT, HOLDOUT
from fame.runtime.errors import InputError


def assign_split(posted_at: np.ndarray, users: np.ndarray, params: SplitParams) -> np.ndarray:
    """Which labelled posts are held out.

    Args:
        posted_at: (n,) float64 seconds, NaN where unknown; used by protocol chronological.
        users: (n,) int64 number of the post's user; used by protocol user.
        params: protocol, share and seed.

    Returns:
        (n,) str: fit or holdout. Rows must come in a fixed order (by post id): ties in time are
        broken by it.

    Raises:
        InputError: the protocol lacks its input, or a part would be empty.
    """
    size = max(1, round(params.holdout_fraction * len(posted_at)))
    if size >= len(posted_at):
        raise InputError(
            f"params.yaml: split.holdout_fraction: {params.holdout_fraction} of {len(posted_at)} "
            "labelled posts leaves no training post"
        )
    split = np.full(len(posted_at), FIT, dtype=object)
    split[_choose_holdout(size, posted_at, users, params)] = HOLDOUT
    return split


def assign_folds(users: np.ndarray, params: SplitParams) -> np.ndarray:
    """(n,) int8: the fold of each training post.

    All posts of a user are in one fold, except under protocol random. Folds differ by at most one
    user (random: one post).

    Args:
        users: (n,) int64 number of the training post's user.
        params: protocol, number of folds and seed.

    Raises:
        InputError: fewer users (random: posts) than folds.
    """
    groups = np.arange(len(users)) if params.protocol == "random" else users
    members, inverse = np.unique(groups, return_inverse=True)
    if len(members) < params.folds:
        unit = "posts" if params.protocol == "random" else "users"
        raise InputError(
            f"params.yaml: split.folds: {params.folds} folds need as many {unit} among the "
            f"training posts, found {len(members)}"
        )
    shuffled = np.random.default_rng([params.seed, 1]).permutation(len(members))
    return (shuffled % params.folds)[inverse].astype(np.int8)


def number_users(users: list[str | None]) -> np.ndarray:
    """(n,) int64: a number a user, by first appearance; a post without one is a user of its own."""
    known: dict[str | int, int] = {}
    return np.array(
        [
            known.setdefault(row if user is None else user, len(known))
            for row, user in enumerate(users)
        ],
        dtype=np.int64,
    )


def _choose_holdout(
    size: int, posted_at: np.ndarray, users: np.ndarray, params: SplitParams
) -> np.ndarray:
    if params.protocol == "chronological":
        unknown = int(np.isnan(posted_at).sum())
        if unknown:
            raise InputError(
                f"params.yaml: split.protocol: chronological needs the posting time of every "
                f"labelled post, {unknown} of {len(posted_at)} have none; "
                "allowed then: user, random"
            )
        return np.argsort(posted_at, kind="stable")[-size:]
    order = np.random.default_rng([params.seed, 0])
    if params.protocol == "random":
        return order.choice(len(posted_at), size=size, replace=False)
    members, counts = np.unique(users, return_counts=True)
    shuffled = order.permutation(len(members))
    # Whole users until the share is reached; the last one may overshoot it.
    chosen = shuffled[: int(np.searchsorted(np.cumsum(counts[shuffled]), size)) + 1]
    if len(chosen) == len(members):
        raise InputError(
            "params.yaml: split.protocol: user holds out whole users, and "
            f"{params.holdout_fraction} of the posts takes all {len(members)} of them"
        )
    return np.flatnonzero(np.isin(users, members[chosen]))
