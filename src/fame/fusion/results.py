"""The last word of a run: one table of SRC and MAE. `python -m fame.fusion.results` prints it."""

from pathlib import Path
from typing import Any

from fame.runtime import files
from fame.runtime.stage import run

METRICS = Path("metrics/metrics.json")


def render(metrics: dict[str, Any]) -> str:
    """The table of a metrics.json as text, learners by their weight."""
    data, weights = metrics["data"], metrics["weights"]
    title = "SIMULATED sample" if data["simulated"] else "holdout"
    lines = [
        f"{title}: {data['posts_holdout']} held-out posts that nothing was fitted on, "
        f"{data['posts_fit']} posts to fit on",
        f"{'':<34}{'SRC':>8}{'MAE':>9}{'weight':>9}",
    ]
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        lines.append(_row(name, metrics[name], f"{weights[name]:.3f}"))
    for name in sorted(name for name in metrics if name.startswith("without_")):
        lines.append(_row("fame " + name.replace("_", " ", 1), metrics[name]))
    lines.append(_row("median of the posts to fit on", metrics["median"]))
    if "simulated_best" in metrics:
        lines.append(_row("best reachable (simulated truth)", metrics["simulated_best"]))
    lines.append(_row("FAME", metrics["fame"], "1.000"))
    return "\n".join(lines)


def _row(name: str, scores: dict[str, float], weight: str = "") -> str:
    return f"{name:<34}{scores['src']:>8.4f}{scores['mae']:>9.4f}{weight:>9}".rstrip()


def main() -> None:
    """Print the table of the metrics in this folder."""
    print(render(files.read_json(METRICS)))


if __name__ == "__main__":
    run(main)
