"""The plain way of the steps behind the features: everything as float32 in memory.

For the posts with a label only, though the project's stages take all posts.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import training

from fame import params
from fame.features import block_files
from fame.learners import table_files
from fame.posts.contract import CHALLENGE

BLOCKS = ("meta", "glove", "image_stats", "blip", "vilt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["trees", "lightgbm", "catboost"])
    step = parser.parse_args().step
    if step == "trees":
        print(assemble().shape)
        return
    folder = Path("data/tables/trees") / table_files.FIT_FOLDER
    table, values = table_files.read_fit_table(folder), np.load(folder / block_files.VALUES)
    train = {"lightgbm": training.train_lightgbm, "catboost": training.train_catboost}[step]
    train(params.load().learners[step], values, table)


def assemble() -> np.ndarray:
    """Blocks as frames, joined by post id, as one matrix."""
    posts = pd.read_parquet("data/interim/posts.parquet", columns=["post_id", "split"])
    labelled = np.flatnonzero(posts["split"] != CHALLENGE)
    frames = []
    for name in BLOCKS:
        folder = Path("data/features") / name
        post_ids = pd.read_parquet(folder / block_files.ROWS, columns=["post_id"])["post_id"]
        values = np.load(folder / block_files.VALUES, mmap_mode="r")[labelled]
        frames.append(pd.DataFrame(values, index=post_ids.iloc[labelled]).add_prefix(f"{name}."))
    return pd.concat(frames, axis=1).to_numpy(np.float32)


if __name__ == "__main__":
    main()
