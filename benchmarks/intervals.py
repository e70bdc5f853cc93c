"""What share of labels the prediction intervals hold, with its standard error.

    python benchmarks/intervals.py        # after `make repro`, in its folder

The holdout has few posts by new authors, so the training posts are asked too: the intervals of a
fold are fitted on the out-of-fold errors of the other folds. Training posts whose author was hidden
are predicted as of new authors. Posts of an author are alike: standard errors are by author.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from fame import params
from fame.fusion import fusion_file, intervals
from fame.fusion.combination import Combination, TrainingPosts
from fame.fusion.fuse import combine
from fame.fusion.known import find_known_authors
from fame.learners import table_files
from fame.posts.contract import FIT, HOLDOUT
from fame.posts.splits import number_users
from fame.runtime import arrays


def measure(inside: np.ndarray, users: np.ndarray) -> str:
    """The share of (n,) bool that hold and its standard error by authors, in percent."""
    share = inside.mean()
    sums = np.bincount(np.unique(users, return_inverse=True)[1], inside - share)
    error = np.sqrt((sums**2).sum()) / len(inside)
    return f"{100 * share:.1f} +- {100 * error:.1f} (of {len(inside)})"


def describe(inside: np.ndarray, users: np.ndarray, known: np.ndarray) -> str:
    groups = {"all": np.ones(len(known), bool), "known authors": known, "new authors": ~known}
    told = [f"{name} {measure(inside[rows], users[rows])}" for name, rows in groups.items()]
    return ", ".join(told)


def main() -> None:
    settings = params.load(kinds=False)
    shares = settings.fusion.intervals
    posts = pq.read_table("data/interim/posts.parquet")
    split, fold = arrays.to_strings(posts["split"]), arrays.to_numbers(posts["fold"])
    label, known = arrays.to_numbers(posts["popularity"]), find_known_authors(posts, split)
    users = number_users(arrays.to_strings(posts["user_id"]).tolist())
    predictions = {
        name: table_files.read_predictions(
            Path(f"data/predictions/{name}.parquet"), posts["post_id"]
        )
        for name in settings.learners
    }
    own, held = split == FIT, split == HOLDOUT
    training = TrainingPosts(label[own], known[own], fold[own], users[own])
    _, fused = combine(
        training, {name: values[own] for name, values in predictions.items()}, settings.fusion
    )
    saved = fusion_file.read(Path("models/fusion.json"))
    reach = tuple(saved["reach"])
    scored = Combination(saved["weights"], saved["lines"]).fuse(predictions, known)

    def hold(rows: np.ndarray, predicted: np.ndarray, widths: dict, share: float) -> np.ndarray:
        low, high = intervals.find_ends(predicted, known[rows], widths, share, reach)
        return (low <= label[rows]) & (label[rows] <= high)

    places = np.flatnonzero(own)
    error = np.abs(label[own] - fused)
    for share in shares:
        inside = np.zeros(len(places), bool)
        for each in np.unique(training.fold):
            at = training.fold == each
            widths = intervals.fit(error[~at], training.known[~at], shares)
            inside[at] = hold(places[at], fused[at], widths, share)
        name = intervals.name_share(share)
        print(f"{name} %, training posts: {describe(inside, users[own], known[own])}")
        on_holdout = hold(np.flatnonzero(held), scored[held], saved["intervals"], share)
        print(f"{name} %, holdout: {describe(on_holdout, users[held], known[held])}")


if __name__ == "__main__":
    main()
