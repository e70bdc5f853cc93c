"""Records of the learners that are stacks -> one table of their models.

The seconds are those of the last run on this machine, from `runs/`; empty where it has none. They
differ from run to run, so no other stage reads this table.
"""

import argparse
from pathlib import Path
from typing import Any

from fame.runtime import files
from fame.runtime.stage import run

COLUMNS = ("learner", "layer", "model", "validation_mae", "fit_seconds")


def main() -> None:
    """Write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("learners", "runs", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    rows = collect(arguments.learners, arguments.runs)
    lines = [",".join(str(row[column]) for column in COLUMNS) for row in rows]
    files.write_text(arguments.output, "\n".join([",".join(COLUMNS), *lines]) + "\n")
    print(f"leaderboard: {len(rows)} models in {arguments.output}")
    for row in rows:
        seconds = "-" if row["fit_seconds"] == "" else row["fit_seconds"]
        print(
            f"  {row['learner']:<12}layer {row['layer']}  {row['model']:<24}"
            f"validation MAE {row['validation_mae']:.4f}  {seconds:>8} s"
        )


def collect(learners: Path, runs: Path) -> list[dict[str, Any]]:
    """A row a model of each learner with a leaderboard, by learner, layer and name."""
    rows = []
    for path in sorted(learners.glob("*.json")):
        cost = runs / f"train@{path.stem}.json"
        seconds = files.read_json(cost).get("fit_seconds", {}) if cost.exists() else {}
        for row in files.read_json(path).get("leaderboard", []):
            rows.append(row | {"learner": path.stem, "fit_seconds": seconds.get(row["model"], "")})
    return rows


if __name__ == "__main__":
    run(main)
