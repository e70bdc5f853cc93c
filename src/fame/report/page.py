"""The page: one HTML file that holds its figures and asks the network for nothing."""

import base64
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from fame.report.tables import Table

LIBRARIES = (
    "numpy",
    "scipy",
    "pyarrow",
    "torch",
    "transformers",
    "catboost",
    "lightgbm",
    "dvc",
    "matplotlib",
)
CAPTIONS = {
    "densities": "Predicted densities, a mark at each peak (the paper's Figure 3)",
    "predicted_true": "Fused prediction against label",
    "calibration": "Mean label against mean prediction of each tenth of the holdout",
    "errors_category": "Error by category, posts in brackets",
    "errors_posts_per_user": "Error by the user's labelled posts outside the holdout",
    "errors_time": "Error over time, tenths of the holdout by posting time",
    "importance": "Importance of feature blocks",
    "intervals": "MAE of every model with its confidence interval",
    "protocols": "MAE under the three protocols",
}


@dataclass(frozen=True)
class Section:
    """A part of the page, in the order texts, tables, figures, code."""

    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """What a link names."""
        return "-".join(self.title.lower().split())


def embed(folder: Path, name: str) -> dict[str, str]:
    """A figure file as a data address, with its caption."""
    encoded = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
    learner = name.removeprefix("learning_curve_")
    caption = CAPTIONS.get(name, f"Learning curves of {learner}")
    return {
        "uri": f"data:image/png;base64,{encoded}",
        "caption": caption,
        "file": f"{folder.name}/{name}.png",
    }


def render(
    data: str,
    counts: dict[str, Any],
    evaluation: dict[str, Any],
    sections: list[Section],
) -> str:
    """The page's HTML; every value is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(
        data=data,
        simulated=counts["simulated"],
        counts=f"{counts['posts_fit']} training posts, {counts['posts_holdout']} held out, "
        f"{counts['posts_challenge']} without a label.",
        cards=make_cards(counts, evaluation),
        sections=sections,
    )


def make_cards(data: dict[str, Any], evaluation: dict[str, Any]) -> list[dict[str, str]]:
    """The headline: FAME here, beside the constant and, where known, the best reachable."""
    fame = evaluation["scores"]["fame"]
    cards = []
    for metric in ("src", "mae"):
        low, high = fame[f"{metric}_interval"]
        note = f"{evaluation['confidence']:.0%}: {low:.3f} to {high:.3f}"
        cards.append(
            {"value": f"{fame[metric]:.4f}", "label": f"{metric.upper()} of FAME", "note": note}
        )
    median = {"label": "MAE of the median", "note": "of the training posts, a constant"}
    cards.append({"value": f"{data['median']['mae']:.4f}"} | median)
    if "simulated_best" in data:
        best = {"label": "best reachable MAE", "note": "the simulation's noise-free truth"}
        cards.append({"value": f"{data['simulated_best']['mae']:.4f}"} | best)
    return cards


def list_versions() -> str:
    """Library and version, a line each."""
    return "\n".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
