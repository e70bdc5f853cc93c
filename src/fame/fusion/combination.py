"""How the learners' predictions become one: weights, and a line behind them (FAME, section 3).

Fixed weights are the paper's way. Learned ones, and the line, are fitted on out-of-fold predictions
of the training posts; where the past of an author counts, posts by known and by new authors are
different tasks, and may have weights of their own.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fame.fusion import mean, weights
from fame.fusion.intervals import GROUPS
from fame.params import FusionParams

IDENTITY = (0.0, 1.0)
ROUNDS = 50  # of reweighted least squares, each nearer to the least absolute error
NEAR = 1e-6  # errors below it count as so large
GAIN = 0.002  # share of the MAE out of fold that a line has to save
CLEARLY = 0.01  # share of the loss out of fold that uneven weights have to save
SHARES = (0.5, 1.0)  # of the learned weights against even ones, beside none
SURE = 0.5  # standard errors by which a line's gain must stand out from chance


@dataclass(frozen=True)
class TrainingPosts:
    """What a combination is learned on, beside predictions out of fold.

    Attributes:
        label: (n,) float64.
        known: (n,) bool, posts that were predicted as ones by a known author.
        fold: (n,), for telling what helps on posts that were not learned on.
        author: (n,) numbers of the authors, whose posts are alike.
    """

    label: np.ndarray
    known: np.ndarray
    fold: np.ndarray
    author: np.ndarray

    def take(self, rows: np.ndarray) -> "TrainingPosts":
        """Some of them, (n,) bool."""
        return TrainingPosts(self.label[rows], self.known[rows], self.fold[rows], self.author[rows])

    def tells(self) -> bool:
        """Whether there are folds to tell by what helps."""
        return len(np.unique(self.fold)) > 1


@dataclass(frozen=True)
class Combination:
    """What fuses any posts.

    Attributes:
        weights: known and new authors -> learner -> weight, summing to 1.
        lines: known and new authors -> intercept and slope behind the weighted mean.
    """

    weights: dict[str, dict[str, float]]
    lines: dict[str, tuple[float, float]]

    def fuse(self, predictions: dict[str, np.ndarray], known: np.ndarray) -> np.ndarray:
        """(n,) from the learners' (n,) predictions; ``known`` (n,) bool says whose authors are."""
        fused = np.empty(len(known))
        for group, rows in zip(GROUPS, (known, ~known), strict=True):
            own = {name: predictions[name][rows] for name in self.weights[group]}
            intercept, slope = self.lines[group]
            fused[rows] = intercept + slope * mean.fuse(own, self.weights[group])
        return fused

    def overall(self, known: np.ndarray) -> dict[str, float]:
        """Learner -> its mean weight over posts."""
        share = float(known.mean()) if len(known) else 0.0
        return {
            name: share * self.weights["known"][name] + (1 - share) * self.weights["new"][name]
            for name in self.weights["new"]
        }

    def leave_out(self, name: str) -> "Combination":
        """The same without one learner, weights normalised (FAME, Table 2)."""
        return Combination(
            {group: _without(found, name) for group, found in self.weights.items()}, self.lines
        )

    def describe(self) -> dict[str, Any]:
        """JSON-able; `Combination(**...)` is the same again."""
        return {"weights": self.weights, "lines": {g: list(line) for g, line in self.lines.items()}}


def fix(settings: FusionParams, learners: list[str]) -> Combination:
    """The weights of params.yaml, normalised over the learners present."""
    fixed = mean.normalise(settings.weights(), learners)
    return Combination(dict.fromkeys(GROUPS, fixed), dict.fromkeys(GROUPS, IDENTITY))


def learn(
    posts: TrainingPosts, predictions: dict[str, np.ndarray], settings: FusionParams
) -> Combination:
    """Weights, and a line where it helps out of fold.

    Args:
        posts: what is learned on.
        predictions: learner -> (n,) out-of-fold predictions.
        settings: the metric, and whether known and new authors are told apart.
    """
    known = posts.known
    apart = settings.by_author and min(known.sum(), (~known).sum()) >= settings.least_posts
    found, lines = {}, {}
    for group, rows in zip(GROUPS, (known, ~known), strict=True):
        rows = rows if apart else np.ones(len(known), bool)
        part, own = posts.take(rows), {name: values[rows] for name, values in predictions.items()}
        found[group] = choose_weights(part, own, settings.metric)
        fused = mean.fuse(own, found[group])
        line = settings.calibrate and _line_helps(part, fused)
        lines[group] = fit_line(part.label, fused) if line else IDENTITY
    return Combination(found, lines)


def choose_weights(
    posts: TrainingPosts, predictions: dict[str, np.ndarray], metric: str
) -> dict[str, float]:
    """Even weights, learned ones, or what lies halfway: the best on folds that they did not see.

    Where posts are few, or of few authors, the best weights on them are fitted to chance, and the
    plain mean predicts better. A learner that does harm makes it worse: then the learned ones win.

    Args:
        posts: what is learned on.
        predictions: learner -> (n,) out-of-fold predictions.
        metric: mae or src.
    """
    even = dict.fromkeys(predictions, 1 / len(predictions))
    true, loss = posts.label, weights.LOSSES[metric]
    learned = weights.learn(true, predictions, metric)
    if not posts.tells():
        return learned
    flat = mean.fuse(predictions, even)
    nested = weights.learn_nested(true, predictions, posts.fold, metric)
    plain = loss(true, flat)
    losses = {share: loss(true, share * nested + (1 - share) * flat) for share in SHARES}
    best = min(losses, key=lambda share: losses[share])
    share = best if losses[best] < plain - CLEARLY * abs(plain) else 0.0
    return {name: share * learned[name] + (1 - share) * even[name] for name in predictions}


def nest(
    posts: TrainingPosts, predictions: dict[str, np.ndarray], settings: FusionParams
) -> np.ndarray:
    """(n,) fused predictions by combinations that never saw their row: learned on other folds."""

    def fuse(inside: np.ndarray) -> np.ndarray:
        others = {name: values[~inside] for name, values in predictions.items()}
        learned = learn(posts.take(~inside), others, settings)
        own = {name: values[inside] for name, values in predictions.items()}
        return learned.fuse(own, posts.known[inside])

    return weights.fold_by_fold(posts.fold, fuse)


def fit_line(true: np.ndarray, fused: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the line with the least absolute error, by reweighted least squares.

    Learners that minimise squares predict means; where labels are skewed, the median is elsewhere.
    A slope that is not positive would turn the ranking round: then the line only shifts.
    """
    centre = float(fused.mean())
    x = np.column_stack([np.ones(len(fused)), fused - centre])
    coefficients = np.array([np.median(true - fused) + centre, 1.0])
    for _ in range(ROUNDS):
        weight = 1 / np.maximum(np.abs(true - x @ coefficients), NEAR)
        gram = (x.T * weight) @ x + NEAR * np.eye(2)
        coefficients = np.linalg.solve(gram, x.T @ (weight * true))
    slope = float(coefficients[1])
    if slope <= 0:
        return float(np.median(true - fused)), 1.0
    return float(coefficients[0] - slope * centre), slope


def _line_helps(posts: TrainingPosts, fused: np.ndarray) -> bool:
    """Whether it saves GAIN, beyond chance, on folds that it did not see."""
    if not posts.tells():
        return False
    true = posts.label

    def predict(inside: np.ndarray) -> np.ndarray:
        intercept, slope = fit_line(true[~inside], fused[~inside])
        return intercept + slope * fused[inside]

    before = np.abs(true - fused)
    gain = before - np.abs(true - weights.fold_by_fold(posts.fold, predict))
    return bool(gain.mean() > GAIN * before.mean()) and stands_out(gain, posts)


def stands_out(gain: np.ndarray, posts: TrainingPosts) -> bool:
    """Whether gains (n,) add up to more than SURE standard errors of their sum.

    An author's posts in a fold stand or fall together, so they count as one.
    """
    _, together = np.unique(
        np.column_stack([posts.author, posts.fold]), axis=0, return_inverse=True
    )
    sums = np.bincount(together.ravel(), gain)
    return bool(sums.sum() > SURE * np.sqrt(np.square(sums - sums.mean()).sum()))


def _without(found: dict[str, float], name: str) -> dict[str, float]:
    rest = {other: weight for other, weight in found.items() if other != name}
    if not any(rest.values()):
        rest = dict.fromkeys(rest, 1.0)
    return mean.normalise(rest, list(rest))
