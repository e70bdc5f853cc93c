"""Posts per second of the extraction engine against the plain way to use the same models.

The plain way (plain_extraction.py) is what one writes first with Hugging Face: per batch of 16
posts the images are decoded, and for each pass the processor (padding="max_length") and the model
are called, torch with all its threads. Ours is the real engine, from image files and texts to
vectors in an empty cache. Neither counts the loading of a model.

ViLT-B/32 and BLIP-base have their full size and RANDOM weights, as speed does not depend on them;
MiniLM and EfficientNet have their real ones. Posts are generated.
"""

# Light imports only: the engine's processes import this file too.
import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fame.features.backbones import minilm
from fame.features.backbones.contract import Backbone
from fame.features.engine import embed
from fame.params import RuntimeParams
from fame.posts.contract import LOCATED
from fame.registry import BACKBONES, resolve
from fame.runtime.devices import import_torchvision

if TYPE_CHECKING:
    from plain_extraction import Plain

CORES = len(os.sched_getaffinity(0))
BATCH = 16  # posts, of the plain way
SIZES = ((500, 375), (1024, 768))
WORDS = ["sunset", "beach", "travel", "city", "night", "street", "dog", "cat", "food"]
WORDS += ["wedding", "snow", "river", "music", "party", "fashion", "baby", "bridge", "train"]
WORDS += ["castle", "garden", "flower", "winter", "summer", "mountain", "portrait", "football"]
TOKENS = {"vilt": 40, "blip": 64, "minilm": 64}
BFLOAT16 = {"avx512_bf16", "amx_bf16"}
SHARD_IMAGES = 16  # smaller than the engine's, so that a short run has several, as a long one has


@dataclass(frozen=True)
class Result:
    """Of one way: seconds for some posts, those of them not in the model, operations done."""

    posts: int
    seconds: float
    waited: float
    operations: float


def make_image(draw: np.random.Generator, width: int, height: int) -> bytes:
    """A JPEG with smooth areas, edges and grain, as photographs have."""
    from PIL import Image

    layers = [
        np.asarray(
            Image.fromarray(draw.integers(0, 256, (side * 3 // 4, side, 3), dtype=np.uint8)).resize(
                (width, height), Image.Resampling.BICUBIC
            ),
            dtype=np.float32,
        )
        for side in (4, 16, 64, 256)
    ]
    mixed = sum(share * layer for share, layer in zip((0.4, 0.3, 0.2, 0.1), layers, strict=True))
    grain = draw.normal(0, 4, (height, width, 1))
    buffer = io.BytesIO()
    Image.fromarray(np.clip(mixed + grain, 0, 255).astype(np.uint8)).save(
        buffer, "JPEG", quality=85
    )
    return buffer.getvalue()


def make_posts(folder: Path, count: int, images: bool, seed: int = 7) -> pa.Table:
    """Titles of 5-10 words, one in four repeated, 5-30 tags, ``images`` of both sizes or none."""
    draw = np.random.default_rng(seed)
    titles: list[str] = []
    for i in range(count):
        words = draw.choice(WORDS, draw.integers(5, 11))
        repeated = i % 4 == 3
        titles.append(titles[draw.integers(len(titles))] if repeated else " ".join(words))
    tags = [draw.choice(WORDS, draw.integers(5, 31)).tolist() for _ in range(count)]
    members, digests = [""] * count, [""] * count
    for i in range(count * images):
        content = make_image(draw, *SIZES[i % 2])
        members[i] = str(folder / f"{i}.jpg")
        Path(members[i]).write_bytes(content)
        digests[i] = blake2b(content, digest_size=16).hexdigest()
    return pa.table(
        {
            "post_id": [str(i) for i in range(count)],
            "title": titles,
            "tags": tags,
            "status": [LOCATED] * count,
            "container": [""] * count,
            "member": members,
            "digest": digests,
        }
    )


def time_plain(call: "Plain", posts: pa.Table, operations: float) -> Result:
    import torch

    torch.set_num_threads(CORES)
    batches = [posts.slice(start, BATCH) for start in range(0, len(posts), BATCH)]
    with torch.inference_mode():
        for model, inputs in call(batches[0].slice(0, 2)):
            model(**inputs)
        start, computed = time.perf_counter(), 0.0
        for batch in batches:
            for model, inputs in call(batch):
                before = time.perf_counter()
                model(**inputs)
                computed += time.perf_counter() - before
        seconds = time.perf_counter() - start
    return Result(len(posts), seconds, seconds - computed, operations)


def make_backbone(
    kind: str, root: Path, dtype: str, runtime: RuntimeParams, decode: str = "exact"
) -> Backbone:
    cls = resolve(BACKBONES, kind, "benchmark")
    entries = {
        "minilm": {"reads": "texts", "max_tokens": TOKENS["minilm"]},
        "efficientnet": {"reads": "images", "decode": decode},
        "vilt": {"pooling": "mean"},
        "blip": {"pooling": "cls"},
    }
    joint = {
        "reads": "contents",
        "checkpoint": str(root / kind),
        "revision": "main",
        "image_size": 384,
        "max_text_tokens": TOKENS.get(kind),
        "decode": decode,
    }
    entry = entries[kind] | (joint if kind in ("vilt", "blip") else {})
    return cls(cls.Params(kind=kind, dtype=dtype, **entry), runtime)


def time_ours(kind: str, root: Path, dtype: str, posts: pa.Table, operations: float) -> Result:
    with tempfile.TemporaryDirectory() as cache:
        runtime = RuntimeParams(
            device="cpu", workers=CORES, cache=cache, engine="local", ray_address=None
        )
        backbone = make_backbone(kind, root, dtype, runtime)
        table = posts.select(embed.INPUTS[backbone.reads])
        with embed.open_cache(backbone, runtime) as folder:
            features = embed.embed(backbone, table, folder, runtime)
    seconds = features.waited + features.computed
    return Result(len(posts), seconds, features.waited, operations)


def count_encoder(tokens: list[int], kept: list[int], width: int, layers: int) -> float:
    """Operations of an encoder; in the last layer only ``kept`` tokens ask and go on."""
    total = 0.0
    for t, k in zip(tokens, kept, strict=True):
        for asking in [t] * (layers - 1) + [k]:
            total += 2 * width**2 * (2 * t + 10 * asking) + 4 * width * t * asking
    return total


def count_operations(kind: str, posts: pa.Table, plain: bool) -> float:
    """Multiplications and additions that a way does in its models, padding included."""
    import plain_extraction
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoTokenizer

    if kind == "efficientnet":
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            plain_extraction.open_efficientnet().extract_features(torch.zeros(1, 3, 224, 224))
        return counter.get_total_flops() * len(posts)
    tokenizer = AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent)
    limit = TOKENS[kind]
    titles, tags = plain_extraction.list_texts(posts)
    if plain:
        lengths = [limit] * 2 * len(posts)
    else:
        # Equal texts are embedded once where no image is read with them.
        texts = titles + tags if kind == "vilt" else sorted({*titles, *tags})
        ids = tokenizer(texts, truncation=True, max_length=limit)["input_ids"]
        lengths = [len(one) for one in ids]
    if kind == "minilm":
        return count_encoder(lengths, lengths, 384, 6)
    if kind == "blip":
        patches = 24**2
        image = 2 * patches * 3 * 16**2 * 768
        image += count_encoder([patches + 1], [patches + 1 if plain else 1], 768, 12)
        kept = lengths if plain else [1] * len(lengths)
        return image * len(posts) + count_encoder(lengths, kept, 768, 12)
    patches = 12 * 16  # 384 x 512 pixels, for both sizes
    empty = [limit if plain else 2] * len(posts)
    tokens = [length + patches + 1 for length in lengths + empty]
    kept = tokens if plain else [*lengths, *[patches + 1] * len(posts)]
    embedded = 2 * patches * 3 * 32**2 * 768 * len(tokens)
    return embedded + count_encoder(tokens, kept, 768, 12)


def measure_matrix_rates(dtype: str) -> dict[str, float]:
    """Way to multiply matrices -> its operations per second on all cores."""
    import torch

    side = 2048
    left, right = (torch.randn(side, side).to(getattr(torch, dtype)) for _ in range(2))
    packed = torch.ops.mkldnn._reorder_linear_weight(right)

    def multiply(_: int) -> None:
        torch.mm(left, right)

    def multiply_packed(_: int) -> None:
        torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], "none")

    rates = {}
    for name, way in (("torch.mm", multiply), ("oneDNN", multiply_packed)):
        torch.set_num_threads(CORES)
        together = time_calls(lambda way=way: [way(i) for i in range(CORES)], side)
        with ThreadPoolExecutor(CORES, "matrix", torch.set_num_threads, (1,)) as pool:
            apart = time_calls(lambda way=way: list(pool.map(way, range(CORES))), side)
        rates[name] = max(together, apart)
    return rates


def time_calls(call: Callable[[], Any], side: int, seconds: float = 1.5) -> float:
    call()
    best, start = np.inf, time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
    return CORES * 2 * side**3 / best


# Posts of the plain way and of ours: rates need no more, and the first is slow.
POSTS = {"vilt": (16, 64), "blip": (16, 96), "minilm": (256, 4096), "efficientnet": (96, 480)}


def has_bfloat16() -> bool:
    """Whether the CPU has arithmetic of its own for it (Linux says so)."""
    facts = Path("/proc/cpuinfo")
    return facts.exists() and bool(set(facts.read_text().split()) & BFLOAT16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", help=", ".join(POSTS))
    chosen = parser.parse_args().backbones or list(POSTS)
    if not set(chosen) <= set(POSTS):
        parser.error(f"allowed: {', '.join(POSTS)}")
    embed.IMAGES_AT_ONCE = {"cpu": SHARD_IMAGES}
    import_torchvision()  # where it is installed, transformers imports it
    import plain_extraction
    from transformers.utils import logging

    logging.disable_progress_bar()
    print(f"{CORES} cores; ViLT and BLIP have random weights")
    print(f"{'':20}{'posts per second':^30}{'not computing':^20}{'of matrix rate':^20}")
    heads = ("plain", "ours", "ratio", "plain", "ours", "plain", "ours")
    print(f"{'':20}" + "".join(f"{head:>10}" for head in heads))
    dtypes = ["float32"] + ["bfloat16"] * has_bfloat16()
    rates: dict[tuple[str, str], float] = {}
    note_rates(rates, dtypes)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        plain_extraction.make_checkpoints(root, chosen)
        for kind in chosen:
            posts = make_posts(root, POSTS[kind][1], images=kind != "minilm")
            compare(kind, root, posts, dtypes if kind == "blip" else ["float32"], rates)
    print("best matrix rates of the run, GFLOP/s:")
    for (dtype, way), rate in rates.items():
        print(f"  {dtype:10}{way:10}{rate / 1e9:6.0f}")


def note_rates(rates: dict[tuple[str, str], float], dtypes: list[str]) -> None:
    """Measured beside each row, so that other work on the machine does not make a row look good."""
    for dtype in dtypes:
        for way, rate in measure_matrix_rates(dtype).items():
            rates[dtype, way] = max(rate, rates.get((dtype, way), 0.0))


def compare(
    kind: str, root: Path, posts: pa.Table, dtypes: list[str], rates: dict[tuple[str, str], float]
) -> None:
    import plain_extraction

    some = posts.slice(0, POSTS[kind][0])
    operations = count_operations(kind, some, plain=True)
    plain = time_plain(plain_extraction.PLAIN[kind](root / kind), some, operations)
    operations = count_operations(kind, posts, plain=False)
    for dtype in dtypes:
        ours = time_ours(kind, root, dtype, posts, operations)
        note_rates(rates, dtypes)
        best = {name: max(rate for (of, _), rate in rates.items() if of == name) for name in dtypes}
        print_row(f"{kind} {dtype}", plain, ours, best["float32"], best[dtype])


def print_row(name: str, plain: Result, ours: Result, plain_rate: float, rate: float) -> None:
    speeds = plain.posts / plain.seconds, ours.posts / ours.seconds
    cells = [f"{speed:.2f}" for speed in speeds]
    cells += [f"{speeds[1] / speeds[0]:.2f}"]
    cells += [f"{way.waited / way.seconds:.1%}" for way in (plain, ours)]
    for way, fastest in ((plain, plain_rate), (ours, rate)):
        cells.append(f"{way.operations / (way.seconds - way.waited) / fastest:.0%}")
    print(f"{name:20}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
