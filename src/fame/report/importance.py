"""How much a learner makes of each feature block, on holdout posts.

SHAP values summed by block where the learner has them; else what its MAE loses when a block's rows
are exchanged between the posts.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from fame import params, registry
from fame.learners import table_files
from fame.learners.contract import Model, ScoreTable, Table
from fame.posts.contract import HOLDOUT
from fame.runtime import arrays, files
from fame.runtime.dvc_lock import check_locked
from fame.runtime.stage import run


def main() -> None:
    """Explain every learner."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "tables", "models", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts = files.read_table(arguments.posts, ["post_id", "popularity"])
    labels = dict(zip(posts["post_id"].to_pylist(), posts["popularity"].to_pylist(), strict=True))
    with files.replacing_folder(arguments.output) as folder:
        for name, chosen in settings.learners.items():
            kind = registry.resolve_learner(chosen.kind, "Model", f"learners.{name}.kind")
            model = kind(chosen, settings.runtime)
            if not model.explained:
                print(f"importance {name}: not measured, it predicts too slowly")
                record = {"learner": name, "method": "none", "posts": 0, "blocks": {}}
                files.write_json(folder / f"{name}.json", record)
                continue
            # Libraries trust their files: a tampered one could end the process, or worse.
            check_locked(arguments.models / name)
            model.load(arguments.models / name)
            table = table_files.read_score_table(
                arguments.tables / chosen.table / table_files.SCORE_FOLDER
            )
            own = choose_holdout(table, settings.report)
            label = np.array([labels[post_id] for post_id in own.post_ids])
            method, found = measure(model, own, label, settings.report)
            blocks = {block: round(value, 6) for block, value in found.items()}
            record = {"learner": name, "method": method, "posts": len(label), "blocks": blocks}
            files.write_json(folder / f"{name}.json", record)
            first = max(found, key=lambda block: found[block])
            print(f"importance {name}: {method} on {len(label)} posts, most: {first}")


def choose_holdout(table: ScoreTable, settings: params.ReportParams) -> Table:
    """The holdout posts, or ``importance_posts`` of them, in memory."""
    rows = np.flatnonzero(table.split == HOLDOUT)
    draw = np.random.default_rng([settings.seed, 0])
    count = min(settings.importance_posts, len(rows))
    rows = np.sort(draw.choice(rows, size=count, replace=False))
    values = arrays.read_rows(table.values, rows)
    return Table(post_ids=table.post_ids[rows], values=values, columns=table.columns)


def name_blocks(table: Table) -> dict[str, list[int]]:
    """Block -> positions of its columns; the totals crawled after the labels are their own."""
    blocks: dict[str, list[int]] = {}
    for place, column in enumerate(table.columns):
        block, name = column.name.split(".", 1)
        if block == "meta" and name.startswith("profile_"):
            block = "meta (profile)"
        blocks.setdefault(block, []).append(place)
    return blocks


def measure(
    model: Model, table: Table, label: np.ndarray, settings: params.ReportParams
) -> tuple[str, dict[str, float]]:
    """The method, and block -> importance in units of the label."""
    blocks, rows = name_blocks(table), len(table.post_ids)
    values = model.explain(table)
    if values is not None:
        return "shap", {
            name: float(np.abs(values[:, places].sum(axis=1)).mean())
            for name, places in blocks.items()
        }

    def find_mae(changed: Table) -> float:
        return float(np.abs(model.predict(changed) - label).mean())

    base, found = find_mae(table), {}
    for number, (name, places) in enumerate(blocks.items()):
        losses = []
        for repeat in range(settings.importance_repeats):
            exchanged = np.array(table.values)
            order = np.random.default_rng([settings.seed, number, repeat]).permutation(rows)
            exchanged[:, places] = exchanged[order][:, places]
            losses.append(find_mae(replace(table, values=exchanged)) - base)
        found[name] = float(np.mean(losses))
    return "permutation", found


if __name__ == "__main__":
    run(main)
