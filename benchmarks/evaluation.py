"""Time of the intervals and of learned weights at SMPD's size, on generated predictions.

The intervals beside the plain way: rows written out and sorted anew in every resample.
"""

import argparse
import time

import numpy as np

from fame.fusion import weights
from fame.report import bootstrap
from fame.runtime.metrics import mean_absolute_error, spearman

POSTS, USERS, RESAMPLES = 180_581, 31_000, 1000
FIT_POSTS, NOISE = 305_613, (1.5, 1.6, 1.9, 2.5)


def make(count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    true = np.round(draw.normal(6.4, 2.5, count), 2)
    return true, {
        f"learner {i}": 6.4 + 0.7 * (true + draw.normal(0, sd, count) - 6.4)
        for i, sd in enumerate(NOISE)
    }


def resample_plainly(true: np.ndarray, predicted: np.ndarray, users: np.ndarray) -> None:
    order = np.argsort(users, kind="stable")
    start = np.searchsorted(users[order], np.arange(users.max() + 2))
    drawn = np.random.default_rng(0).integers(users.max() + 1, size=users.max() + 1)
    rows = np.concatenate([order[start[user] : start[user + 1]] for user in drawn])
    spearman(true[rows], predicted[rows])
    mean_absolute_error(true[rows], predicted[rows])


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    true, predictions = make(POSTS)
    users = np.unique(np.random.default_rng(1).integers(USERS, size=POSTS), return_inverse=True)[1]
    predictions["fame"] = np.mean(list(predictions.values()), axis=0)
    for chosen in ({"fame": predictions["fame"]}, predictions):
        start = time.perf_counter()
        bootstrap.resample_scores(true, chosen, users, RESAMPLES, 7)
        ours = time.perf_counter() - start
        size = f"{RESAMPLES} resamples of {POSTS} posts, {len(chosen)} models"
        print(f"intervals: {size}: {ours:.1f} s")
    start = time.perf_counter()
    for _ in range(3):
        resample_plainly(true, predictions["fame"], users)
    plain = (time.perf_counter() - start) / 3 * RESAMPLES
    print(f"the plain way, one model: {plain:.0f} s (from 3 resamples)")
    true, predictions = make(FIT_POSTS)
    for metric in ("mae", "src"):
        start = time.perf_counter()
        found = weights.learn(true, predictions, metric)
        shares = ", ".join(f"{weight:.3f}" for weight in found.values())
        seconds = time.perf_counter() - start
        size = f"{len(found)} learners on {FIT_POSTS} posts, {metric}"
        print(f"weights of {size}: {seconds:.1f} s ({shares})")


if __name__ == "__main__":
    main()
