"""Holdout and folds: a post is in exactly one place."""

import numpy as np

from fame.params import SplitParams
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT
from fame.runtime.errors import InputError


def assign_split(
    labelled: np.ndarray, posted_at: np.ndarray, users: np.ndarray, params: SplitParams
) -> np.ndarray:
    """Where each post belongs.

    Args:
        labelled: (n,) bool. Posts without a label are challenge posts.
        posted_at: (n,) float64 seconds, NaN where unknown; used by protocol chronological.
        users: (n,) int64 number of the post's user; used by protocol user.
        params: protocol, share and seed.

    Returns:
        (n,) str: fit, holdout or challenge. Rows must come in a fixed order (by post id): ties
        in time are broken by it.

    Raises:
        InputError: the protocol lacks its input, or a part would be empty.
    """
    split = np.full(len(labelled), CHALLENGE, dtype=object)
    rows = np.flatnonzero(labelled)
    size = max(1, round(params.holdout_fraction * len(rows)))
    if size >= len(rows):
        raise InputError(
            f"params.yaml: split.holdout_fraction: {params.holdout_fraction} of {len(rows)} "
            "labelled posts leaves none to fit on"
        )
    split[rows] = FIT
    split[_choose_holdout(rows, size, posted_at, users, params)] = HOLDOUT
    return split


def assign_folds(split: np.ndarray, users: np.ndarray, params: SplitParams) -> np.ndarray:
    """(n,) int8: fold of each fit post, -1 elsewhere.

    All posts of a user are in one fold, except under protocol random. Folds differ by at most one
    user (random: one post).

    Raises:
        InputError: fewer users (random: posts) than folds.
    """
    fit = np.flatnonzero(split == FIT)
    groups = fit if params.protocol == "random" else users[fit]
    members, inverse = np.unique(groups, return_inverse=True)
    if len(members) < params.folds:
        unit = "posts" if params.protocol == "random" else "users"
        raise InputError(
            f"params.yaml: split.folds: {params.folds} folds need as many {unit} among the posts "
            f"to fit on, found {len(members)}"
        )
    shuffled = np.random.default_rng([params.seed, 1]).permutation(len(members))
    fold = np.full(len(split), -1, dtype=np.int8)
    fold[fit] = (shuffled % params.folds)[inverse]
    return fold


def _choose_holdout(
    rows: np.ndarray,
    size: int,
    posted_at: np.ndarray,
    users: np.ndarray,
    params: SplitParams,
) -> np.ndarray:
    if params.protocol == "chronological":
        times = posted_at[rows]
        if np.isnan(times).any():
            raise InputError(
                f"params.yaml: split.protocol: chronological needs the posting time of every "
                f"labelled post, {int(np.isnan(times).sum())} of {len(rows)} have none; "
                "allowed then: user, random"
            )
        return rows[np.argsort(times, kind="stable")[-size:]]
    order = np.random.default_rng([params.seed, 0])
    if params.protocol == "random":
        return order.choice(rows, size=size, replace=False)
    members, counts = np.unique(users[rows], return_counts=True)
    shuffled = order.permutation(len(members))
    # Whole users until the share is reached; the last one may overshoot it.
    chosen = shuffled[: int(np.searchsorted(np.cumsum(counts[shuffled]), size)) + 1]
    if len(chosen) == len(members):
        raise InputError(
            "params.yaml: split.protocol: user holds out whole users, and "
            f"{params.holdout_fraction} of the posts takes all {len(members)} of them"
        )
    return rows[np.isin(users[rows], members[chosen])]
