"""Posts -> the feature block of categories and numeric metadata."""

import argparse
from pathlib import Path

import numpy as np

from fame import params
from fame.features import block_files
from fame.features.encoding import encode
from fame.features.meta import Meta
from fame.runtime import files
from fame.runtime.stage import count, run


def main() -> None:
    """Encode the groups that are on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=Path, required=True)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load().meta
    posts = files.read_table(arguments.posts)
    encoder = Meta(settings, descriptions=files.read_batches(arguments.descriptions))
    block = encode(encoder, posts)
    with files.replacing_folder(arguments.output) as folder:
        block_files.write_block(folder, block)
    with files.replacing_folder(arguments.encoder) as folder:
        encoder.save(folder)
    groups = [name for name, on in settings if on is True]
    crawled = [column.name.startswith("profile_") for column in block.columns]
    late = (
        "" if np.isnan(block.values[:, crawled]).all() else " (crawled after the labels: profile)"
    )
    print(
        f"meta: {count(len(posts), 'post')}, {count(len(block.columns), 'column')}; groups on: "
        f"{', '.join(groups)}{late}"
    )


if __name__ == "__main__":
    run(main)
