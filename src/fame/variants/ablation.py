"""`make ablation`: the cells of the paper's Table 3, trained from params entries alone.

A cell is one more table and one more learner in a copy of the pipeline
(`fame.variants.workspace`): DVC trains those that are not trained yet.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from ruamel.yaml import YAML

from fame import params
from fame.fusion import data_record, scores
from fame.learners import table_files
from fame.posts.contract import HOLDOUT
from fame.report import kept
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.stage import run
from fame.variants import workspace

PROFILE = Path("profiles/ablation.yaml")
OUTPUT = Path("reports/ablation/cells.json")
BLOCKS = ["data", "split", "backbones", "meta", "tables", "learners"]
POSTS = Path("data/interim/posts.parquet")


class Ablation(params.Strict):
    """profiles/ablation.yaml."""

    stand_ins: dict[str, list[str]]
    tables: dict[params.Name, dict[str, list[str]]]
    learners: dict[params.Name, list[str]]


def load(path: Path = PROFILE) -> Ablation:
    """The entries of the ablation.

    Raises:
        InputError: names the key, what was found and what is allowed.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the tables and learners") from None
    return params.validate(Ablation, content, path.name)


def add_entries(content: dict[str, Any], ablation: Ablation) -> list[dict[str, Any]]:
    """Add tables and learners to the content of params.yaml; returns the cells.

    A cell whose blocks are those of the learner's own table is that learner: nothing is added.
    A learner that params.yaml does not have has no cells, nor has a row of which neither a backbone
    nor its stand-ins are there.

    Raises:
        InputError: an entry names a table that there is not, or no learner is left.
    """
    present = [learner for learner in ablation.learners if learner in content["learners"]]
    if not present:
        raise InputError(
            f"params.yaml: learners: none of {', '.join(ablation.learners)}, which {PROFILE} names"
        )
    cells = []
    for learner in present:
        own, rows = content["learners"][learner], ablation.learners[learner]
        for row in rows:
            table = params.choose(ablation.tables, row, "tables of profiles/ablation.yaml")
            blocks = find_blocks(table["blocks"], content["backbones"], ablation.stand_ins)
            if blocks is None:
                continue
            name = f"{learner}_on_{row}"
            if set(blocks) == set(content["tables"][own["table"]]["blocks"]):
                name = learner
            else:
                content["tables"][row] = {"blocks": blocks, "reduce": None, "dtype": "float32"}
                content["learners"][name] = own | {"table": row}
            cells.append({"row": row, "learner": learner, "entry": name, "blocks": blocks})
    return cells


def find_blocks(
    blocks: list[str], backbones: dict[str, Any], stand_ins: dict[str, list[str]]
) -> list[str] | None:
    """The blocks, with those that stand in for a backbone that is not there; None if they lack."""
    found = [
        own
        for block in blocks
        for own in ([block] if block in backbones else stand_ins.get(block, [block]))
    ]
    return found if backbones.keys() | {"meta"} >= set(found) else None


def say_what_is_left_out(ablation: Ablation, content: dict[str, Any]) -> None:
    """A line for the columns, and one for the rows, that Table 3 is without."""
    absent = [name for name in ablation.learners if name not in content["learners"]]
    if absent:
        print(f"ablation: params.yaml has no learner {', '.join(absent)}: without those columns")
    rows = [
        row
        for row, table in ablation.tables.items()
        if find_blocks(table["blocks"], content["backbones"], ablation.stand_ins) is None
    ]
    if rows:
        print(
            "ablation: params.yaml has neither the backbones nor the stand-ins of "
            f"{', '.join(rows)}: without those rows; a profile may add a backbone, as "
            "`make profile PROFILE=vilt` does"
        )


def score_cells(cells: list[dict[str, Any]], posts: pa.Table, folder: Path) -> dict[str, Any]:
    """SRC and MAE of each cell on the holdout, from the prediction files."""
    holdout = arrays.to_strings(posts["split"]) == HOLDOUT
    true = arrays.to_numbers(posts["popularity"])[holdout]
    simulated = not np.isnan(arrays.to_numbers(posts["simulated_truth"])[holdout]).any()
    scored = []
    for cell in cells:
        path = folder / "data/predictions" / f"{cell['entry']}.parquet"
        prediction = table_files.read_predictions(path, posts["post_id"])[holdout]
        scored.append(cell | scores.score(true, prediction))
    return {
        "simulated": simulated,
        "cells": scored,
    }


def main() -> None:
    """Train what is missing, score every cell, write."""
    content = workspace.read_params()
    ablation = load()
    say_what_is_left_out(ablation, content)
    cells = add_entries(content, ablation)
    folder = workspace.prepare("ablation", content, prefer_project=True)
    workspace.reproduce(folder, *(f"predict@{entry}" for entry in dict.fromkeys(_entries(cells))))
    # By it the report knows whether they are of its posts and parameters.
    posts = files.read_table(folder / POSTS)
    made_with = kept.describe(params.load(), BLOCKS, data_record.digest_posts(posts))
    files.write_json(OUTPUT, score_cells(cells, posts, folder) | {"made_with": made_with})
    print(f"ablation: {len(cells)} cells of Table 3 in {OUTPUT}")


def _entries(cells: list[dict[str, Any]]) -> list[str]:
    return [cell["entry"] for cell in cells]


if __name__ == "__main__":
    run(main)
