"""The last word of a run: one table of SRC and MAE. `python -m fame.fusion.results` prints it."""

import hashlib
from pathlib import Path
from typing import Any

from fame.fusion import baseline
from fame.runtime import dvc_lock, files
from fame.runtime.readable import count, show_number
from fame.runtime.stage import run
from fame.runtime.strict_yaml import parse, read_text

METRICS, DATA = Path("metrics/metrics.json"), Path("metrics/data.json")
PAGE, REPORT_LOCK = Path("reports/report.html"), Path("reports/dvc.lock")
PARAMS, LOCK = Path("params.yaml"), Path(dvc_lock.LOCK)
# Stages whose recorded parameters are together all that decide a score.
DECIDING = ("simulate", "ingest", "leakage", "fuse")
FEW = 100  # held-out posts; with fewer, scores of another draw differ by a tenth and more
UPPER_BOUND = "upper bound on held-out posts"  # the scores of a simulation's noise-free truth
SAME_FOR_ALL = (
    "nothing tells the posts apart: all get the same prediction, so there is no ranking (SRC 0)"
)


def render(metrics: dict[str, Any], data: dict[str, Any]) -> str:
    """The table of a metrics.json as text, in its order: the fusion, learners as in params.yaml.

    Args:
        metrics: content of metrics/metrics.json. data: of metrics/data.json.
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
        f"{title}: {count(data['posts_holdout'], 'held-out post')} that nothing was fitted on, "
        f"{count(data['posts_fit'], 'training post')}"
    ]
    if "unit" in data:  # not in results of before it was written beside the scores
        lines.append(f"MAE in units of {data['unit']}")
    if data["posts_holdout"] < FEW:
        lines.append("few held-out posts: on others these scores may be quite different")
    if data.get("same_for_all"):
        lines.append(SAME_FOR_ALL)
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
    return f"FAME without {_join(idle)} is FAME as it is: {whose}."


def describe_changes() -> str:
    """What is no longer as dvc.lock has it of the run that made the scores; "" if all is.

    After a run that failed, or one that was refused, the scores are still those of the run before.
    """
    stages = dvc_lock.read_stages(LOCK)
    changed = []
    if keys := _list_changed_params(stages):
        changed.append(f"{PARAMS} ({', '.join(keys)})")
    changed += _list_changed_files(stages.get("fuse", {}))
    if not changed:
        return ""
    verb = "has" if len(changed) == 1 else "have"
    return (
        f"these scores are of an earlier run, since which {_join(changed)} {verb} changed; "
        "make repro makes new ones"
    )


def _list_changed_params(stages: dict[str, dict]) -> list[str]:
    now, changed = parse(read_text(PARAMS), str(PARAMS)), []
    for stage in DECIDING:
        recorded = stages.get(stage, {}).get("params", {}).get(str(PARAMS), {})
        for key, value in recorded.items():
            found: Any = now
            for part in key.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if found != value and not key.startswith("report."):  # how scores are drawn
                changed.append(key)
    return list(dict.fromkeys(changed))


def _list_changed_files(fuse: dict[str, Any]) -> list[str]:
    """Posts and records that the fusion read, and the scores that it wrote.

    In a fresh clone there are no posts, nor the folder where they would lie: then nothing is said
    of them. A stage that fails leaves the folder behind without them.
    """
    changed = []
    for entry in [*fuse.get("deps", []), *fuse.get("outs", [])]:
        path = Path(entry["path"])
        if path.name == "posts.parquet" or path.parts[0] == METRICS.parts[0]:
            is_gone = not path.exists() and path.parent.exists()
            if is_gone or (path.exists() and _digest(path) != entry.get("md5")):
                changed.append(str(path))
    return changed


def _digest(path: Path) -> str:
    if path.is_dir():
        return dvc_lock.digest_folder(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _join(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _row(name: str, scores: dict[str, float], weight: str = "") -> tuple[str, str, str, str]:
    return (name, show_number(scores["src"]), show_number(scores["mae"]), weight)


def main() -> None:
    """Print the table of the metrics in this folder, and of which run and machine they are."""
    print(render(files.read_json(METRICS), files.read_json(DATA)))
    if said := describe_changes() or baseline.describe():
        print(said)
    if PAGE.exists():
        print(f"report: {PAGE}{'' if is_drawn() else ', of another run; make repro draws it anew'}")


def is_drawn() -> bool:
    """Whether the report's page is the one that its stage drew of these metrics, by its lock."""
    entry = dvc_lock.read_stages(REPORT_LOCK).get("report", {})
    known = {one["path"]: one.get("md5") for one in entry.get("deps", []) + entry.get("outs", [])}
    return all(known.get(str(path)) == _digest(path) for path in (METRICS, DATA, PAGE))


if __name__ == "__main__":
    run(main)
