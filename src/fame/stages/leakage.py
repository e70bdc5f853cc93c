"""Posts, features, tables and learners' records -> gates; a leak stops the pipeline and is named.

Three gates run the features' code again: on posts whose labels, texts and users outside the fit
rows are others, on posts without the later half, and on shuffled labels.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame import params
from fame.common import io
from fame.common.contracts import FIT, HOLDOUT, OWN_NUMBER_PREFIX, Backbone, Block, Table
from fame.core import leakage, meta
from fame.errors import InputError
from fame.extraction import engine
from fame.extraction.block import publish
from fame.registry import BACKBONES, resolve
from fame.stages import run

GROUPS = (*leakage.POSTING_TIME_GROUPS, OWN_NUMBER_PREFIX)


def main() -> None:
    """Run every gate, write what they found, fail if it is a leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "descriptions", "features", "tables", "learners", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts, descriptions = io.read_table(arguments.posts), io.read_batches(arguments.descriptions)
    blocks = {
        name: io.read_block(arguments.features / name) for name in ("meta", *settings.backbones)
    }
    tables = {name: io.read_feature_table(arguments.tables / name) for name in settings.tables}
    records = {
        name: io.read_json(arguments.learners / f"{name}.json") for name in settings.learners
    }
    gates = run_gates(settings, posts, descriptions, blocks, tables, records)
    report = {name: gate.report() for name, gate in gates.items()}
    leaks = [f"{name}: {leak}" for name, gate in gates.items() for leak in gate.leaks]
    io.write_json(arguments.output, {"passed": not leaks, "gates": report})
    if leaks:
        raise InputError(f"leakage: {'; '.join(leaks)} (all gates: {arguments.output})")
    print(f"leakage: {len(gates)} gates passed: {', '.join(gates)}")


def run_gates(
    settings: params.Params,
    posts: pa.Table,
    descriptions: pa.Table,
    blocks: dict[str, Block],
    tables: dict[str, Table],
    records: dict[str, dict],
) -> dict[str, leakage.Gate]:
    """Gate -> what it found, the quick ones first."""
    post_ids, split = io.to_strings(posts["post_id"]), io.to_strings(posts["split"])
    fold, label = posts["fold"].to_numpy(), io.to_numbers(posts["popularity"])
    chosen = choose_rows(split, settings.leakage)

    def encode(table: pa.Table) -> Block:
        return meta.encode(table, descriptions, settings.meta)

    fitted = {name: block for name, block in blocks.items() if block.fitted_on is not None}
    columns = read_columns(tables, post_ids, chosen)
    parts = {name: (table.post_ids, table.split) for name, table in tables.items()}
    gates = {
        "parts": leakage.check_parts(post_ids, split, parts),
        "users": leakage.check_users(
            posts["user_id"].to_pylist(), split, fold, settings.split.protocol
        ),
        "fitted_on": leakage.check_fitted_on(
            post_ids, fold, {name: block.fitted_on for name, block in blocks.items()}, records
        ),
        "label_in_a_feature": leakage.check_labels_in_columns(
            label[chosen], columns, settings.leakage.label_correlation
        ),
        "outside_the_fit_rows": leakage.check_unchanged(
            fitted, make_again(settings, change_outside(posts, split), encode), split == FIT
        ),
        "posting_time": leakage.check_posting_time(posts, encode, GROUPS),
    }
    shuffled = shuffle(label, split, settings.leakage.seed)
    column = pa.array(shuffled, pa.float64(), from_pandas=True)
    made = encode(set_column(posts, "popularity", column))
    values = [made.values[chosen]]
    values += [io.read_rows(b.values, chosen) for name, b in blocks.items() if name != "meta"]
    gates["shuffled_labels"] = leakage.check_shuffled(
        shuffled[chosen], np.hstack(values), fold[chosen], (split == HOLDOUT)[chosen]
    )
    return gates


def choose_rows(split: np.ndarray, settings: params.LeakageParams) -> np.ndarray:
    """Positions of the labelled posts, or of ``probe_posts`` of them, ascending."""
    labelled = np.flatnonzero(np.isin(split, (FIT, HOLDOUT)))
    count = min(settings.probe_posts, len(labelled))
    draw = np.random.default_rng([settings.seed, 0])
    return np.sort(draw.choice(labelled, size=count, replace=False))


def read_columns(
    tables: dict[str, Table], post_ids: np.ndarray, chosen: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Each column of the tables once; the tables have the posts' order."""
    seen = set()
    for name, table in tables.items():
        if not np.array_equal(table.post_ids, post_ids):
            raise InputError(f"leakage: parts: the post ids of table {name} are not the posts'")
        values = io.read_rows(table.values, chosen)
        for place, column in enumerate(table.columns):
            if column.name not in seen:
                seen.add(column.name)
                yield column.name, values[:, place].astype(np.float64)


def change_outside(posts: pa.Table, split: np.ndarray) -> pa.Table:
    """Other labels, texts, categories and users in the holdout and challenge rows."""
    outside = split != FIT
    label = io.to_numbers(posts["popularity"])
    changed = {
        "popularity": pa.array(np.where(outside, 20 - label, label), pa.float64(), from_pandas=True)
    }
    for name in ("user_id", "title", "category", "subcategory", "concept"):
        values = [
            f"changed {row % 7}" if other else value
            for row, (value, other) in enumerate(zip(posts[name].to_pylist(), outside, strict=True))
        ]
        changed[name] = pa.array(values, pa.string())
    tags = [
        ["changed", "tags"] if other else value
        for value, other in zip(posts["tags"].to_pylist(), outside, strict=True)
    ]
    changed["tags"] = pa.array(tags, pa.list_(pa.string()))
    for name, column in changed.items():
        posts = set_column(posts, name, column)
    return posts


def make_again(settings: params.Params, posts: pa.Table, encode: object) -> dict[str, Block]:
    """The blocks that see the posts' table, made from another one."""
    blocks = {"meta": encode(posts)}
    for name, entry in settings.backbones.items():
        if entry.reads == "posts":
            kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{name}.kind")
            blocks[name] = extract(kind(entry, settings.runtime), posts, settings.runtime)
    return blocks


def extract(backbone: Backbone, posts: pa.Table, runtime: params.RuntimeParams) -> Block:
    """A block made from nothing: what it embeds is kept nowhere."""
    table = posts.select(engine.INPUTS["posts"])
    with tempfile.TemporaryDirectory() as temporary:
        own = runtime.model_copy(update={"cache": temporary, "engine": "local"})
        with engine.open_cache(backbone, own) as cache:
            features = engine.embed(backbone, table, cache, own)
            block = publish(backbone, table, features, Path(temporary))
        return replace(block, values=np.array(block.values))


def shuffle(label: np.ndarray, split: np.ndarray, seed: int) -> np.ndarray:
    """Labels permuted within the fit rows and within the holdout."""
    shuffled = label.copy()
    for number, part in enumerate((FIT, HOLDOUT), 1):
        rows = split == part
        shuffled[rows] = np.random.default_rng([seed, number]).permutation(label[rows])
    return shuffled


def set_column(posts: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The posts with another column in the place of one."""
    place = posts.column_names.index(name)
    return posts.set_column(place, posts.schema.field(name), column)


if __name__ == "__main__":
    run(main)
