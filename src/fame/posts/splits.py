"""Holdout and folds of the labelled posts; no other post can change them."""

import itertools

import numpy as np

from fame.params import SplitParams
from fame.posts.contract import FIT, HOLDOUT
from fame.runtime.errors import InputError

HELD_OUT = 2  # posts at least: nothing can be ranked on one


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
    share, folds = params.holdout_fraction, params.folds
    size = round(share * len(posted_at))
    if size < HELD_OUT or len(posted_at) - size < folds:
        sizes = (
            (count, round(share * count))
            for count in itertools.count(int((HELD_OUT - 0.5) / share))
        )
        least = next(n for n, held in sizes if held >= HELD_OUT and n - held >= folds)
        raise InputError(
            f"posts: {len(posted_at)} with a label, at least {least} are needed: {HELD_OUT} held "
            f"out (split.holdout_fraction {share:g}) and {folds} to train on (split.folds)"
        )
    split = np.full(len(posted_at), FIT, dtype=object)
    split[_choose_holdout(size, posted_at, users, params)] = HOLDOUT
    return split


def assign_folds(users: np.ndarray, params: SplitParams) -> np.ndarray:
    """(n,) int8: the fold of each training post; folds are balanced by posts.

    With ``folds_by: author`` all posts of an author are in one fold, so that a fold's posts are by
    authors that its model has not seen; whose past is shown is the history block's matter. The
    posts of a large author are drawn one by one: without a fifth of such an author's time a model
    lacks too much of what is scored. With ``folds_by: post`` all
    posts are.

    Args:
        users: (n,) int64 number of the post's user.
        params: what is kept together, number of folds and seed.

    Raises:
        InputError: fewer training posts than folds.
    """
    count = params.folds
    if len(users) < count:
        raise InputError(
            f"params.yaml: split.folds: {count} folds need as many training posts, "
            f"found {len(users)}"
        )
    draw = np.random.default_rng([params.seed, 1])
    if params.folds_by == "post":
        return (draw.permutation(len(users)) % count).astype(np.int8)
    members, inverse, sizes = np.unique(users, return_inverse=True, return_counts=True)
    shuffled = draw.permutation(len(members))
    rows_of = np.split(np.argsort(inverse, kind="stable"), np.cumsum(sizes)[:-1])
    fold, load = np.empty(len(users), dtype=np.int8), np.zeros(count)
    for member in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        rows = rows_of[member]
        if is_large(len(rows), len(users), params):
            fold[rows] = draw.permutation(len(rows)) % count
        else:
            fold[rows] = np.argmin(load)
        load += np.bincount(fold[rows], minlength=count)
    return fold


def is_large(posts: int, total: int, params: SplitParams) -> bool:
    """Whether an author of so many of all training posts is in several folds."""
    most = total / (2 * params.folds)  # half a fold's: whole, the folds would differ too much
    if params.large_author_posts is not None and params.protocol in ("chronological", "random"):
        most = min(most, params.large_author_posts)
    return posts >= max(params.folds, most)


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


def _name_other_protocols(users: np.ndarray) -> str:
    """Those that need no times; without an author of several posts, whole authors are posts."""
    several = len(np.unique(users)) < len(users)
    return f"allowed then: {'user, random' if several else 'random'}"


def _choose_holdout(
    size: int, posted_at: np.ndarray, users: np.ndarray, params: SplitParams
) -> np.ndarray:
    if params.protocol in ("chronological", "new_users"):
        unknown = int(np.isnan(posted_at).sum())
        if len(posted_at) - unknown < size:
            raise InputError(
                f"params.yaml: split.protocol: {params.protocol} needs the posting times of the "
                f"labelled posts, {unknown} of {len(posted_at)} have none; "
                f"{_name_other_protocols(users)}"
            )
        if len(np.unique(posted_at[~np.isnan(posted_at)])) == 1:
            raise InputError(
                f"params.yaml: split.protocol: {params.protocol} needs posting times that differ, "
                f"those of the labelled posts are all the same; {_name_other_protocols(users)}"
            )
        # A post without a time is a training post: it may be from any time.
        posted_at = np.where(np.isnan(posted_at), -np.inf, posted_at)
    if params.protocol == "chronological":
        return np.argsort(posted_at, kind="stable")[-size:]
    if params.protocol == "new_users":
        return _choose_newest_users(size, posted_at, users)
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


def _choose_newest_users(size: int, posted_at: np.ndarray, users: np.ndarray) -> np.ndarray:
    """All posts of the users who appear last, until the share is reached."""
    members, inverse, counts = np.unique(users, return_inverse=True, return_counts=True)
    first = np.full(len(members), np.inf)
    np.minimum.at(first, inverse, posted_at)
    newest = np.argsort(-first, kind="stable")
    chosen = newest[: int(np.searchsorted(np.cumsum(counts[newest]), size)) + 1]
    if len(chosen) == len(members):
        raise InputError(
            "params.yaml: split.protocol: new_users holds out the users who appear last, and that "
            f"takes all {len(members)} of them"
        )
    return np.flatnonzero(np.isin(users, members[chosen]))
