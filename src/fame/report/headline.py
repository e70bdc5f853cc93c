"""What stands above the fold: in plain words what the model can do, and how to read it."""

from typing import Any

from fame import params
from fame.report import published_results
from fame.runtime.readable import count, show_number

CLEARLY = 0.1  # share by which FAME is worse than the median before a remedy is named
Texts = list[list[str]]  # each in parts, every second one emphasised


def describe_counts(data: dict[str, Any]) -> str:
    """How many posts the scores are of."""
    return (
        f"{count(data['posts_fit'], 'training post')}, {data['posts_holdout']:,} held out, "
        f"{data['posts_challenge']:,} without a label."
    )


def write_lead(
    data: dict[str, Any],
    evaluation: dict[str, Any],
    settings: params.DataParams,
    are_counts: bool,
) -> Texts:
    """Two to four sentences: ranking, error, a remedy, the published result where it concerns them.

    ``are_counts``: whether the labels, as they are learned, look like raw counts.
    """
    fame, median = evaluation["scores"]["fame"], data["median"]["mae"]
    lead: Texts = []
    if data.get("same_for_all"):
        lead.append(
            [
                "",
                "Nothing tells the posts apart",
                ": FAME gives all of them the same prediction, so it ranks none above another.",
            ]
        )
    elif evaluation["pairs"] is not None:
        right = f"{evaluation['pairs']:.0%}"
        lead.append(
            [
                "Of two posts that it never saw, FAME picks the more popular one in ",
                right,
                " of cases; a coin is right in 50%.",
            ]
        )
    low, high = (show_number(bound) for bound in fame["mae_interval"])
    share = (1 - fame["mae"] / median) if median else 0.0
    less = f"{abs(share):.0%} {'less' if share >= 0 else 'more'}"
    lead.append(
        [
            "Its predictions are off by ",
            show_number(fame["mae"]),
            f" on average ({evaluation['confidence']:.0%} interval {low} to {high}), ",
            less,
            f" than the median of the training posts, which is off by {show_number(median)}.",
        ]
    )
    if are_counts and share < -CLEARLY:
        lead.append(
            [
                "The labels look like raw counts, of which the largest decide every mean. ",
                "data.target_transform: log2p1",
                " in params.yaml learns log2(x + 1) instead, which predicts such counts better.",
            ]
        )
    if not published_results.concerns(settings.source):
        return lead
    src, mae = published_results.MODELS["FAME"]
    paper = f"The paper's FAME has SRC {src:.4f} and MAE {mae:.4f} on SMPD's test posts"
    if settings.source == "smpd":
        lead.append([f"{paper}, whose labels are not public: this run holds out labelled posts."])
    else:
        lead.append([f"{paper}; these posts are others, so the numbers do not compare."])
    return lead


def make_cards(
    data: dict[str, Any], evaluation: dict[str, Any], source: str
) -> list[dict[str, str]]:
    """FAME here, beside the constant, the upper bound if known, the published if it concerns it."""
    fame = evaluation["scores"]["fame"]
    cards = []
    for metric in ("src", "mae"):
        low, high = (show_number(bound) for bound in fame[f"{metric}_interval"])
        note = f"{evaluation['confidence']:.0%}: {low} to {high}"
        cards.append(
            {
                "value": show_number(fame[metric]),
                "label": f"{metric.upper()} of FAME",
                "note": note,
            }
        )
    median = {"label": "MAE of the median", "note": "of the training posts, a constant"}
    cards.append({"value": show_number(data["median"]["mae"])} | median)
    if "simulated_best" in data:
        note = "upper bound: the noise-free truth of the held-out posts"
        best = {"label": "MAE at best", "note": note}
        cards.append({"value": show_number(data["simulated_best"]["mae"])} | best)
    if published_results.concerns(source):
        src, mae = published_results.MODELS["FAME"]
        note = f"MAE {mae:.4f}; SMPD's test posts"
        cards.append({"value": f"{src:.4f}", "label": "SRC of FAME, published", "note": note})
    return cards


def explain(settings: params.DataParams, drawn: str) -> list[str]:
    """SRC, MAE, the unit, the intervals, for which the bootstrap drew ``drawn``."""
    return [
        "SRC, Spearman's rank correlation, compares the order of the predictions with that of the "
        "labels: 1 is the same order, 0 is none, -1 the reverse. Higher is better.",
        "MAE, the mean absolute error, is how far predictions are off on average, in the label's "
        "unit. Lower is better.",
        f"The unit is {settings.describe_unit()}.",
        f"Confidence intervals of scores draw {drawn} anew, with replacement. Nothing was "
        "fitted, tuned or stopped on the held-out posts.",
    ]
