"""What the scores stand beside, and is no score: metrics/data.json, which compares no experiments.

Counts of posts and authors, images that could not be read, the constant and the upper bound,
known and new authors apart, coverage of the intervals, the digest of the labelled posts, the unit
of the label, and whether all posts get the same prediction.
"""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame.fusion import intervals, scores
from fame.posts.contract import FIT, HOLDOUT, SPLITS, UNREADABLE
from fame.runtime import arrays, files

DIGEST_BYTES = 16
ROUNDING = 1e-5  # share of the labels' range; some learners compute in single precision
SPLIT_COLUMNS = ("split", "fold", "author_hidden")  # of parameters, not of the data


def describe_posts(posts: pa.Table, label: np.ndarray, split: np.ndarray) -> dict[str, Any]:
    """What the scores stand beside: the constant, the simulated truth, how many posts there are."""
    truth = arrays.to_numbers(posts["simulated_truth"])
    holdout = split == HOLDOUT
    true = label[holdout]
    median = np.full(len(true), np.median(label[split == FIT]))
    found: dict[str, Any] = {"median": scores.score(true, median)}
    simulated = not np.isnan(truth[holdout]).any()
    if simulated:
        found["simulated_best"] = scores.score(true, truth[holdout])
    counts = Counter(split.tolist())
    found |= {"simulated": simulated} | {f"posts_{part}": counts[part] for part in SPLITS}
    return found | scores.count_users(arrays.to_strings(posts["user_id"]).tolist(), split)


def digest_posts(posts: pa.Table) -> str:
    """Of the labelled posts as they were read, whatever the split, in hexadecimal.

    A result that is kept carries it: of other posts it is another run's.
    """
    labelled = posts.filter(pc.is_valid(posts["popularity"]))
    labelled = labelled.drop_columns([n for n in SPLIT_COLUMNS if n in posts.column_names])
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, column in zip(labelled.column_names, labelled.columns, strict=True):
        digest.update(name.encode())
        # One compact chunk: the same values are the same bytes, however they were chunked.
        chunk = pa.concat_arrays(column.chunks or [pa.array([], column.type)])
        digest.update(pa.record_batch([chunk], ["values"]).serialize())
    return digest.hexdigest()


def measure_groups(true: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> dict[str, Any]:
    """SRC and MAE of the fused predictions for known and for new authors; the mean's bias."""
    found: dict[str, Any] = {
        f"{group}_authors": scores.score(true[rows], predicted[rows])
        for group, rows in zip(intervals.GROUPS, (known, ~known), strict=True)
        if rows.sum() > 1
    }
    return found | {"bias": round(float((predicted - true).mean()), scores.DECIMALS)}


def is_same_for_all(predicted: np.ndarray, true: np.ndarray) -> bool:
    """Whether (n,) predictions differ by no more than rounding does, beside (n,) labels."""
    return bool(np.ptp(predicted) <= ROUNDING * np.ptp(true))


def count_unreadable(folder: Path, backbones: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Backbone that reads images -> kind -> posts whose image could not be read."""
    counts = {}
    for name, settings in backbones.items():
        if settings.reads == "images":
            status = files.read_json(folder / f"{name}.json")["status"]["image"]
            counts[name] = {kind: status.get(kind, 0) for kind in UNREADABLE}
    return counts
