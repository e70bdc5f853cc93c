"""Feature blocks -> a learner's table: what a table does not name cannot reach its learner."""

import argparse
from pathlib import Path

import numpy as np

from fame import params
from fame.features import block_files
from fame.learners import blocks, table_files
from fame.posts.contract import FIT
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.runtime.stage import run

# Blocks of their own: no numbers, but the words themselves, and where the images lie.
TEXTS, IMAGES = "texts", "images"


def main() -> None:
    """Join the blocks of one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    for name in ("posts", "images", "features", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.choose(params.load().tables, arguments.table, "tables")
    rows = files.read_table(arguments.posts, ["post_id", "split", "fold", "popularity"])
    post_ids = np.asarray(rows["post_id"].to_pylist(), dtype=object)
    fit = rows["split"].to_numpy() == FIT
    parts = []
    for name in settings.blocks:
        if name in (TEXTS, IMAGES):
            continue
        part = blocks.select(name, block_files.read_block(arguments.features / name), post_ids, fit)
        if part.dropped:
            print(f"table {arguments.table}: {part.dropped} columns of {name} have no value")
        parts.append(part)
    columns = [column for part in parts for column in part.columns]
    if not columns:
        raise InputError(
            f"params.yaml: tables.{arguments.table}.blocks: {', '.join(settings.blocks)} hold no "
            "value for any post to fit on; name a block that the data has input for"
        )
    with files.replacing_folder(arguments.output) as folder:
        shape = (len(post_ids), len(columns))
        table_files.write_feature_table(
            folder, rows, fit, columns, blocks.join(parts, settings.dtype), shape, settings.dtype
        )
        if TEXTS in settings.blocks:
            table_files.write_texts(
                folder, files.read_table(arguments.posts, ["post_id", "title", "tags"])
            )
        if IMAGES in settings.blocks:
            table_files.write_images(folder, files.read_table(arguments.images), rows["post_id"])
    beside = ", title and tags" if TEXTS in settings.blocks else ""
    beside += ", images" if IMAGES in settings.blocks else ""
    print(
        f"table {arguments.table}: {shape[0]} posts, {shape[1]} columns{beside}, {settings.dtype}"
    )


if __name__ == "__main__":
    run(main)
