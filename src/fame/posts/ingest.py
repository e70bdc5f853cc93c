"""Raw data -> posts with split and fold, their texts, images and descriptions."""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame import params
from fame.posts import authors, schema, splits
from fame.posts.contract import (
    CHALLENGE,
    CONTENTS,
    DESCRIPTIONS,
    FIT,
    HOLDOUT,
    IMAGES,
    POSTS,
    SPLITS,
    TEXTS,
)
from fame.registry import SOURCES, resolve
from fame.runtime import arrays, files, ids
from fame.runtime.errors import InputError
from fame.runtime.stage import run

NO_FOLD = -1  # of a post that is not a training post


def main() -> None:
    """Load, validate, sort by post id, split, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    for name in ("posts", "texts", "images", "contents", "descriptions"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    source = resolve(SOURCES, settings.data.source, "params.yaml: data.source")(settings.data)
    loaded = source.load(arguments.root)
    schema.validate(loaded.table)
    posts = split_posts(loaded.table, settings.split)
    images = order_images(loaded.images, posts["post_id"])
    files.write_batches(arguments.descriptions, DESCRIPTIONS, loaded.descriptions)
    files.write_table(arguments.images, images)
    texts = posts.select(TEXTS.names)
    files.write_table(arguments.contents, join_contents(texts, images))
    files.write_table(arguments.texts, texts)
    files.write_table(arguments.posts, posts)
    print(_summarise(posts, images, settings.data.source))


def split_posts(table: pa.Table, settings: params.SplitParams) -> pa.Table:
    """The posts sorted by id, with the columns of POSTS: a split of their own is kept.

    Holdout and folds are drawn from the labelled posts alone.
    """
    table = table.take(ids.order(table["post_id"].to_pylist()))
    users = table["user_id"].to_pylist()
    if "split" in table.column_names:
        split = np.asarray(table["split"].to_pylist(), dtype=object)
        table = table.drop_columns(["split"])
        for part in (FIT, HOLDOUT):
            if part not in split:
                raise InputError(f"posts: the split column names no {part} post, expected some")
    else:
        split = np.full(len(table), CHALLENGE, dtype=object)
        labelled = np.flatnonzero(pc.is_valid(table["popularity"]).to_numpy())
        posted_at = pc.cast(pc.cast(table["posted_at"], pa.int64()), pa.float64()).to_numpy()
        own = splits.number_users([users[row] for row in labelled])
        split[labelled] = splits.assign_split(posted_at[labelled], own, settings)
    fit = np.flatnonzero(split == FIT)
    fold = np.full(len(table), NO_FOLD, dtype=np.int8)
    fold[fit] = splits.assign_folds(splits.number_users([users[row] for row in fit]), settings)
    table = table.append_column(POSTS.field("split"), pa.array(split, pa.string()))
    table = table.append_column(POSTS.field("fold"), pa.array(fold, pa.int8()))
    drawn = authors.hide(table["post_id"].to_pylist(), settings.hidden_share)
    hidden = pa.array(drawn & (split == FIT))
    table = table.append_column(POSTS.field("author_hidden"), hidden)
    own_numbers = [name for name in table.column_names if name not in POSTS.names]
    return table.select([*POSTS.names, *own_numbers])


def order_images(images: pa.Table, post_ids: pa.ChunkedArray) -> pa.Table:
    """One row a post, in the order of ``post_ids``."""
    rows = pc.index_in(post_ids, value_set=images["post_id"])
    if len(images) != len(post_ids) or rows.null_count:
        raise InputError("images: expected one row for each post id")
    return images.take(rows).cast(IMAGES)


def join_contents(texts: pa.Table, images: pa.Table) -> pa.Table:
    """Texts and images of the same posts side by side."""
    return pa.table([*texts.columns, *images.drop_columns("post_id").columns], schema=CONTENTS)


def _summarise(posts: pa.Table, images: pa.Table, source: str) -> str:
    parts = Counter(arrays.to_strings(posts["split"]))
    kinds = Counter(arrays.to_strings(images["status"]))
    label = "simulated sample" if source == "sample" else source
    return (
        f"ingest ({label}): {len(posts)} posts, "
        + ", ".join(f"{parts[part]} {part}" for part in SPLITS)
        + "; images: "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    )


if __name__ == "__main__":
    run(main)
