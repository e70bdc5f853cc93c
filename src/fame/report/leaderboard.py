"""Records of the learners that are stacks -> one table of their models.

Of the learners that params.yaml names: the record of one that was deleted still lies there.

The seconds are those of the last run on this machine, from `runs/`; empty where it has none. They
differ from run to run, so no other stage reads this table.
"""

import argparse
from pathlib import Path
from typing import Any

from fame import params
from fame.runtime import files
from fame.runtime.readable import count
from fame.runtime.stage import run

NONE = "no AutoGluon among the learners, so there is no leaderboard of its models"
COLUMNS = ("learner", "layer", "model", "validation_mae", "fit_seconds")


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("learners", "runs", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    names = list(params.load(kinds=False).learners)
    rows = collect(names, arguments.learners, arguments.runs)
    lines = [",".join(str(row[column]) for column in COLUMNS) for row in rows]
    files.write_text(arguments.output, "\n".join([",".join(COLUMNS), *lines]) + "\n")
    if rows:
        print(f"leaderboard: {count(len(rows), 'model')} in {arguments.output}")
    else:
        print(f"leaderboard: {NONE}")


def collect(names: list[str], learners: Path, runs: Path) -> list[dict[str, Any]]:
    """A row a model of each of these learners with a leaderboard, in their order."""
    rows = []
    for name in names:
        cost = runs / f"train@{name}.json"
        seconds = files.read_json(cost).get("fit_seconds", {}) if cost.exists() else {}
        for row in files.read_json(learners / f"{name}.json").get("leaderboard", []):
            rows.append(row | {"learner": name, "fit_seconds": seconds.get(row["model"], "")})
    return rows


if __name__ == "__main__":
    run(main)
