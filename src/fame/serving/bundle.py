"""The stage `bundle`: what scoring needs beside the models, and the manifest of all of it."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fame import params
from fame.features import block_files
from fame.posts.contract import FIT
from fame.runtime import arrays, files
from fame.runtime.readable import count
from fame.runtime.stage import run
from fame.serving import similar
from fame.serving.manifest import (
    BLOCKS,
    ENCODERS,
    FORMAT,
    LEARNERS,
    TABLES,
    describe_versions,
)

META = "meta"
FOLDERS = (ENCODERS, TABLES, LEARNERS)
QUANTILES = 101  # of the labels: where a prediction lies among them


def main() -> None:
    """Write the index of the training posts and the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    inputs = ("posts", "features", *FOLDERS)
    for name in (*inputs, "index", "manifest"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load(kinds=False)
    posts = files.read_table(arguments.posts)
    training = posts.filter(pc.equal(posts["split"], FIT))
    blocks = {
        name: block_files.read_block(arguments.features / name) for name in settings.backbones
    }
    with files.replacing_folder(arguments.index) as folder:
        similar.write_index(folder, training, blocks)
    digests = digest_files(arguments.manifest.parent, list_places(arguments, settings))
    manifest = {
        "format": FORMAT,
        "files": digests,
        "versions": describe_versions(),
        "params": describe_params(settings),
        "columns": [[name, str(kind)] for name, kind in zip(*_describe_schema(posts), strict=True)],
        "training": describe_training(training, settings),
        "learners": list(settings.learners),  # in order, which JSON does not keep
        "left_out": {},
    }
    files.write_json(arguments.manifest, manifest)
    print(
        f"bundle: {count(len(digests), 'file')}, {count(len(settings.learners), 'learner')}, "
        f"{count(len(training), 'training post')} known"
    )


def list_places(paths: argparse.Namespace, settings: params.Params) -> list[Path]:
    """Folders and files of the bundle, by the names in params.yaml: never what else lies there."""
    return [
        *(paths.encoders / name for name in (META, *settings.backbones)),
        *(paths.tables / name for name in settings.tables),
        *(paths.learners / name for name in settings.learners),
        paths.index,
    ]


def digest_files(root: Path, places: list[Path]) -> dict[str, str]:
    """Path below ``root`` -> digest, of all files of the places."""
    found = {}
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if not path.is_dir():
                found[path.relative_to(root).as_posix()] = files.digest_file(path)
    return found


def describe_params(settings: params.Params) -> dict[str, Any]:
    """The blocks that scoring needs, JSON-able."""
    content = settings.model_dump(mode="json")
    for block in ("backbones", "learners"):
        entries = getattr(settings, block).items()
        content[block] = {name: entry.model_dump(mode="json") for name, entry in entries}
    return {name: content[name] for name in BLOCKS}


def describe_training(training: pa.Table, settings: params.Params) -> dict[str, Any]:
    """What a user of the bundle should know of the training posts."""
    labels = arrays.to_numbers(training["popularity"])
    seconds = pc.min_max(training["posted_at"].cast(pa.timestamp("s")).cast(pa.int64())).as_py()
    return {
        "posts": len(training),
        "authors": len(pc.unique(training["user_id"].drop_null())),
        "label_quantiles": np.quantile(labels, np.linspace(0, 1, QUANTILES)).round(6).tolist(),
        "target_transform": settings.data.target_transform,
        "first_post": seconds["min"],
        "last_post": seconds["max"],
    }


def _describe_schema(posts: pa.Table) -> tuple[list[str], list[pa.DataType]]:
    return posts.column_names, posts.schema.types


if __name__ == "__main__":
    run(main)
