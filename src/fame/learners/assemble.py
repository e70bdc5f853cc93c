"""Feature blocks -> a learner's tables: what a table does not name cannot reach its learner.

Two tables and a recipe: the training posts with their labels and folds, all other posts without,
and what was decided on the training posts (which columns there are), by which any other posts
become rows of the same table.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame import params
from fame.features import block_files
from fame.features.blocks import Block
from fame.learners import recipes, table_files
from fame.learners.recipes import Recipe
from fame.posts.contract import FIT
from fame.runtime import arrays, files
from fame.runtime.stage import count, run

# Blocks of their own: no numbers, but the words themselves, and where the images lie.
TEXTS, IMAGES = "texts", "images"


def main() -> None:
    """Join the blocks of one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    for name in ("posts", "images", "features", "fit", "score", "recipe"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.choose(params.load().tables, arguments.table, "tables")
    posts = files.read_table(arguments.posts)
    post_ids, split = arrays.to_strings(posts["post_id"]), arrays.to_strings(posts["split"])
    blocks = {
        name: block_files.read_block(arguments.features / name)
        for name in settings.blocks
        if name not in (TEXTS, IMAGES)
    }
    recipe = recipes.decide(blocks, post_ids[split == FIT], settings.dtype, settings.reduce)
    report_dropped(arguments.table, blocks, recipe)
    with files.replacing_folder(arguments.recipe) as folder:
        recipe.save(folder)
    for place, chosen, names in (
        (arguments.fit, split == FIT, ["post_id", "fold", "popularity"]),
        (arguments.score, split != FIT, ["post_id", "split"]),
    ):
        part = posts.filter(pa.array(chosen))
        with files.replacing_folder(place) as folder:
            chunks = recipe.join(blocks, post_ids[chosen])
            columns = list(recipe.columns)
            table_files.write_table(folder, part.select(names), columns, chunks, recipe.dtype)
            if TEXTS in settings.blocks:
                table_files.write_texts(folder, part)
            if IMAGES in settings.blocks:
                images = files.read_table(arguments.images).filter(pa.array(chosen))
                table_files.write_images(folder, images, part["post_id"])
    print(summarise(arguments.table, split, recipe, settings.blocks))


def report_dropped(table: str, blocks: dict[str, Block], recipe: Recipe) -> None:
    """A line for each block with columns that are empty in all training posts."""
    for name, block in blocks.items():
        dropped = len(block.columns) - recipe.count_used(name)
        if dropped:
            columns = count(len(block.columns), "column")
            which = (
                f"all {columns}" if dropped == len(block.columns) else f"{dropped} of the {columns}"
            )
            print(f"table {table}: without {which} of {name}, empty in all training posts")


def summarise(table: str, split: np.ndarray, recipe: Recipe, blocks: list[str]) -> str:
    """One line for a person."""
    beside = ", title and tags" if TEXTS in blocks else ""
    beside += ", images" if IMAGES in blocks else ""
    fit = int((split == FIT).sum())
    return (
        f"table {table}: {count(fit, 'training post')}, {count(len(split) - fit, 'other')}, "
        f"{count(len(recipe.columns), 'column')}{beside}, {recipe.dtype}"
    )


if __name__ == "__main__":
    run(main)
