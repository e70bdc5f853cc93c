"""The extraction engine by itself: memory, a second run, more posts, kills; MiniLM's speed.

Every run is the stage in a process of its own, on generated posts: titles of 5 to 10 words, one in
four repeated, 5 to 30 tags, JPEGs of 500x375 and 1024x768. For memory, a second run and more posts
the models' forward is a stand-in (its vectors are of no use, and its time is none), so that what is
measured is the engine; reading, tokenising, decoding, cache and block are the real ones.

    python benchmarks/extraction_engine.py memory   # 500,000 posts' texts, then 20,000 images
    python benchmarks/extraction_engine.py again    # 100,000 posts a second time, then 1 % more
    python benchmarks/extraction_engine.py more     # 1 % more after 50,000 posts, by MiniLM
    python benchmarks/extraction_engine.py kills    # twenty kills -9 all over an extraction
    python benchmarks/extraction_engine.py plain    # MiniLM against batches of 16, padded in full
"""

import argparse
import hashlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from ruamel.yaml import YAML

from fame.features.engine.embed import IMAGES_AT_ONCE
from fame.posts.contract import IMAGES, LOCATED, TEXTS
from fame.runtime import files

ROOT = Path(__file__).parents[1]
MEMORY_ALLOWED_MB, SECONDS_ALLOWED, MORE_ALLOWED, PLAIN_ALLOWED = 3000, 2.0, 0.03, 3.0
KILLS = 20
SYLLABLES = (("ba", "ce", "di", "fo", "gu", "la", "me", "ni"), ("lan", "mer", "nos", "ti", "rak"))
WORDS = [first + last for first in SYLLABLES[0] for last in SYLLABLES[1]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("measure", choices=["memory", "again", "more", "kills", "plain", "stage"])
    parser.add_argument("--posts", type=int, help="instead of the number above")
    arguments, rest = parser.parse_known_args()
    if arguments.measure == "stage":
        run_stage(rest)
        return
    measures = {"memory": memory, "again": again, "more": more, "kills": kills, "plain": plain}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(ROOT / "params.yaml", "params.yaml")
        if not measures[arguments.measure](arguments.posts):
            sys.exit("more than allowed")


def memory(posts: int | None) -> bool:
    """Peak resident memory of the stage and of all its workers, where each is at its peak."""
    write_texts(posts or 500_000)
    write_images(20_000)
    peaks = [
        run("minilm", "texts", stand_in=True)[1],
        run("efficientnet", "images", stand_in=True)[1],
    ]
    print(f"peak memory {max(peaks):,.0f} MB (allowed {MEMORY_ALLOWED_MB:,})")
    return max(peaks) < MEMORY_ALLOWED_MB


def again(posts: int | None) -> bool:
    """Seconds of a run with nothing new, and of one with 1 % more posts."""
    posts = posts or 100_000
    write_texts(posts)
    first = run("minilm", "texts", stand_in=True)[0]
    second = min(run("minilm", "texts", stand_in=True)[0] for _ in range(3))
    write_texts(posts + posts // 100)
    added = run("minilm", "texts", stand_in=True)[0]
    print(f"nothing new: {second:.2f} s (allowed {SECONDS_ALLOWED})")
    print(f"1 % more: {added:.2f} s, {added - second:.2f} s of them for what is new")
    print(f"without the model's own time; the first run took {first:.1f} s")
    return second < SECONDS_ALLOWED


def more(posts: int | None) -> bool:
    """Share of an extraction's time that 1 % more posts cost, libraries and weights included."""
    posts = posts or 50_000
    write_texts(posts)
    first = run("minilm", "texts")[0]
    write_texts(posts + posts // 100)
    share = run("minilm", "texts")[0] / first
    print(f"1 % more posts: {share:.1%} of the first run's time (allowed {MORE_ALLOWED:.0%})")
    return share < MORE_ALLOWED


def kills(posts: int | None) -> bool:
    """Kill an extraction at moments all over it; its bytes against those of one that was not."""
    posts = posts or 4000
    write_images(posts)
    seconds = run("efficientnet", "images", output="whole", cache="whole_cache")[0]
    draw = random.Random(1)
    killed_at = []  # shards that were there
    for number in range(KILLS):
        # At the start of the model, or a shard further: else none would ever be finished.
        wanted = count_shards() + draw.randint(0, 1)
        process = start("efficientnet", "images")
        while count_shards() < wanted and process.poll() is None:
            time.sleep(0.05)
        time.sleep(draw.uniform(0, seconds * IMAGES_AT_ONCE["cpu"] / posts))
        if process.poll() is not None:
            sys.exit(f"kill {number + 1}: the extraction had ended; give it more --posts")
        process.kill()
        process.wait()
        killed_at.append(count_shards())
    print(f"shards that were there at each kill: {killed_at}")
    run("efficientnet", "images")
    same = all(
        path.read_bytes() == (Path("out") / path.name).read_bytes()
        for path in Path("whole").iterdir()
    )
    print(f"{KILLS} kills: the bytes are {'the same' if same else 'others'}")
    return same


def count_shards() -> int:
    return len(list(Path("cache").rglob("*.safetensors")))


def plain(posts: int | None) -> bool:
    """MiniLM's posts a second against the way that a user would write with transformers."""
    posts = posts or 1000
    write_texts(posts)
    import torch
    from transformers import AutoTokenizer, BertModel

    from fame.features.backbones.minilm import WEIGHTS

    folder = WEIGHTS.find().parent
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder)
    table = files.read_table(Path("texts.parquet"))
    texts = [table["title"].to_pylist(), [" ".join(tags) for tags in table["tags"].to_pylist()]]
    start = time.perf_counter()
    for column in texts:
        for i in range(0, posts, 16):
            tokens = tokenizer(
                column[i : i + 16],
                padding="max_length",
                truncation=True,
                max_length=64,
                return_tensors="pt",
            )
            with torch.inference_mode():
                hidden = model(**tokens).last_hidden_state
                mask = tokens["attention_mask"][..., None]
                mean = (hidden * mask).sum(1) / mask.sum(1)
                torch.nn.functional.normalize(mean, dim=1).numpy()
    plain_seconds = time.perf_counter() - start
    waited, computed = times(run("minilm", "texts")[2])
    ratio = plain_seconds / (waited + computed)
    print(
        f"plain {posts / plain_seconds:.0f} posts/s, ours {posts / (waited + computed):.0f} "
        f"posts/s (models loaded), ratio {ratio:.2f} (allowed {PLAIN_ALLOWED}), "
        f"waiting {waited / (waited + computed):.1%}"
    )
    return ratio > PLAIN_ALLOWED


def times(line: str) -> tuple[float, float]:
    """Seconds of waiting and computing of a stage's last line."""
    found = re.search(r"([\d.]+) s waiting for input, ([\d.]+) s computing", line)
    return float(found[1]), float(found[2])


def run(backbone: str, reads: str, **options: str) -> tuple[float, float, str]:
    """Wall seconds, peak megabytes with all workers, and last line of a stage."""
    start_time = time.perf_counter()
    process = start(backbone, reads, **options)
    output = process.communicate()[0].splitlines()
    if process.returncode:
        sys.exit("the stage failed")
    print(f"  {output[-2]}")
    return time.perf_counter() - start_time, float(output[-1]), output[-2]


def start(
    backbone: str, reads: str, output: str = "out", cache: str = "cache", stand_in: bool = False
) -> subprocess.Popen:
    """The stage in a process of its own."""
    yaml = YAML()
    content = yaml.load((ROOT / "params.yaml").read_text())
    content["runtime"]["cache"] = cache
    yaml.dump(content, Path("params.yaml"))
    command = [sys.executable, __file__, "stage", backbone, "--input", f"{reads}.parquet"]
    command += ["--output", output, "--encoder", f"{output}_encoder"]
    command += ["--record", f"{output}.json"]
    environment = os.environ | {"STAND_IN": str(int(stand_in))}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def run_stage(rest: list[str]) -> None:
    """The stage, then its peak memory: the process's own, and that of each worker at its most."""
    from fame.features import extract

    if os.environ["STAND_IN"] == "1":
        _stand_in()
    sys.argv = ["extract", *rest]
    extract.main()
    own, worker = (
        resource.getrusage(who).ru_maxrss / 1e3
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(own + 2 * worker)


def _stand_in() -> None:
    from fame.features.backbones.efficientnet import EfficientNet
    from fame.features.backbones.minilm import MiniLM

    def give(output: str, width: int) -> Callable:
        return lambda _, __, items: {output: np.ones((len(items), width), np.float32)}

    MiniLM.run = give("mean", 384)
    EfficientNet.run = give("mean", 1280)


def write_texts(posts: int) -> None:
    """texts.parquet; post i is the same whatever their number."""
    draw = np.random.default_rng(7)
    words = np.array(WORDS)
    titles, tags = [], []
    for i in range(posts):
        count, tag_count, old = draw.integers([5, 5, 0], [11, 31, i + 1])
        picked = words[draw.integers(0, len(words), 40)]
        title = f"{' '.join(picked[: count - 1])} {i}"
        titles.append(titles[old - 1] if old and i % 4 == 3 else title)
        tags.append(picked[-tag_count:].tolist())
    ids = [str(i) for i in range(posts)]
    files.write_table(Path("texts.parquet"), pa.table([ids, titles, tags], schema=TEXTS))


def write_images(images: int) -> None:
    """images.parquet and its files, each of its own content."""
    Path("images").mkdir()
    noise = np.random.default_rng(3).integers(0, 60, (768, 1024, 3))
    y, x = np.mgrid[0:768, 0:1024]
    encoded = []
    for size in ((500, 375), (1024, 768)):
        pixels = noise + np.stack([x / 6, y / 4, (x + y) / 9], -1)
        Image.fromarray(pixels.astype(np.uint8)[: size[1], : size[0]]).save("one.jpg", quality=85)
        encoded.append(Path("one.jpg").read_bytes())
    rows = []
    for i in range(images):
        path = Path("images") / f"{i:06}.jpg"
        content = encoded[i % 2] + str(i).encode()  # what follows a JPEG's end is not read
        path.write_bytes(content)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        rows.append((str(i), LOCATED, "", str(path), digest))
    columns = [list(column) for column in zip(*rows, strict=True)]
    files.write_table(Path("images.parquet"), pa.table(columns, schema=IMAGES))


if __name__ == "__main__":
    main()
