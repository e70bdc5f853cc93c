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
import pyarrow.compute as pc

from fame import params
from fame.features import block_files, meta
from fame.features.contract import Backbone, Block
from fame.features.engine import embed
from fame.features.engine.block import publish
from fame.gates import checks
from fame.learners import table_files
from fame.learners.contract import Table
from fame.posts.contract import FIT, HOLDOUT, OWN_NUMBER_PREFIX
from fame.registry import BACKBONES, resolve
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.stage import run

GROUPS = (*checks.POSTING_TIME_GROUPS, OWN_NUMBER_PREFIX)


def main() -> None:
    """Run every gate, write what they found, fail if it is a leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "descriptions", "features", "tables", "learners", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts, descriptions = (
        files.read_table(arguments.posts),
        files.read_batches(arguments.descriptions),
    )
    blocks = {
        name: block_files.read_block(arguments.features / name)
        for name in ("meta", *settings.backbones)
    }
    tables = {
        name: table_files.read_feature_table(arguments.tables / name) for name in settings.tables
    }
    records = {
        name: files.read_json(arguments.learners / f"{name}.json") for name in settings.learners
    }
    gates = run_gates(settings, posts, descriptions, blocks, tables, records)
    report = {name: gate.report() for name, gate in gates.items()}
    leaks = [f"{name}: {leak}" for name, gate in gates.items() for leak in gate.leaks]
    files.write_json(arguments.output, {"passed": not leaks, "gates": report})
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
) -> dict[str, checks.Gate]:
    """Gate -> what it found, the quick ones first."""
    post_ids, split = arrays.to_strings(posts["post_id"]), arrays.to_strings(posts["split"])
    fold, label = posts["fold"].to_numpy(), arrays.to_numbers(posts["popularity"])
    chosen = choose_rows(split, settings.leakage)

    def encode(table: pa.Table) -> Block:
        return meta.encode(table, descriptions, settings.meta)

    fitted = {name: block for name, block in blocks.items() if block.fitted_on is not None}
    columns = read_columns(tables, post_ids, chosen)
    parts = {name: (table.post_ids, table.split) for name, table in tables.items()}
    gates = {
        "parts": checks.check_parts(post_ids, split, parts),
        "users": checks.check_users(
            arrays.to_strings(posts["user_id"]).tolist(), split, fold, settings.split.protocol
        ),
        "fitted_on": checks.check_fitted_on(
            post_ids, fold, {name: block.fitted_on for name, block in blocks.items()}, records
        ),
        "label_in_a_feature": checks.check_labels_in_columns(
            label[chosen], columns, settings.leakage.label_correlation
        ),
        "outside_the_fit_rows": checks.check_unchanged(
            fitted, make_again(settings, change_outside(posts, split), encode), split == FIT
        ),
        "posting_time": checks.check_posting_time(posts, encode, GROUPS),
    }
    shuffled = shuffle(label, split, settings.leakage.seed)
    column = pa.array(shuffled, pa.float64(), from_pandas=True)
    made = encode(set_column(posts, "popularity", column))
    values = [made.values[chosen]]
    values += [arrays.read_rows(b.values, chosen) for name, b in blocks.items() if name != "meta"]
    gates["shuffled_labels"] = checks.check_shuffled(
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
        values = arrays.read_rows(table.values, chosen)
        for place, column in enumerate(table.columns):
            if column.name not in seen:
                seen.add(column.name)
                yield column.name, values[:, place].astype(np.float64)


def change_outside(posts: pa.Table, split: np.ndarray) -> pa.Table:
    """Other labels, texts, categories and users in the holdout and challenge rows."""
    label, outside = arrays.to_numbers(posts["popularity"]), split != FIT
    other = pa.array(outside)
    changed = {
        "popularity": pa.array(np.where(outside, 20 - label, label), pa.float64(), from_pandas=True)
    }
    words = pa.array([f"changed {row % 7}" for row in range(len(posts))])
    for name in ("user_id", "title", "category", "subcategory", "concept"):
        changed[name] = pc.if_else(other, words, posts[name])
    tags = pa.scalar(["changed", "tags"], posts["tags"].type)
    changed["tags"] = pc.if_else(other, tags, posts["tags"])
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
    table = posts.select(embed.INPUTS["posts"])
    with tempfile.TemporaryDirectory() as temporary:
        own = runtime.model_copy(update={"cache": temporary, "engine": "local"})
        with embed.open_cache(backbone, own) as cache:
            features = embed.embed(backbone, table, cache, own)
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
