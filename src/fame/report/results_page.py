"""The result table as Markdown; the README's has the published one beside it."""

from typing import Any

from fame.fusion.results import SAME_FOR_ALL, UPPER_BOUND, describe_idle
from fame.report import published_results
from fame.report.headline import describe_counts
from fame.runtime.readable import show_number

PUBLISHED = "SRC, published on SMPD | MAE, published on SMPD |"


def render_results(metrics: dict[str, Any], data: dict[str, Any], source: str) -> str:
    """The result table as Markdown, the published numbers beside those of data they concern."""
    weights = metrics["weights"]
    simulated = data["simulated"]
    ours = "simulated sample" if simulated else "this data"
    compared = published_results.concerns(source)
    lines = [
        f"| model | SRC, {ours} | MAE, {ours} | {PUBLISHED if compared else ''}".rstrip(),
        "|---|---|---|---|---|" if compared else "|---|---|---|",
    ]
    labels = {"fame": "FAME (fused)"}
    labels |= {name: f"{name} (weight {weights[name]:.3f})" for name in weights}
    labels |= {
        name: f"FAME {name.replace('_', ' ', 1)}" for name in metrics if name.startswith("without_")
    }
    labels |= {"median": "median of the training posts (constant)"}
    if simulated:
        labels |= {"simulated_best": f"{UPPER_BOUND} (simulated truth)"}
    for name, label in labels.items():
        pair = (
            " | ".join(f"{value:.4f}" for value in published_results.FUSIONS.get(name, ()))
            or "- | -"
        )
        scores = metrics[name] if name in metrics else data[name]
        shown = " | ".join(show_number(scores[metric]) for metric in ("src", "mae"))
        lines.append(f"| {label} | {shown} |" + (f" {pair} |" if compared else ""))
    lines += ["", describe_counts(data)]
    if data.get("same_for_all"):
        lines.append(f"{SAME_FOR_ALL[0].upper()}{SAME_FOR_ALL[1:]}.")
    if idle := describe_idle(weights):
        lines.append(idle)
    if simulated:
        lines.append(
            "All posts are simulated: these numbers and the published ones are of different data."
        )
    return "\n".join(lines) + "\n"
