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
from fame.learners.contract import Learner, Table
from fame.posts.contract import HOLDOUT
from fame.runtime import arrays, files
from fame.runtime.dvc_lock import check_locked
from fame.runtime.stage import run

REPEATS = 5  # exchanges of a block's rows


def main() -> None:
    """Explain every learner."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "tables", "models", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    label = arrays.to_numbers(files.read_table(arguments.posts, ["popularity"])["popularity"])
    with files.replacing_folder(arguments.output) as folder:
        for name, chosen in settings.learners.items():
            kind = registry.resolve(registry.LEARNERS, chosen.kind, f"learners.{name}.kind")
            learner = kind(chosen, settings.runtime)
            if not learner.explained:
                print(f"importance {name}: not measured, it predicts too slowly")
                continue
            # Libraries trust their files: a tampered one could end the process, or worse.
            check_locked(arguments.models / name)
            learner.load(arguments.models / name)
            table = table_files.read_feature_table(arguments.tables / chosen.table)
            rows = choose_rows(table, settings.report.importance_posts, settings.report.seed)
            own = take(table, rows)
            method, found = measure(learner, own, label[rows], settings.report.seed)
            blocks = {block: round(value, 6) for block, value in found.items()}
            record = {"learner": name, "method": method, "posts": len(rows), "blocks": blocks}
            files.write_json(folder / f"{name}.json", record)
            first = max(found, key=found.get)
            print(f"importance {name}: {method} on {len(rows)} posts, most: {first}")


def choose_rows(table: Table, count: int, seed: int) -> np.ndarray:
    """Positions of the holdout posts, or of ``count`` of them, ascending."""
    rows = np.flatnonzero(table.split == HOLDOUT)
    draw = np.random.default_rng([seed, 0])
    return np.sort(draw.choice(rows, size=min(count, len(rows)), replace=False))


def take(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table, in memory."""
    fields = ("post_ids", "split", "fold", "popularity")
    taken = {name: getattr(table, name)[rows] for name in fields}
    return replace(table, **taken, values=arrays.read_rows(table.values, rows))


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
    learner: Learner, table: Table, label: np.ndarray, seed: int
) -> tuple[str, dict[str, float]]:
    """The method, and block -> importance in units of the label."""
    blocks, rows = name_blocks(table), np.arange(len(table.post_ids))
    values = learner.explain(table, rows)
    if values is not None:
        return "shap", {
            name: float(np.abs(values[:, places].sum(axis=1)).mean())
            for name, places in blocks.items()
        }

    def find_mae(changed: Table) -> float:
        return float(np.abs(learner.predict(changed) - label).mean())

    base, found = find_mae(table), {}
    for number, (name, places) in enumerate(blocks.items()):
        losses = []
        for repeat in range(REPEATS):
            exchanged = np.array(table.values)
            order = np.random.default_rng([seed, number, repeat]).permutation(len(rows))
            exchanged[:, places] = exchanged[order][:, places]
            losses.append(find_mae(replace(table, values=exchanged)) - base)
        found[name] = float(np.mean(losses))
    return "permutation", found


if __name__ == "__main__":
    run(main)
