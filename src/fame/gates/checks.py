"""Gates against leaks: each looks for one kind and names what it finds, a sentence a leak."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.features.blocks import Block
from fame.params import LeakageParams, SplitParams
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT
from fame.posts.splits import is_large
from fame.runtime import ids
from fame.runtime.metrics import spearman

BORDERS = "borders_fitted_on"  # of a column's bins, from its values alone: the fold's rows too
NAMED = 3  # examples in a sentence
POSTING_TIME_GROUPS = ("post_", "time_", "geo_", "user_", "text_", "ratio_", "trend_")


@dataclass
class Gate:
    """What a gate looked at and found.

    Attributes:
        leaks: sentences, empty where the gate is passed.
        facts: what was looked at, in numbers; JSON-able.
    """

    leaks: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """The gate's part of leakage.json."""
        return {"passed": not self.leaks, "leaks": self.leaks, **self.facts}


def check_parts(
    post_ids: np.ndarray, split: np.ndarray, tables: dict[str, tuple[np.ndarray, np.ndarray]]
) -> Gate:
    """No id is in two parts; each table's training posts are those, its other posts the others.

    Args:
        post_ids, split: (n,) of the posts.
        tables: name -> ids of a learner's training posts, ids of its other posts.
    """
    gate = Gate(facts={"posts": len(post_ids), "tables": sorted(tables)})
    parts: dict[str, str] = {}
    for post_id, part in zip(post_ids, split, strict=True):
        if parts.setdefault(post_id, part) != part:
            gate.leaks.append(f"post {post_id} is in two parts: {parts[post_id]} and {part}")
    for name, (fit, others) in tables.items():
        for table_ids, allowed, does in (
            (fit, {FIT}, "trains on it"),
            (others, {HOLDOUT, CHALLENGE}, "predicts it by models that it may have trained"),
        ):
            gate.leaks += [
                f"post {post_id} is in part {parts.get(post_id, 'none')}, but table {name} {does}"
                for post_id in table_ids
                if parts.get(post_id) not in allowed
            ]
        lost = parts.keys() - set(fit) - set(others)
        gate.leaks += [f"post {post_id} is not in table {name}" for post_id in sorted(lost)]
    gate.leaks = shorten(gate.leaks)
    return gate


def check_users(
    users: list[str | None], split: np.ndarray, fold: np.ndarray, settings: SplitParams
) -> Gate:
    """Users in several places: refused where the split keeps them apart, else reported."""
    folds: dict[str, Counter[int]] = {}
    parts: dict[str, set[str]] = {}
    for user, part, number in zip(users, split, fold, strict=True):
        if user is not None:
            parts.setdefault(user, set()).add(part)
            if number >= 0:
                folds.setdefault(user, Counter())[int(number)] += 1
    shared = sorted(user for user, found in parts.items() if {FIT, HOLDOUT} <= found)
    spread = sorted(user for user, found in folds.items() if len(found) > 1)
    gate = Gate(
        facts={
            "protocol": settings.protocol,
            "folds_by": settings.folds_by,
            "users": len(parts),
            "users_in_fit_and_holdout": len(shared),
            "users_in_two_folds": len(spread),
        }
    )
    if settings.folds_by == "author":
        total = int((fold >= 0).sum())
        gate.leaks += [
            f"user {user} is in folds {' and '.join(map(str, sorted(folds[user])))}, "
            "which folds_by author keeps apart"
            for user in spread
            if not is_large(folds[user].total(), total, settings)
        ]
    if settings.protocol in ("user", "new_users"):
        gate.leaks += [
            f"user {user} is in fit and holdout, which protocol {settings.protocol} keeps apart"
            for user in shared
        ]
    gate.leaks = shorten(gate.leaks)
    return gate


def check_fitted_on(
    post_ids: np.ndarray,
    fold: np.ndarray,
    blocks: dict[str, str | None],
    learners: dict[str, dict[str, Any]],
) -> Gate:
    """What was fitted saw the rows that it may see, by the digest of their ids.

    Args:
        post_ids, fold: (n,) of the posts; fold is -1 outside the training posts.
        blocks: block -> its digest, None where nothing was fitted.
        learners: learner -> its record; a fold's models must not have seen the fold, the borders
            of their bins nothing but the training posts.
    """
    fit = ids.digest(post_ids[fold >= 0])
    outside = {
        number: ids.digest(post_ids[(fold >= 0) & (fold != number)])
        for number in sorted(set(fold[fold >= 0].tolist()))
    }
    gate, checked = Gate(), 0
    for name, found in blocks.items():
        if found is not None:
            checked += 1
            if found != fit:
                gate.leaks.append(f"block {name} was fitted on other posts than the training posts")
    for name, record in learners.items():
        checked += 1
        if record["fitted_on"] != fit:
            gate.leaks.append(f"learner {name} was fitted on other posts than the training posts")
        for entry in record["folds"]:
            for key in (key for key in entry if key.endswith("fitted_on")):
                checked += 1
                part = key.removesuffix("fitted_on").strip("_") or "model"
                if key == BORDERS and entry[key] != fit:
                    gate.leaks.append(
                        f"learner {name}: the {part} of fold {entry['fold']} were fitted on other "
                        "posts than the training posts"
                    )
                elif key != BORDERS and entry[key] != outside[entry["fold"]]:
                    gate.leaks.append(
                        f"learner {name}: the {part} of fold {entry['fold']} was not fitted on "
                        "the other folds' posts alone, so it scores rows that it has seen"
                    )
    gate.facts["digests"] = checked
    return gate


def check_labels_in_columns(
    columns: Iterator[tuple[str, np.ndarray, np.ndarray]], limit: float
) -> Gate:
    """No column is the label: its |SRC| with it is below ``limit``.

    Args:
        columns: of each column its name, (n,) values, NaN where missing, and the posts' labels.
    """
    gate, highest = Gate(), ("", 0.0)
    for name, values, label in columns:
        known = np.isfinite(values)
        if known.sum() < max(30, 0.1 * len(label)):
            continue
        found = abs(spearman(label[known], values[known]))
        if found > highest[1]:
            highest = (name, found)
        if found >= limit:
            gate.leaks.append(f"column {name} is the label: |SRC| {found:.3f}, limit {limit:g}")
    gate.leaks = shorten(gate.leaks)
    gate.facts = {"limit": limit, "highest": {"column": highest[0], "src": round(highest[1], 6)}}
    return gate


def check_unchanged(before: dict[str, Block], after: dict[str, Block], rows: np.ndarray) -> Gate:
    """What is fitted is the same, whatever the rows are that it must not see.

    Args:
        before, after: block -> as stored, and as made again from posts of which the labels, texts
            and users outside the training posts are others.
        rows: (n,) bool, the training posts.
    """
    gate = Gate(facts={"blocks": sorted(before)})
    for name, block in before.items():
        if block.notes != after[name].notes:
            changed = sorted(
                key for key in block.notes if block.notes[key] != after[name].notes.get(key)
            )
            gate.leaks.append(
                f"block {name}: {', '.join(changed)} changed with posts outside the training posts"
            )
        elif not np.array_equal(block.values[rows], after[name].values[rows], equal_nan=True):
            gate.leaks.append(f"block {name}: rows of training posts changed with other posts")
    return gate


def check_posting_time(
    posts: pa.Table, encode: Callable[[pa.Table], Block], names: tuple[str, ...]
) -> Gate:
    """Columns computed at posting time do not change when later posts are removed.

    Args:
        posts: POSTS.
        encode: posts -> the block whose columns that start with one of ``names`` are looked at.
    """
    times = pc.cast(posts["posted_at"], pa.int64()).to_pylist()
    known = [time for time in times if time is not None]
    if not known:
        return Gate(facts={"posts_removed": 0})
    middle = sorted(known)[len(known) // 2]
    kept = np.array([time is None or time <= middle for time in times])
    whole, early = encode(posts), encode(posts.filter(pa.array(kept)))
    gate = Gate(facts={"posts_removed": int((~kept).sum())})
    places = {column.name: place for place, column in enumerate(early.columns)}
    for place, column in enumerate(whole.columns):
        # Which columns there are is fitted on the training posts: another half may have others.
        if not column.name.startswith(names) or column.name not in places:
            continue
        if not np.array_equal(
            whole.values[kept, place], early.values[:, places[column.name]], equal_nan=True
        ):
            gate.leaks.append(f"column {column.name} changes when later posts are removed")
    return gate


def check_shuffled(
    shuffled: np.ndarray,
    values: np.ndarray,
    fold: np.ndarray,
    scored: np.ndarray,
    settings: LeakageParams,
) -> Gate:
    """Nothing is learned from labels that were shuffled before the features were made.

    A ridge regression on the training posts of each fold, scored on the fold and on the holdout.

    Args:
        shuffled: (n,) labels, permuted within the training posts and within the holdout.
        values: (n, d) columns made from posts with these labels.
        fold: (n,) -1 outside the training posts. scored: (n,) bool, the holdout.
    """
    numbers = sorted(set(fold[fold >= 0].tolist()))
    inside, outside = [], []
    for number in numbers:
        training = (fold >= 0) & (fold != number)
        predict = _fit_ridge(values[training], shuffled[training], settings.probe_ridge)
        rows = fold == number
        if rows.sum() > 1:
            inside.append(spearman(shuffled[rows], predict(values[rows])) * np.sqrt(rows.sum()))
        outside.append(predict(values[scored]))
    # Fold by fold: each is one draw of deviation 1, their sum one of sqrt(folds).
    found = {"out_of_fold": float(np.sum(inside) / np.sqrt((fold >= 0).sum() * len(inside)))}
    rows = {"out_of_fold": int((fold >= 0).sum()), "holdout": int(scored.sum())}
    if rows["holdout"] > 1:
        found["holdout"] = spearman(shuffled[scored], np.mean(outside, axis=0))
    gate = Gate(facts={f"src_{name}": round(value, 6) for name, value in found.items()})
    for name, value in found.items():
        # A label that nothing explains gives an SRC with standard deviation 1 / sqrt(rows).
        limit = settings.probe_deviations / np.sqrt(rows[name])
        if abs(value) > limit:
            gate.leaks.append(
                f"shuffled labels are predicted: SRC {value:.3f} on {name.replace('_', ' ')}, "
                f"limit {limit:.3f}: a feature has seen them"
            )
    return gate


def _fit_ridge(
    values: np.ndarray, label: np.ndarray, penalty: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Ridge regression on standardised columns, a missing value at the mean."""
    filled = values.astype(np.float64)
    missing = np.isnan(filled)
    known = np.maximum(len(filled) - missing.sum(axis=0), 1)
    filled[missing] = 0
    mean = filled.sum(axis=0) / known
    # In place from here: these are the largest arrays of the gates.
    filled -= mean
    filled[missing] = 0
    deviation = np.sqrt(np.einsum("nd,nd->d", filled, filled) / known)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-9)

    def standardise(rows: np.ndarray) -> np.ndarray:
        return np.nan_to_num((rows - mean) * scale, copy=False)

    x = filled
    x *= scale
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    slope, centre = np.linalg.solve(gram, x.T @ (label - label.mean())), label.mean()
    return lambda rows: standardise(rows) @ slope + centre


def shorten(leaks: list[str]) -> list[str]:
    """The first few of them, and how many more there are."""
    more = len(leaks) - NAMED
    return leaks[:NAMED] + ([f"and {more} more like it"] if more > 0 else [])
