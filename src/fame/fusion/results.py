"""The last word of a run: one table of SRC and MAE. `python -m fame.fusion.results` prints it."""

import hashlib
from pathlib import Path
from typing import Any

from fame import params
from fame.fusion import baseline
from fame.runtime import dvc_lock, files
from fame.runtime.stage import run

METRICS, DATA = Path("metrics/metrics.json"), Path("metrics/data.json")
PAGE, LOCK = Path("reports/report.html"), Path("reports/dvc.lock")
FEW = 100  # held-out posts; with fewer, scores of another draw differ by a tenth and more
UPPER_BOUND = "upper bound on held-out posts"  # the scores of a simulation's noise-free truth
LARGE = 1e5  # from here on four decimals say nothing and only make a column wide


def render(metrics: dict[str, Any], data: dict[str, Any], unit: str) -> str:
    """The table of a metrics.json as text, in its order: the fusion, learners as in params.yaml.

    Args:
        metrics: content of metrics/metrics.json. data: of metrics/data.json. unit: of the label.
    """
    weights = metrics["weights"]
    title = "SIMULATED sample" if data["simulated"] else "holdout"
    rows = [("", "SRC", "MAE", "weight")]
    rows.append(_row("FAME", metrics["fame"], "1.000"))
    rows += [_row(name, metrics[name], f"{weights[name]:.3f}") for name in weights]
    for name in (name for name in metrics if name.startswith("without_")):
        rows.append(_row("FAME " + name.replace("_", " ", 1), metrics[name]))
    rows.append(_row("median of the training posts", data["median"]))
    if "simulated_best" in data:
        rows.append(_row(UPPER_BOUND, data["simulated_best"]))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    lines = [
        f"{title}: {data['posts_holdout']} held-out posts that nothing was fitted on, "
        f"{data['posts_fit']} training posts",
        f"MAE in units of {unit}",
    ]
    if data["posts_holdout"] < FEW:
        lines.append("few held-out posts: on others these scores may be quite different")
    if idle := describe_idle(weights):
        lines.append(idle)
    for name, *numbers in rows:
        cells = [f"{n:>{width}}" for n, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([f"{name:<{widths[0]}}", *cells]).rstrip())
    return "\n".join(lines)


def describe_idle(weights: dict[str, float]) -> str:
    """Which learners have weight 0, so that no score without them is shown; "" if none has."""
    idle = [name for name, weight in weights.items() if weight == 0]
    if not idle:
        return ""
    whose = "its weight is 0" if len(idle) == 1 else "their weights are 0"
    names = " and ".join(filter(None, (", ".join(idle[:-1]), idle[-1])))
    return f"FAME without {names} is FAME as it is: {whose}."


def show_number(value: float) -> str:
    """Four decimals; a large number with six digits."""
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:.6g}"


def _row(name: str, scores: dict[str, float], weight: str = "") -> tuple[str, str, str, str]:
    return (name, show_number(scores["src"]), show_number(scores["mae"]), weight)


def main() -> None:
    """Print the table of the metrics in this folder, and whose the committed ones are."""
    unit = params.load(kinds=False).data.describe_unit()
    print(render(files.read_json(METRICS), files.read_json(DATA), unit))
    if said := baseline.describe():
        print(said)
    if PAGE.exists():
        print(f"report: {PAGE}{'' if is_drawn() else ', of another run; make repro draws it anew'}")


def is_drawn() -> bool:
    """Whether the report's page is the one that its stage drew of these metrics, by its lock."""
    entry = dvc_lock.read_stages(LOCK).get("report", {})
    known = {one["path"]: one.get("md5") for one in entry.get("deps", []) + entry.get("outs", [])}
    return all(
        known.get(str(path)) == hashlib.md5(path.read_bytes()).hexdigest()
        for path in (METRICS, DATA, PAGE)
    )


if __name__ == "__main__":
    run(main)
