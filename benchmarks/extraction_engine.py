"""The extraction engine by itself: memory, a second run, new posts, kills.

Every run is the stage in a process of its own, on generated posts (one title in four repeated, 5 to
10 words, 5 to 30 tags, one JPEG in two sizes a post with an image).

    python benchmarks/extraction_engine.py memory      # 500,000 posts' texts, 20,000 images
    python benchmarks/extraction_engine.py again       # 100,000 posts a second time
    python benchmarks/extraction_engine.py more        # 1 % of posts more
    python benchmarks/extraction_engine.py kills       # twenty kills -9 at random moments
    python benchmarks/extraction_engine.py plain       # MiniLM against batches padded to the full
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from ruamel.yaml import YAML

from fame import io
from fame.core.contracts import IMAGES, LOCATED, NO_IMAGE, TEXTS

ROOT = Path(__file__).parents[1]
MEMORY_ALLOWED_MB, SECONDS_AGAIN_ALLOWED, MORE_ALLOWED, PLAIN_ALLOWED = 3000, 2.0, 0.03, 3.0
KILLS = 20
WORDS = [f"{a}{b}" for a in "ba ce di fo gu la me ni po ru sa te".split() for b in "lan mer nos ti rak".split()]


def write_texts(folder: Path, posts: int, first: int = 0) -> None:
    """texts.parquet: post i's title and tags are always the same."""
    draw = np.random.default_rng(7)
    words = np.array(WORDS)
    titles, tags = [], []
    for i in range(first + posts):
        count, tag_count = draw.integers(5, 11), draw.integers(5, 31)
        picked = draw.integers(0, len(words), count + tag_count)
        title = " ".join(words[picked[:count]]) + f" {i}"
        titles.append(titles[draw.integers(0, i)] if i and draw.random() < 0.25 else title)
        tags.append(words[picked[count:]].tolist())
    ids = [str(i) for i in range(first + posts)]
    io.write_table(folder / "texts.parquet", pa.table([ids, titles, tags], schema=TEXTS))


def write_images(folder: Path, images: int, posts: int) -> None:
    """images.parquet and the files: 500x375 and 1024x768, each of its own content."""
    (folder / "images").mkdir(exist_ok=True)
    y, x = np.mgrid[0:768, 0:1024]
    rows = []
    for i in range(posts):
        if i >= images:
            rows.append((str(i), NO_IMAGE, None, None, None))
            continue
        wide = i % 2
        pixels = np.stack([x * (1 + i % 7), y + i, (x + y) * (i % 5)], -1).astype(np.uint8)
        image = Image.fromarray(pixels if wide else pixels[:375, :500])
        path = folder / "images" / f"{i}.jpg"
        image.save(path, quality=85, comment=str(i))
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        rows.append((str(i), LOCATED, "", str(path), digest))
    columns = [list(column) for column in zip(*rows, strict=True)]
    io.write_table(folder / "images.parquet", pa.table(columns, schema=IMAGES))


def start(folder: Path, backbone: str, reads: str, output: str, cache: str) -> subprocess.Popen:
    """The stage, in ``folder``."""
    yaml = YAML()
    content = yaml.load((ROOT / "params.yaml").read_text())
    content["runtime"]["cache"] = cache
    yaml.dump(content, folder / "params.yaml")
    command = [sys.executable, "-m", "fame.stages.extract", backbone]
    command += ["--input", f"{reads}.parquet", "--output", output, "--record", f"{output}.json"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
