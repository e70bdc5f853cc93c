"""What was learned to fuse with, in words: the same in a run's output and in the report."""

import numpy as np

from fame.fusion.combination import CLEARLY, IDENTITY, Combination
from fame.fusion.intervals import GROUPS
from fame.runtime.readable import show_number


def describe_learned(learned: Combination, metric: str) -> list[str]:
    """A line about the weights and one about the line behind them; twice if by author.

    Args:
        learned: its learners are named in its order.
        metric: mae or src, by which the weights are the best.
    """
    known, new = GROUPS
    is_apart = any(of[known] != of[new] for of in (learned.weights, learned.lines))
    groups = GROUPS if is_apart else (known,)
    lines = []
    for group in groups:
        whose = f" for {group} authors" if len(groups) > 1 else ""
        lines.append(f"learned weights{whose}: {_describe_weights(learned.weights[group], metric)}")
        intercept, slope = learned.lines[group]
        if (intercept, slope) != IDENTITY:
            lines.append(
                f"then a straight line{whose}, fitted out of fold: "
                f"prediction = {show_number(intercept, 3)} + {slope:.3f} * weighted mean"
            )
    idle = [n for n in learned.weights[known] if not any(learned.weights[g][n] for g in groups)]
    if idle:
        lines.append(f"weight 0: {', '.join(idle)}; more would only make it worse out of fold")
    return lines


def _describe_weights(weights: dict[str, float], metric: str) -> str:
    share = 1 / len(weights)
    if len(weights) > 1 and np.allclose(list(weights.values()), share):
        return (
            f"even, {share:.2f} each: no uneven ones improve the {metric.upper()} by "
            f"{CLEARLY:.0%} out of fold"
        )
    shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    return f"{shares}; best {metric.upper()} out of fold"
