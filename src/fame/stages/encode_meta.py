"""Posts -> the feature block of categories and numeric metadata."""

import argparse
from pathlib import Path

import numpy as np

from fame import params
from fame.common import io
from fame.core import meta
from fame.stages import run


def main() -> None:
    """Encode the groups that are on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=Path, required=True)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load().meta
    posts = io.read_table(arguments.posts)
    block = meta.encode(posts, io.read_batches(arguments.descriptions), settings)
    with io.replacing_folder(arguments.output) as folder:
        io.write_block(folder, block)
    groups = [name for name, on in settings if on]
    print(f"meta: {len(posts)} posts, {len(block.columns)} columns; groups on: {', '.join(groups)}")
    crawled = [column.name.startswith("profile_") for column in block.columns]
    if not np.isnan(block.values[:, crawled]).all():
        print("meta: the group profile holds totals that were crawled after the labels")


if __name__ == "__main__":
    run(main)
