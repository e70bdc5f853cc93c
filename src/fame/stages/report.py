"""Metrics and plot data -> figures and the result table beside the published one."""

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fame import io
from fame.stages import run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# SMP Challenge, image track, SMPD test posts: FAME (DOI 10.1145/3746027.3763759), Tables 1 and 2.
PUBLISHED = {
    "fame": (0.7543, 1.1607),
    "without_catboost": (0.7360, 1.2091),
    "without_lightgbm": (0.7461, 1.1845),
    "without_autogluon": (0.7475, 1.1809),
    "without_dae": (0.7511, 1.1711),
}
# Fixed metadata: the same data draws the same bytes.
PNG_METADATA = {"Software": None}


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("metrics", "plots", "curves", "figures", "results"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    metrics = io.read_json(arguments.metrics)
    source = "simulated sample" if metrics["data"]["simulated"] else "holdout"
    figures = {
        "densities": draw_densities(read_csv(arguments.plots / "densities.csv"), source),
        "predicted_true": draw_predicted(read_csv(arguments.plots / "predicted_true.csv"), source),
    }
    for learner in sorted(metrics["weights"]):
        rows = read_csv(arguments.curves / f"{learner}.csv")
        if rows:
            figures[f"learning_curve_{learner}"] = draw_learning_curve(rows, learner, source)
    with io.replacing_folder(arguments.figures) as folder:
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=150, metadata=PNG_METADATA)
    io.write_text(arguments.results, tabulate(metrics))
    print(f"report: {len(figures)} figures in {arguments.figures}, table in {arguments.results}")


def tabulate(metrics: dict[str, Any]) -> str:
    """The result table as Markdown, the published number beside each."""
    data, weights = metrics["data"], metrics["weights"]
    simulated = data["simulated"]
    ours = "simulated sample" if simulated else "this data"
    lines = [
        f"| model | SRC, {ours} | MAE, {ours} | SRC, published on SMPD | MAE, published on SMPD |",
        "|---|---|---|---|---|",
    ]
    labels = {"fame": "FAME (fused)"}
    labels |= {name: f"{name} (weight {weights[name]:.3f})" for name in weights}
    labels |= {
        name: f"FAME {name.replace('_', ' ', 1)}" for name in metrics if name.startswith("without_")
    }
    labels |= {"median": "median of the fit posts (constant)"}
    if simulated:
        labels |= {"simulated_best": "best reachable (simulated truth)"}
    for name, label in labels.items():
        published = " | ".join(f"{value:.4f}" for value in PUBLISHED.get(name, ())) or "- | -"
        scores = metrics[name]
        lines.append(f"| {label} | {scores['src']:.4f} | {scores['mae']:.4f} | {published} |")
    lines += [
        "",
        f"{data['posts_fit']} posts to fit on, {data['posts_holdout']} held out, "
        f"{data['posts_challenge']} without a label.",
    ]
    if simulated:
        lines.append(
            "All posts are simulated: these numbers and the published ones are of different data."
        )
    return "\n".join(lines) + "\n"


def draw_densities(rows: list[dict[str, str]], source: str) -> "Figure":
    """Densities of labels and predictions per learner (FAME, Figure 3)."""
    figure, axes = _new_figure()
    for model in dict.fromkeys(row["model"] for row in rows):
        points = [row for row in rows if row["model"] == model]
        x = [float(row["popularity"]) for row in points]
        y = [float(row["density"]) for row in points]
        emphasised = model in ("true", "fame")
        style = {"linewidth": 2.2 if emphasised else 1.2, "linestyle": "-" if emphasised else "--"}
        axes.plot(x, y, label=model, **style)
    axes.set(xlabel="popularity", ylabel="density", title=f"Labels and predictions ({source})")
    axes.legend(frameon=False)
    return figure


def draw_predicted(rows: list[dict[str, str]], source: str) -> "Figure":
    """Fused prediction against label, one point a holdout post."""
    figure, axes = _new_figure()
    true = [float(row["true"]) for row in rows]
    axes.scatter(true, [float(row["predicted"]) for row in rows], s=9, alpha=0.5)
    axes.plot([min(true), max(true)], [min(true), max(true)], color="black", linewidth=1)
    axes.set(
        xlabel="label", ylabel="fused prediction", title=f"{len(rows)} held-out posts ({source})"
    )
    return figure


def draw_learning_curve(rows: list[dict[str, str]], learner: str, source: str) -> "Figure":
    """Validation MAE of each fold; a panel a phase."""
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    figure, panels = _new_figure(len(phases))
    for axes, phase in zip(panels if len(phases) > 1 else [panels], phases, strict=True):
        for fold in sorted({int(row["fold"]) for row in rows}):
            points = [row for row in rows if row["phase"] == phase and int(row["fold"]) == fold]
            x = [int(row["iteration"]) for row in points]
            axes.plot(x, [float(row["validation_mae"]) for row in points], label=f"fold {fold}")
        axes.set(xlabel=f"{phase} iteration", ylabel="validation MAE")
        axes.set_title(f"{learner} ({source})")
    axes.legend(frameon=False)
    return figure


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a small CSV file that a stage wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _new_figure(panels: int = 1) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * panels, 4), layout="constrained")
    return figure, figure.subplots(1, panels)


if __name__ == "__main__":
    run(main)
