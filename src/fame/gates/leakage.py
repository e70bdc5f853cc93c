"""Posts, features, tables and learners' records -> gates; a leak stops the pipeline and is named.

Several gates run the features' code again: on posts whose labels, texts and users outside the
training posts are others, on posts without the later half, on shuffled labels; and blocks that read
labels on other labels outside the training posts, and of the same or a later time.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame import params
from fame.features import block_files
from fame.features.backbones.contract import Backbone
from fame.features.blocks import Block
from fame.features.encoders.contract import Encoder
from fame.features.encoding import encode
from fame.features.engine import embed
from fame.features.engine.block import publish
from fame.features.meta import Meta
from fame.gates import checks, label_checks
from fame.learners import table_files
from fame.learners.contract import FitTable, ScoreTable, Table
from fame.posts.contract import CHALLENGE, FIT, HOLDOUT, OWN_NUMBER_PREFIX
from fame.registry import BACKBONES, resolve
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.stage import count, run

Pair = tuple[FitTable, ScoreTable]
GROUPS = (*checks.POSTING_TIME_GROUPS, OWN_NUMBER_PREFIX)


def main() -> None:
    """Run every gate, write what they found, fail if it is a leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "descriptions", "features", "tables", "learners", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts = files.read_table(arguments.posts)
    descriptions = files.read_batches(arguments.descriptions)
    blocks = {
        name: block_files.read_block(arguments.features / name)
        for name in ("meta", *settings.backbones)
    }
    tables = {name: read_pair(arguments.tables / name) for name in settings.tables}
    records = {
        name: files.read_json(arguments.learners / f"{name}.json") for name in settings.learners
    }
    gates = run_gates(settings, posts, descriptions, blocks, tables, records)
    report = {name: gate.report() for name, gate in gates.items()}
    leaks = [f"{name}: {leak}" for name, gate in gates.items() for leak in gate.leaks]
    files.write_json(arguments.output, {"passed": not leaks, "gates": report})
    if leaks:
        raise InputError(f"leakage: {'; '.join(leaks)} (all gates: {arguments.output})")
    print(f"leakage: {count(len(gates), 'gate')} passed: {', '.join(gates)}")


def read_pair(folder: Path) -> Pair:
    """A learner's two tables."""
    fit = table_files.read_fit_table(folder / table_files.FIT_FOLDER)
    return fit, table_files.read_score_table(folder / table_files.SCORE_FOLDER)


def run_gates(
    settings: params.Params,
    posts: pa.Table,
    descriptions: pa.Table,
    blocks: dict[str, Block],
    tables: dict[str, Pair],
    records: dict[str, dict[str, Any]],
) -> dict[str, checks.Gate]:
    """Gate -> what it found, the quick ones first."""
    post_ids, split = arrays.to_strings(posts["post_id"]), arrays.to_strings(posts["split"])
    fold, label = posts["fold"].to_numpy(), arrays.to_numbers(posts["popularity"])
    labelled = dict(zip(post_ids[split != CHALLENGE], label[split != CHALLENGE], strict=True))
    chosen = choose_rows(split, settings.leakage)

    def encode_meta(table: pa.Table) -> Block:
        return encode(Meta(settings.meta, descriptions=descriptions), table)

    fitted = {name: block for name, block in blocks.items() if block.fitted_on is not None}
    gates = {
        "parts": checks.check_parts(
            post_ids, split, {name: (f.post_ids, s.post_ids) for name, (f, s) in tables.items()}
        ),
        "users": checks.check_users(
            arrays.to_strings(posts["user_id"]).tolist(), split, fold, settings.split
        ),
        "fitted_on": checks.check_fitted_on(
            post_ids, fold, {name: block.fitted_on for name, block in blocks.items()}, records
        ),
        "label_in_a_feature": checks.check_labels_in_columns(
            read_columns(tables, labelled, settings.leakage), settings.leakage.label_correlation
        ),
        "outside_the_training_posts": checks.check_unchanged(
            fitted, make_again(settings, change_outside(posts, split), encode_meta), split == FIT
        ),
        "posting_time": checks.check_posting_time(posts, encode_meta, GROUPS),
    }
    shuffled = shuffle(label, split, settings.leakage.seed)
    column = pa.array(shuffled, pa.float64(), from_pandas=True)
    made = make_again(settings, set_column(posts, "popularity", column), encode_meta)
    readers = find_label_readers(settings, blocks, made)
    label_changed = np.where(split == FIT, label, 20 - label)
    relabelled = pa.array(label_changed, pa.float64(), from_pandas=True)
    gates["labels_of_training_posts"] = label_checks.check_label_rows(
        posts, set_column(posts, "popularity", relabelled), readers, blocks
    )
    gates["labels_of_earlier_posts"] = label_checks.check_label_times(
        posts, readers, settings.leakage.seed
    )
    values = [
        arrays.read_rows(made.get(name, block).values, chosen) for name, block in blocks.items()
    ]
    gates["shuffled_labels"] = checks.check_shuffled(
        shuffled[chosen],
        np.hstack(values),
        fold[chosen],
        (split == HOLDOUT)[chosen],
        settings.leakage,
    )
    return gates


def choose_rows(split: np.ndarray, settings: params.LeakageParams) -> np.ndarray:
    """Positions of the labelled posts, or of ``probe_posts`` of them, ascending."""
    labelled = np.flatnonzero(np.isin(split, (FIT, HOLDOUT)))
    count = min(settings.probe_posts, len(labelled))
    draw = np.random.default_rng([settings.seed, 0])
    return np.sort(draw.choice(labelled, size=count, replace=False))


def read_columns(
    tables: dict[str, Pair], labelled: dict[str, float], settings: params.LeakageParams
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each column of the tables once: name, values and labels (n,) of labelled posts."""
    seen = set()
    for fit, score in tables.values():
        parts = [(table, find_labelled(table, labelled, settings)) for table in (fit, score)]
        values = np.concatenate([table.read(rows) for table, rows in parts])
        label = np.array([labelled[i] for table, rows in parts for i in table.post_ids[rows]])
        for place, column in enumerate(fit.columns):
            if column.name not in seen:
                seen.add(column.name)
                yield column.name, values[:, place].astype(np.float64), label


def find_labelled(
    table: Table, labelled: dict[str, float], settings: params.LeakageParams
) -> np.ndarray:
    """Positions of a table's labelled posts, ``probe_posts`` of them at most, ascending."""
    rows = np.flatnonzero([post_id in labelled for post_id in table.post_ids])
    draw = np.random.default_rng([settings.seed, 0])
    return np.sort(draw.choice(rows, size=min(settings.probe_posts, len(rows)), replace=False))


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


def make_again(
    settings: params.Params, posts: pa.Table, encode_meta: Callable[[pa.Table], Block]
) -> dict[str, Block]:
    """The blocks that see the posts' table, made from another one."""
    blocks = {"meta": encode_meta(posts)}
    for name, entry in settings.backbones.items():
        if entry.reads == "posts":
            kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{name}.kind")
            maker = kind(entry, settings.runtime)
            again = encode if isinstance(maker, Encoder) else extract
            blocks[name] = again(maker, posts)
    return blocks


def find_label_readers(
    settings: params.Params, stored: dict[str, Block], shuffled: dict[str, Block]
) -> dict[str, label_checks.Reader]:
    """The encoders' blocks that other labels change: block -> posts to the block.

    Args:
        stored: the blocks as they are.
        shuffled: those made from posts with shuffled labels.
    """
    readers: dict[str, label_checks.Reader] = {}
    for name, entry in settings.backbones.items():
        kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{name}.kind")
        if issubclass(kind, Encoder) and not np.array_equal(
            stored[name].values, shuffled[name].values, equal_nan=True
        ):
            readers[name] = partial(encode_anew, kind, entry, settings.runtime)
    return readers


def encode_anew(
    kind: type[Encoder],
    entry: params.BackboneParams,
    runtime: params.RuntimeParams,
    posts: pa.Table,
) -> Block:
    """The block of an encoder that is fitted on ``posts``."""
    return encode(kind(entry, runtime), posts)


def extract(backbone: Backbone, posts: pa.Table) -> Block:
    """A block made from nothing: what it embeds is kept nowhere."""
    table = posts.select(embed.INPUTS["posts"])
    with tempfile.TemporaryDirectory() as temporary:
        own = backbone.runtime.model_copy(update={"cache": temporary, "engine": "local"})
        with embed.open_cache(backbone, own) as cache:
            features = embed.embed(backbone, table, cache, own)
            block = publish(backbone, table, features, Path(temporary))
        return replace(block, values=np.array(block.values))


def shuffle(label: np.ndarray, split: np.ndarray, seed: int) -> np.ndarray:
    """Labels permuted within the training posts and within the holdout."""
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
