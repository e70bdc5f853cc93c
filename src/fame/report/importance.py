"""How much a learner makes of each feature block, on holdout posts.

SHAP values, or changes on the paths of trees, where the learner has them, summed by block, and of
each column; else what its MAE loses when the rows of a block, or of a column, are exchanged between
the posts.
"""

import argparse
from collections.abc import Iterable
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

DECIMALS = 6
COLUMNS = 30  # the most important ones, by name
COLUMN_POSTS = 100  # that columns are exchanged between, where a learner does not explain itself
COPIED_ROWS = 8192  # predicted in one call, all copies together


def main() -> None:
    """Explain every learner."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "tables", "models", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts = files.read_table(arguments.posts, ["post_id", "popularity"])
    labels = dict(zip(posts["post_id"].to_pylist(), posts["popularity"].to_pylist(), strict=True))
    firsts: dict[str, list[str]] = {}  # what is said -> of which learners
    with files.replacing_folder(arguments.output) as folder:
        for name, chosen in settings.learners.items():
            kind = registry.resolve_learner(chosen.kind, "Model", f"learners.{name}.kind")
            model = kind(chosen, settings.runtime)
            if not model.explained:
                record = {"learner": name, "method": "none", "posts": 0}
                record |= {"blocks": {}, "columns": {}}
                files.write_json(folder / f"{name}.json", record)
                firsts.setdefault("not measured, too slow:", []).append(name)
                continue
            # Libraries trust their files: a tampered one could end the process, or worse.
            check_locked(arguments.models / name)
            model.load(arguments.models / name)
            table = table_files.read_score_table(
                arguments.tables / chosen.table / table_files.SCORE_FOLDER
            )
            own = choose_holdout(table, settings.report)
            label = np.array([labels[post_id] for post_id in own.post_ids])
            method, found, columns = measure(model, own, label, settings.report)
            record = {"learner": name, "method": method, "posts": len(label)}
            record |= {"blocks": _shorten(found), "columns": _shorten(keep_first(columns))}
            files.write_json(folder / f"{name}.json", record)
            firsts.setdefault(describe_first(found), []).append(name)
    parts = [f"{what} {', '.join(names)}" for what, names in firsts.items()]
    print(f"importance: {'; '.join(parts)}")


def describe_first(found: dict[str, float]) -> str:
    """Which block counts most, of block -> importance; none where nothing tells posts apart."""
    first = max(found, key=lambda block: found[block])
    return (
        f"{first} counts most for" if round(found[first], DECIMALS) > 0 else "no block counts for"
    )


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
) -> tuple[str, dict[str, float], dict[str, float]]:
    """The method, and block -> and column -> importance in units of the label."""
    blocks = name_blocks(table)
    values = model.explain(table)
    if values is not None:
        found = {name: _size(values[:, places].sum(axis=1)) for name, places in blocks.items()}
        return (
            model.explanation,
            found,
            {column.name: _size(values[:, place]) for place, column in enumerate(table.columns)},
        )
    values = np.array(table.values)
    changed = replace(table, values=values)
    base = _find_mae(model, table, label)
    found = {}
    for number, (name, places) in enumerate(blocks.items()):
        losses = [
            _exchange(model, changed, label, places, [settings.seed, number, repeat]) - base
            for repeat in range(settings.importance_repeats)
        ]
        found[name] = float(np.mean(losses))
    return "permutation", found, _exchange_columns(model, table, label, settings.seed)


def keep_first(columns: dict[str, float]) -> dict[str, float]:
    """The COLUMNS most important columns."""
    order = sorted(columns.items(), key=lambda item: (-item[1], item[0]))
    return dict(order[:COLUMNS])


def _exchange(
    model: Model, table: Table, label: np.ndarray, places: list[int], seed: Iterable[int]
) -> float:
    """MAE where rows have the values of others in these columns; ``table`` is as before after."""
    kept = table.values[:, places].copy()
    order = np.random.default_rng(list(seed)).permutation(len(label))
    table.values[:, places] = kept[order]
    mae = _find_mae(model, table, label)
    table.values[:, places] = kept
    return mae


def _exchange_columns(model: Model, table: Table, label: np.ndarray, seed: int) -> dict[str, float]:
    """Column -> MAE lost when its rows are exchanged: once each, for there are thousands of them.

    Many exchanged copies of the first COLUMN_POSTS posts are predicted in one call.
    """
    posts = min(COLUMN_POSTS, len(label))
    values, label = np.array(table.values[:posts]), label[:posts]
    copies = max(1, COPIED_ROWS // posts)
    base = _find_mae(model, replace(table, post_ids=table.post_ids[:posts], values=values), label)
    found = {}
    for start in range(0, values.shape[1], copies):
        places = range(start, min(start + copies, values.shape[1]))
        stacked = np.tile(values, (len(places), 1, 1))
        for copy, place in zip(stacked, places, strict=True):
            order = np.random.default_rng([seed, COLUMNS, place]).permutation(posts)
            copy[:, place] = values[order, place]
        many = replace(
            table,
            post_ids=np.tile(table.post_ids[:posts], len(places)),
            values=stacked.reshape(-1, values.shape[1]),
        )
        errors = np.abs(model.predict(many).reshape(len(places), posts) - label).mean(axis=1)
        for place, error in zip(places, errors, strict=True):
            found[table.columns[place].name] = float(error) - base
    return found


def _find_mae(model: Model, table: Table, label: np.ndarray) -> float:
    return float(np.abs(model.predict(table) - label).mean())


def _size(values: np.ndarray) -> float:
    return float(np.abs(values).mean())


def _shorten(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DECIMALS) for name, value in values.items()}


if __name__ == "__main__":
    run(main)
