"""Where the extraction stands against the limits of a GPU: its arithmetic, its copies, decoding.

ViLT-B/32 and BLIP-base have their full size and RANDOM weights, as speed does not depend on them;
posts are generated, with JPEGs of 500x375 and 1024x768, and of 18 shapes where the table says so.
The limits are measured in the same run. Without a GPU it says so and ends; `--device cpu` with few
`--posts` tries the script itself.
"""

# Light imports only: the engine's processes import this file too.
import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import gpu_training
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from extraction import CORES, WORDS, count_encoder, make_backbone, make_image, make_posts
from gpu_limits import (
    KINDS,
    make_runtime,
    measure_decoding,
    measure_matrix_rate,
    print_copies,
    synchronize,
    time_calls,
)

from fame.features.backbones.contract import Item
from fame.features.engine import embed
from fame.features.engine.contents import Contents
from fame.features.engine.embedder import Embedder, Prepared, list_places
from fame.features.engine.local import SHARDS_HELD, open_reader
from fame.features.resampling import resize, whole
from fame.posts.contract import LOCATED
from fame.runtime import devices

DISTINCT = 96  # pictures that are made; files of one differ behind the end of the image
SIZES = [(500, 375), (1024, 768)]  # of the posts' images
# Width and height, as cameras, phones and crops have them.
SHAPES = [(500, 375), (375, 500), (500, 333), (333, 500), (500, 500), (500, 281), (281, 500)]
SHAPES += [(500, 400), (400, 500), (500, 357), (357, 500), (500, 313), (500, 300), (450, 500)]
SHAPES += [(500, 250), (500, 419), (500, 346), (417, 500)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--posts", type=int, default=8192)
    parser.add_argument("--profile", action="store_true", help="what the card does, by kernel")
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        run_stage(*arguments.stage, arguments.device)
        return
    if arguments.device == "cuda" and devices.choose_device("auto") != "cuda":
        print("gpu: torch sees no CUDA device here; nothing is measured")
        return
    with tempfile.TemporaryDirectory() as temporary:
        measure(Path(temporary), arguments)


def measure(root: Path, arguments: argparse.Namespace) -> None:
    os.environ["TRITON_CACHE_DIR"] = str(root / "compiled")
    devices.import_torchvision()  # transformers imports it
    make_checkpoints(root)
    posts = make_many_posts(root / "posts", arguments.posts, SIZES)
    device = arguments.device
    print_machine(device)
    rate = measure_matrix_rate(device)
    print(f"matrix rate, bfloat16: {rate / 1e12:.1f} TFLOP/s")
    print_copies(device)
    limits = measure_decoding(root, posts, device)
    steps: list[Callable[[], Any]] = [
        lambda: print_model_rates(root, device, rate, arguments, limits),
        lambda: print_pixels(posts.slice(0, 96), device),
        lambda: print_end_to_end(root, posts, device, limits),
        lambda: print_first_shard(root, posts, device),
        lambda: print_agreement(root, posts.slice(0, 32), device),
        lambda: print_training(device),
        lambda: print_plain(root, posts.slice(0, 64), device),
    ]
    failed = 0
    for step in steps:
        try:
            step()
        except Exception:  # the other tables are still of use
            traceback.print_exc()
            failed += 1
    sys.exit(failed > 0)


def make_checkpoints(root: Path) -> None:
    """ViLT-B/32 and BLIP-base, random; each of WORDS is a token."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import (
        BlipConfig,
        BlipForImageTextRetrieval,
        PreTrainedTokenizerFast,
        ViltConfig,
        ViltModel,
    )

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    vocabulary = {word: number for number, word in enumerate(names)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    torch.manual_seed(7)
    blip = BlipConfig(
        text_config={"num_attention_heads": 12}, vision_config={"initializer_range": 0.02}
    )
    models_ = {"vilt": ViltModel(ViltConfig()), "blip": BlipForImageTextRetrieval(blip)}
    for name, model in models_.items():
        model.save_pretrained(root / name)
        words.save_pretrained(root / name)


def make_many_posts(folder: Path, count: int, sizes: list[tuple[int, int]]) -> pa.Table:
    """Posts as `make_posts` has them with images of ``sizes``, all of them different files."""
    folder.mkdir()
    posts = make_posts(folder, count, images=False)
    draw = np.random.default_rng(3)
    made = [make_image(draw, *sizes[i % len(sizes)]) for i in range(min(count, DISTINCT))]
    members, digests = [], []
    for i in range(count):
        content = made[i % len(made)] + i.to_bytes(8, "little")
        members.append(str(folder / f"{i:06}.jpg"))
        Path(members[i]).write_bytes(content)
        digests.append(blake2b(content, digest_size=16).hexdigest())
    for name, values in (("member", members), ("digest", digests), ("status", [LOCATED] * count)):
        posts = posts.set_column(posts.column_names.index(name), name, pa.array(values))
    return posts


def print_machine(device: str) -> None:
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, {CORES} cores, torch {torch.__version__}; ViLT and BLIP have random weights")


@contextmanager
def preparing(
    kind: str,
    root: Path,
    posts: pa.Table,
    device: str,
    dtype: str = "auto",
    decode: str = "exact",
) -> Iterator[tuple[Embedder, Prepared]]:
    """A loaded backbone and the items of all images of ``posts``, in memory."""
    runtime = make_runtime(device, root / "unused")
    backbone = make_backbone(kind, root, dtype, runtime, decode)
    shown = "joint" if kind == "vilt" else "image"
    contents = Contents(posts.select(embed.INPUTS["contents"]))
    items = contents.list_items(shown, backbone.passes)
    inputs = contents.read(items, np.arange(len(items.keys)))
    with (
        Embedder(backbone, runtime) as embedder,
        open_reader([backbone], runtime, len(posts)) as reader,
        ExitStack() as stack,
    ):
        embedder.load()
        if reader.as_decoded:
            stack.enter_context(devices.pinning(reader.memory))
        reading = reader.read(list_places(inputs))
        yield embedder, embedder.prepare(inputs, lambda: reading.collect()[0])


@contextmanager
def resizing(prepared: Prepared, device: str) -> Iterator[Prepared]:
    """The same items with their pixels as the model sees them, where the card copies from."""
    import torch

    from fame.features.backbones.shared.models import open_pixels

    seen = {id(item.pixels): item.pixels for item in prepared.items if item.pixels is not None}
    memory = np.empty((len(seen), max(math.prod(each.shape) for each in seen.values())), np.uint8)
    resized = {}
    for place, (key, pixels) in zip(memory, seen.items(), strict=True):
        resized[key] = place[: math.prod(pixels.shape)].reshape(pixels.shape)
        resized[key][...] = open_pixels([pixels], torch.device(device))[0].cpu().numpy()
    items = [Item(item.tokens, resized.get(id(item.pixels))) for item in prepared.items]
    with devices.pinning(memory) if device == "cuda" else nullcontext():
        yield replace(prepared, items=items)


def count_prepared(kind: str, prepared: Prepared) -> float:
    """Operations for items of ViLT (the patches of an image once) or images of BLIP."""
    tokens, kept, patches = [], [], {}
    side = {"vilt": 32, "blip": 16}[kind]
    for item in prepared.items:
        seen = item.pixels.shape[0] // side * (item.pixels.shape[1] // side)
        patches[id(item.pixels)] = seen * side**2 * 3
        text = 0 if item.tokens is None else len(item.tokens)
        tokens.append(text + 1 + seen)
        kept.append(1 if kind == "blip" else (text if text > 2 else 1 + seen))
    return 2 * 768 * sum(patches.values()) + count_encoder(tokens, kept, 768, 12)


def print_model_rates(
    root: Path,
    device: str,
    rate: float,
    arguments: argparse.Namespace,
    limits: dict[str, float],
) -> None:
    """The model alone: pixels are in memory, as it sees them or as they were decoded.

    Those of the posts that are embedded from end to end go into ``limits``.
    """
    count = min(arguments.posts, 512)
    heads = ("posts/s", "TFLOP/s", "of matrix rate", "first, s")
    print(f"{'model alone':28}" + "".join(f"{head:>16}" for head in heads))
    made: dict[str, pa.Table] = {}
    for kind, name, sizes in (
        ("vilt", "ViLT, one shape", [(500, 375)]),
        ("vilt", "ViLT, 18 shapes", SHAPES),
        ("blip", "BLIP, images", [(500, 375)]),
        ("vilt", "ViLT, the posts' images", SIZES),
        ("blip", "BLIP, the posts' images", SIZES),
    ):
        key = str(len(sizes))
        if key not in made:
            made[key] = make_many_posts(root / f"shapes{key}", count, sizes)
        with preparing(kind, root, made[key], device) as (embedder, prepared):
            with resizing(prepared, device) as resized:
                print_model_rate(embedder, kind, name, resized, device, rate)
            found = print_model_rate(embedder, kind, "  resized there", prepared, device, rate)
            if sizes is SIZES:
                limits[f"{kind} alone"] = found
            if arguments.profile and len(sizes) == 1:
                print_profile(embedder, prepared)


def print_model_rate(
    embedder: Embedder, kind: str, name: str, prepared: Prepared, device: str, rate: float
) -> float:
    """Posts a second."""
    start = time.perf_counter()
    _ = embedder.compute(prepared).result
    first = time.perf_counter() - start
    seconds = time_calls(lambda: embedder.compute(prepared).result, device)
    count = len({id(item.pixels) for item in prepared.items})
    done = count_prepared(kind, prepared) / seconds
    cells = f"{count / seconds:,.0f}", f"{done / 1e12:.1f}", f"{done / rate:.0%}", f"{first:.1f}"
    print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    return count / seconds


def print_profile(embedder: Embedder, prepared: Prepared) -> None:
    """Where the card's time goes, and how much of it there is."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        start = time.perf_counter()
        _ = embedder.compute(prepared).result
        seconds = time.perf_counter() - start
    kernels = [event for event in found.events() if str(event.device_type).endswith("CUDA")]
    busy = sum(event.self_device_time_total for event in kernels) / 1e6
    print(f"  {len(kernels)} kernels and copies, {busy:.3f} s of {seconds:.3f} s")
    for order in ("self_device_time_total", "self_cpu_time_total"):
        rows = found.key_averages().table(sort_by=order, row_limit=14, max_name_column_width=60)
        print(rows)


def print_end_to_end(root: Path, posts: pa.Table, device: str, limits: dict[str, float]) -> None:
    """From files and texts to vectors in an empty cache: steady, and from the call to the end.

    Beside it what decoding alone and the models alone would do, one after the other where there
    are two.
    """
    heads = ("steady, posts/s", "decoding alone", "models alone", "of the lower", "whole call, s")
    print(f"{'end to end':28}" + "".join(f"{head:>16}" for head in heads))
    for names, decode in (
        *((names, "exact") for names in (KINDS[:1], KINDS[1:], KINDS)),
        *((names, "gpu") for names in (KINDS[:1], KINDS[1:], KINDS) if device == "cuda"),
    ):
        steady, seconds = embed_all(root, posts, device, names, decode)
        name = "+".join(names)
        decoding = limits[f"{name} {decode}"]
        models = 1 / sum(1 / limits[f"{each} alone"] for each in names)
        share = steady / min(decoding, models)
        cells = f"{steady:,.0f}", f"{decoding:,.0f}", f"{models:,.0f}", f"{share:.0%}"
        row = "".join(f"{cell:>16}" for cell in (*cells, f"{seconds:.1f}"))
        print(f"{f'{name}, decode: {decode}':28}{row}", flush=True)


def embed_all(
    root: Path, posts: pa.Table, device: str, names: tuple[str, ...], decode: str
) -> tuple[float, float]:
    """Posts a second behind the shards that are read ahead at the start; seconds of the call."""
    with tempfile.TemporaryDirectory() as cache:
        runtime = make_runtime(device, Path(cache))
        backbones = [make_backbone(name, root, "auto", runtime, decode) for name in names]
        folders = [Path(cache) / name for name in names]
        table = posts.select(embed.INPUTS["contents"])
        beside = list(zip(backbones[1:], folders[1:], strict=True))
        start = time.perf_counter()
        embed.embed(backbones[0], table, folders[0], runtime, beside)
        seconds = time.perf_counter() - start
        kind = "joint" if names[-1] == "vilt" else "image"
        written = sorted(
            path.stat().st_mtime for path in (folders[-1] / kind).glob("*.safetensors")
        )
    ahead = written[SHARDS_HELD - 1 :]
    shown = len(posts) - SHARDS_HELD * embed.IMAGES_AT_ONCE[device]
    return shown / (ahead[-1] - ahead[0]) if len(ahead) > 1 else 0.0, seconds


def print_first_shard(root: Path, posts: pa.Table, device: str) -> None:
    """Seconds from the start of a process to its first shard; what Triton compiled is there."""
    pq.write_table(posts.slice(0, 2048), root / "some.parquet")
    for kind in KINDS:
        command = [sys.executable, __file__, "--device", device, "--stage"]
        command += [kind, str(root), str(root / f"cache_{kind}")]
        start = time.time()
        subprocess.run(command, check=True)
        shards = (root / f"cache_{kind}").rglob("*.safetensors")
        first = min(path.stat().st_mtime for path in shards) - start
        print(f"first shard of {kind} after the start of its process: {first:.1f} s", flush=True)


def run_stage(kind: str, root: str, cache: str, device: str) -> None:
    """In a process of its own; it says where its first seconds go."""
    posts = pq.read_table(Path(root) / "some.parquet")
    runtime = make_runtime(device, Path(cache))
    backbone = make_backbone(kind, Path(root), "auto", runtime)
    load, run, firsts = backbone.load, backbone.run, []

    def tell(name: str) -> None:
        firsts.append(f"{name} {time.time() - psutil.Process().create_time():.1f} s")

    def load_and_tell() -> None:
        tell("loading from")
        load()
        tell("to")

    def run_and_tell(*arguments: Any) -> Any:
        outputs = run(*arguments)
        if len(firsts) == 2:
            synchronize(device)
            tell("first batch")
        return outputs

    backbone.load, backbone.run = load_and_tell, run_and_tell  # type: ignore[method-assign]
    with embed.open_cache(backbone, runtime) as folder:
        embed.embed(backbone, posts.select(embed.INPUTS["contents"]), folder, runtime)
    print(f"since the start of the process of {kind}: {', '.join(firsts)}", flush=True)


def print_pixels(posts: pa.Table, device: str) -> None:
    """Whether the device resizes an image to Pillow's very pixels, and how near it decodes them."""
    if device == "cpu":
        return
    import torch
    from PIL import Image

    from fame.features.gpu_decoding import call_nvjpeg
    from fame.features.gpu_resampling import resize_on_gpu

    others, differences = 0, []
    for number, member in enumerate(posts["member"].to_pylist()):
        image = Image.open(member).convert("RGB").resize(SHAPES[number % len(SHAPES)])
        content = np.fromfile(member, np.uint8)
        decoded = call_nvjpeg([content])[0].permute(1, 2, 0).cpu().numpy().astype(int)
        differences.append(np.abs(decoded - np.asarray(Image.open(member))))
        if number % 3 == 0:
            image = image.reduce(5)  # so that it is enlarged
        seen = torch.from_numpy(np.array(image))[None].to(device)
        for size in ((512, 384), (576, 384), (384, 384), (298, 224), (224, 224)):
            geometry = whole(*image.size, size)
            found = resize_on_gpu(seen, geometry)[0].cpu().numpy()
            others += int((found != resize(image, geometry)).sum())
    print(f"pixels that the device resizes to other values than Pillow: {others}")
    apart = np.concatenate([each.ravel() for each in differences])
    print(f"it decodes them {apart.mean():.2f} of 255 apart in the mean, {apart.max()} at most")


def print_agreement(root: Path, posts: pa.Table, device: str) -> None:
    """The device's vectors against float32 on the CPU."""
    ways = [("cpu", "float32", "exact"), (device, "float32", "exact")]
    ways += [(device, "bfloat16", "exact"), (device, "bfloat16", "gpu")]
    for kind in KINDS:
        exact, *others = [embed_twice(kind, root, posts, *way) for way in ways]
        off = np.abs(others[0] - exact).max() / np.abs(exact).max()
        cosines = []
        for rough in others[1:]:
            lengths = np.linalg.norm(rough, axis=1) * np.linalg.norm(exact, axis=1)
            cosines.append(((rough * exact).sum(axis=1) / lengths).min())
        print(
            f"{kind} against float32 on the CPU: float32 {off:.1e} of the largest, bfloat16 cosine "
            f"at least {cosines[0]:.6f}, with decode: gpu {cosines[1]:.6f}; the same bytes twice"
        )


def embed_twice(
    kind: str, root: Path, posts: pa.Table, device: str, dtype: str, decode: str
) -> np.ndarray:
    """The vectors, which come out the same again."""
    with preparing(kind, root, posts, device, dtype, decode) as (embedder, prepared):
        found, again = (
            embedder.compute(prepared).result.embedded.vectors["vector"] for _ in range(2)
        )
    assert again.tobytes() == found.tobytes(), "other bytes"
    return found


def print_training(device: str) -> None:
    """The torch learners, see gpu_training.py."""
    sizes = {} if device == "cuda" else {"rows": 500, "columns": 32, "tabm_columns": 32}
    print(gpu_training.describe(gpu_training.measure(device, CORES, epochs=2, **sizes)))


def print_plain(root: Path, posts: pa.Table, device: str) -> None:
    """The plain way: Hugging Face's processor and model, batches of 16, on the device."""
    import torch
    from plain_extraction import plain_blip, plain_vilt

    print(f"{'plain, batches of 16':28}{'posts/s':>10}")
    for kind in KINDS:
        for dtype in (torch.float32, torch.bfloat16):
            call = {"vilt": plain_vilt, "blip": plain_blip}[kind](root / kind, device, dtype)
            with torch.inference_mode():
                for model, inputs in call(posts.slice(0, 16)):
                    model(**inputs)
                start = time.perf_counter()
                for begin in range(0, len(posts), 16):
                    for model, inputs in call(posts.slice(begin, 16)):
                        model(**inputs)
                synchronize(device)
            rate = len(posts) / (time.perf_counter() - start)
            print(f"{kind + ' ' + str(dtype).split('.')[1]:28}{rate:10,.1f}", flush=True)


if __name__ == "__main__":
    main()
