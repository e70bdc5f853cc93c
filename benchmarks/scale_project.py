"""A project folder of SMPD's size: generated posts without images, random features, paper's widths.

The challenge's folder is `ingest.write_folder`'s; the blocks of the backbones that would take days
here (blip, vilt), or images (image_stats), are RANDOM numbers in the layout that `extract` writes.
Everything else is made by the project's own stages, with parameters like the paper's profile.
"""

import shutil
import subprocess
from pathlib import Path

import ingest
import numpy as np
import pyarrow as pa
import wide_params

from fame import params
from fame.features import block_files
from fame.features.blocks import Block, Column
from fame.features.extract import make_record
from fame.learners import table_files
from fame.learners.train import write_curves
from fame.posts.contract import OK
from fame.runtime import arrays, files, ids

ROOT = Path(__file__).parents[1]
# Block -> modality -> width. Their models' columns have such names.
RANDOM_BLOCKS = {
    "image_stats": {"image": 4},
    "vilt": {"title": 768, "tags": 768, "image": 768},
    "blip": {"title": 768, "tags": 768, "image": 768},
}
ROWS_AT_ONCE = 16_384
CONFIG = """[core]
    analytics = false
    check_update = false
    autostage = false
[cache]
    # Not twice on the disk: the outputs are tens of gigabytes.
    type = "hardlink,copy"
"""


def make_project(folder: Path, posts: int) -> None:
    """The files of this project, its parameters, and the challenge's folder (form A)."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    kept = [name for name in listed if name and not name.startswith(("metrics/", "tests/"))]
    for name in kept:
        if name not in ("dvc.lock", "reports/dvc.lock") and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / ".dvc/config").write_text(CONFIG)
    write_params(folder, iterations=1)
    ingest.write_folder(folder / "data/raw/smpd", posts, users=38_000, form="A")


def write_params(folder: Path, iterations: int) -> None:
    """The paper's profile but for AutoGluon (ELECTRA is not here), on two threads.

    ``iterations`` are trees of CatBoost and LightGBM, and epochs of each of the DAE's phases.
    """
    content = wide_params.read_paper()
    content["meta"]["description"] = False  # about 4,680 columns
    del content["learners"]["autogluon"]
    # One table, all columns, for the DAE too: a second one would be nine gigabytes more.
    wide_params.write(folder, content, "trees", iterations, threads=2)


def write_untrained(folder: Path) -> None:
    """What training leaves, without training: RANDOM predictions in real records, no models.

    The shares of the blocks in `reports/importance` are made up too: there is no model to ask.
    """
    posts = files.read_table(folder / "data/interim/posts.parquet")
    post_ids, fold = arrays.to_strings(posts["post_id"]), posts["fold"].to_numpy()
    label = np.nan_to_num(arrays.to_numbers(posts["popularity"]), nan=6.4)
    settings = params.load(folder / "params.yaml", kinds=False)
    for seed, (name, entry) in enumerate(settings.learners.items()):
        noise = np.random.default_rng(seed).normal(0, 2, len(label))
        predictions = folder / f"data/predictions/{name}.parquet"
        table_files.write_predictions(predictions, posts, 6.4 + 0.5 * (label - 6.4 + noise))
        own = files.read_table(predictions).filter(pa.array(fold >= 0)).drop_columns("split")
        files.write_table(folder / f"data/out_of_fold/{name}.parquet", own)
        folds = [
            {
                "fold": number,
                "rows_trained": int(((fold >= 0) & (fold != number)).sum()),
                "rows_validated": int((fold == number).sum()),
                "fitted_on": ids.digest(post_ids[(fold >= 0) & (fold != number)]),
                "best_iteration": 1,
                "validation_mae": 2.0,
            }
            for number in sorted(set(fold[fold >= 0].tolist()))
        ]
        record = {
            "learner": name,
            "kind": entry.kind,
            "seed": entry.seed,
            "rows": len(own),
            "columns": 0,
            "categorical": [],
            "folds": folds,
            "fitted_on": ids.digest(post_ids[fold >= 0]),
        }
        files.write_json(folder / f"metrics/learners/{name}.json", record)
        model = folder / f"models/learners/{name}/learner.json"
        files.write_json(model, {"untrained": True})
        told = {"learner": name, "posts": len(label), "model_digest": files.digest_file(model)}
        told["predictions_digest"] = files.digest_file(predictions)
        files.write_json(folder / f"metrics/predictions/{name}.json", told)
        write_curves(folder / f"metrics/learning_curves/{name}.csv", [])
        shares = {"learner": name, "method": "made up", "posts": 0, "blocks": {"meta": 1.0}}
        files.write_json(folder / f"reports/importance/{name}.json", shares)


def write_random_blocks(folder: Path) -> None:
    """Feature blocks and their records as `extract` writes them; the numbers are RANDOM."""
    posts = files.read_table(folder / "data/interim/posts.parquet", ["post_id"])
    post_ids = arrays.to_strings(posts["post_id"])
    for seed, (name, widths) in enumerate(RANDOM_BLOCKS.items()):
        with files.replacing_folder(folder / "data/features" / name) as block_folder:
            block = write_random_block(block_folder, post_ids, widths, seed)
        files.write_json(folder / f"metrics/features/{name}.json", make_record(block))


def write_random_block(
    folder: Path, post_ids: np.ndarray, widths: dict[str, int], seed: int
) -> Block:
    """One of them, from front to back; its values are memory-mapped."""
    columns = tuple(
        Column(f"{modality}_{i:04d}") for modality, width in widths.items() for i in range(width)
    )
    draw = np.random.default_rng(seed)
    shape = (len(post_ids), len(columns))
    chunks = (
        draw.standard_normal((min(ROWS_AT_ONCE, shape[0] - start), shape[1]), dtype=np.float32)
        for start in range(0, shape[0], ROWS_AT_ONCE)
    )
    arrays.write_values(folder / block_files.VALUES, chunks, shape, "float32")
    block = Block(
        post_ids=post_ids,
        values=np.load(folder / block_files.VALUES, mmap_mode="r"),
        columns=columns,
        status={modality: np.full(len(post_ids), OK, dtype=object) for modality in widths},
        notes={"values": "RANDOM, for a benchmark"},
    )
    block_files.describe_block(folder, block)
    return block
