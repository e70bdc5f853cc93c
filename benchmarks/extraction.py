"""Posts per second of the extraction engine against the plain way to use the same models.

The plain way is what one writes first with Hugging Face: per batch of 16 posts the images are
decoded, and for each pass the processor (padding="max_length") and the model are called, torch with
all its threads. Ours is the real engine, from image files and texts to vectors in an empty cache.
Neither counts the loading of a model.

ViLT-B/32 and BLIP-base have their full size and RANDOM weights, as speed does not depend on them;
MiniLM and EfficientNet have their real ones. Posts are generated.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoTokenizer, BertModel, BlipConfig, BlipForImageTextRetrieval
from transformers import BlipProcessor, ViltConfig, ViltModel, ViltProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil
from transformers.utils import logging

from fame.backbones import efficientnet, minilm
from fame.backbones.blip import Blip
from fame.backbones.efficientnet import EfficientNet
from fame.backbones.minilm import MiniLM
from fame.backbones.vilt import Vilt
from fame.core.contracts import LOCATED, Backbone
from fame.extraction import engine
from fame.params import RuntimeParams

CORES = len(os.sched_getaffinity(0))
BATCH = 16  # posts, of the plain way
SIZES = ((500, 375), (1024, 768))
WORDS = "sunset beach travel city night street dog cat food wedding snow river music party".split()
WORDS += "fashion baby bridge train castle garden flower winter summer mountain portrait".split()
TOKENS = {"vilt": 40, "blip": 64, "minilm": 64}
BFLOAT16 = {"avx512_bf16", "amx_bf16"}
SHARD_ITEMS = 48  # smaller than the engine's, so that a short run has several, as a long one has


@dataclass(frozen=True)
class Result:
    """Of one way: seconds for some posts, seconds not computing, arithmetic done."""

    posts: int
    seconds: float
    waited: float
    operations: float


def make_image(draw: np.random.Generator, width: int, height: int) -> bytes:
    """A JPEG with smooth areas, edges and grain, as photographs have: about 1 bit a pixel."""
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
    Image.fromarray(np.clip(mixed + grain, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
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


def save_random(model: torch.nn.Module, folder: Path) -> None:
    """A checkpoint of the model as it was initialised, with the vocabulary of bert-base-uncased."""
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent, local_files_only=True)
    tokenizer.save_pretrained(folder)


def make_checkpoints(root: Path) -> None:
    """ViLT-B/32 and BLIP-base, random."""
    torch.manual_seed(7)
    save_random(ViltModel(ViltConfig()), root / "vilt")
    config = BlipConfig(
        text_config={"num_attention_heads": 12}, vision_config={"initializer_range": 0.02}
    )
    save_random(BlipForImageTextRetrieval(config), root / "blip")


# --- the plain way -------------------------------------------------------------------------------


def open_images(posts: pa.Table) -> list[Image.Image]:
    return [Image.open(member).convert("RGB") for member in posts["member"].to_pylist()]


def list_texts(posts: pa.Table) -> tuple[list[str], list[str]]:
    return posts["title"].to_pylist(), [" ".join(tags) for tags in posts["tags"].to_pylist()]


def plain_vilt(folder: Path) -> Callable[[pa.Table], None]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = ViltProcessor(ViltImageProcessorPil(), tokenizer)
    model = ViltModel.from_pretrained(folder).eval()

    def call(posts: pa.Table) -> None:
        images = open_images(posts)
        for texts in (*list_texts(posts), [""] * len(posts)):
            inputs = processor(
                images,
                texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["vilt"],
                return_tensors="pt",
            )
            model(**inputs)

    return call


def plain_blip(folder: Path) -> Callable[[pa.Table], None]:
    processor = BlipProcessor(BlipImageProcessorPil(), AutoTokenizer.from_pretrained(folder))
    model = BlipForImageTextRetrieval.from_pretrained(folder).eval()

    def call(posts: pa.Table) -> None:
        model.vision_model(**processor(images=open_images(posts), return_tensors="pt"))
        for texts in list_texts(posts):
            inputs = processor(
                text=texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["blip"],
                return_tensors="pt",
            )
            model.text_encoder(**inputs)

    return call


def plain_minilm(_: Path) -> Callable[[pa.Table], None]:
    folder = minilm.WEIGHTS.find().parent
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder).eval()

    def call(posts: pa.Table) -> None:
        for texts in list_texts(posts):
            inputs = tokenizer(
                texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["minilm"],
                return_tensors="pt",
            )
            model(**inputs)

    return call


def plain_efficientnet(_: Path) -> Callable[[pa.Table], None]:
    network = open_efficientnet()

    def call(posts: pa.Table) -> None:
        pixels = np.stack([efficientnet.crop(image) for image in open_images(posts)])
        network.extract_features(torch.from_numpy(efficientnet.scale(pixels)).contiguous())

    return call


def open_efficientnet() -> torch.nn.Module:
    from efficientnet_lite_pytorch import EfficientNet as Network

    network = Network.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(efficientnet.WEIGHTS.find(), weights_only=True))
    return network.eval()


def time_plain(call: Callable[[pa.Table], None], posts: pa.Table, operations: float) -> Result:
    torch.set_num_threads(CORES)
    batches = [posts.slice(start, BATCH) for start in range(0, len(posts), BATCH)]
    with torch.inference_mode():
        call(batches[0].slice(0, 2))
        start = time.perf_counter()
        for batch in batches:
            call(batch)
        return Result(len(posts), time.perf_counter() - start, 0.0, operations)


# --- ours ----------------------------------------------------------------------------------------


def make_backbone(kind: str, root: Path, dtype: str, runtime: RuntimeParams) -> Backbone:
    shared = {"kind": kind, "dtype": dtype}
    if kind == "minilm":
        return MiniLM(MiniLM.Params(**shared, reads="texts", max_tokens=TOKENS[kind]), runtime)
    if kind == "efficientnet":
        params = EfficientNet.Params(**shared, reads="images", decode="exact")
        return EfficientNet(params, runtime)
    joint = shared | {
        "reads": "contents",
        "checkpoint": str(root / kind),
        "revision": "main",
        "image_size": 384,
        "max_text_tokens": TOKENS[kind],
        "decode": "exact",
    }
    if kind == "vilt":
        return Vilt(Vilt.Params(**joint, pooling="mean"), runtime)
    return Blip(Blip.Params(**joint, pooling="cls"), runtime)


def time_ours(kind: str, root: Path, dtype: str, posts: pa.Table, operations: float) -> Result:
    with tempfile.TemporaryDirectory() as cache:
        runtime = RuntimeParams(
            device="cpu", workers=CORES, cache=cache, engine="local", ray_address=None
        )
        backbone = make_backbone(kind, root, dtype, runtime)
        table = posts.select(engine.INPUTS[backbone.reads])
        with engine.open_cache(backbone, runtime) as folder:
            features = engine.embed(backbone, table, folder, runtime)
    seconds = features.waited + features.computed
    return Result(len(posts), seconds, features.waited, operations)


# --- arithmetic ----------------------------------------------------------------------------------


def count_encoder(tokens: list[int], kept: list[int], width: int, layers: int) -> float:
    """Operations of an encoder; in the last layer only ``kept`` tokens ask and go on."""
    total = 0.0
    for t, k in zip(tokens, kept, strict=True):
        for asking in [t] * (layers - 1) + [k]:
            total += 2 * width**2 * (2 * t + 10 * asking) + 4 * width * t * asking
    return total


def count_operations(kind: str, posts: pa.Table, plain: bool) -> float:
    """Multiplications and additions that a way does in its models, padding included."""
    if kind == "efficientnet":
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            open_efficientnet().extract_features(torch.zeros(1, 3, 224, 224))
        return counter.get_total_flops() * len(posts)
    tokenizer = AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent)
    limit = TOKENS[kind]
    titles, tags = list_texts(posts)
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


def measure_matrix_rate(dtype: torch.dtype) -> float:
    """Operations per second on all cores: the best of torch's ways to multiply 2048 x 2048."""
    side = 2048
    left, right = (torch.randn(side, side).to(dtype) for _ in range(2))
    packed = torch.ops.mkldnn._reorder_linear_weight(right)

    def multiply(_: int) -> None:
        torch.mm(left, right)

    def multiply_packed(_: int) -> None:
        torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], "none")

    rates = []
    for way in (multiply, multiply_packed):
        torch.set_num_threads(CORES)
        rates.append(time_calls(lambda way=way: [way(i) for i in range(CORES)], side))
        one = torch.set_num_threads, (1,)
        with ThreadPoolExecutor(CORES, "matrix", *one) as pool:
            rates.append(time_calls(lambda way=way: list(pool.map(way, range(CORES))), side))
    return max(rates)


def time_calls(call: Callable[[], Any], side: int, seconds: float = 1.5) -> float:
    call()
    best, start = np.inf, time.perf_counter()
    while time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
    return CORES * 2 * side**3 / best


PLAIN = {
    "vilt": plain_vilt,
    "blip": plain_blip,
    "minilm": plain_minilm,
    "efficientnet": plain_efficientnet,
}
# Posts of the plain way and of ours: rates need no more, and the first is slow.
POSTS = {"vilt": (32, 80), "blip": (32, 96), "minilm": (320, 4096), "efficientnet": (96, 480)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", help=", ".join(POSTS))
    chosen = parser.parse_args().backbones or list(POSTS)
    engine.IMAGES_AT_ONCE = SHARD_ITEMS
    logging.disable_progress_bar()
    flags = set(Path("/proc/cpuinfo").read_text().split()) if sys.platform == "linux" else set()
    rates = {"float32": measure_matrix_rate(torch.float32)}
    if flags & BFLOAT16:
        rates["bfloat16"] = measure_matrix_rate(torch.bfloat16)
    print(json.dumps({name: f"{rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()}))
    print(f"{CORES} cores; ViLT and BLIP with random weights; posts per second")
    heads = ("plain", "ours", "ratio", "not computing", "plain of rate", "ours of rate")
    print(f"{'':22}" + "".join(f"{head:>15}" for head in heads))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make_checkpoints(root)
        for kind in chosen:
            posts = make_posts(root, POSTS[kind][1], images=kind != "minilm")
            compare(kind, root, posts, rates)


def compare(kind: str, root: Path, posts: pa.Table, rates: dict[str, float]) -> None:
    some = posts.slice(0, POSTS[kind][0])
    plain = time_plain(PLAIN[kind](root / kind), some, count_operations(kind, some, plain=True))
    for dtype in rates if kind == "blip" else ["float32"]:
        ours = time_ours(kind, root, dtype, posts, count_operations(kind, posts, plain=False))
        print_row(f"{kind} {dtype}", plain, ours, rates["float32"], rates[dtype])


def print_row(name: str, plain: Result, ours: Result, plain_rate: float, rate: float) -> None:
    speeds = plain.posts / plain.seconds, ours.posts / ours.seconds
    cells = [f"{speed:.2f}" for speed in speeds]
    cells += [f"{speeds[1] / speeds[0]:.2f}", f"{ours.waited / ours.seconds:.1%}"]
    cells += [f"{plain.operations / plain.seconds / plain_rate:.0%}"]
    cells += [f"{ours.operations / ours.seconds / rate:.0%}"]
    print(f"{name:22}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
