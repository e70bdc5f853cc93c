"""The limits of a GPU and of the cores beside it: arithmetic, copies, decoding."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from extraction import CORES, make_backbone

from fame.features.engine.contents import Inputs
from fame.features.engine.embedder import list_places
from fame.features.engine.local import open_reader
from fame.features.engine.reader import Reader
from fame.params import RuntimeParams

KINDS = ("vilt", "blip")
REPEATS = 5


def make_runtime(device: str, cache: Path) -> RuntimeParams:
    return RuntimeParams(
        device=device, workers=CORES, cache=str(cache), engine="local", ray_address=None
    )


def synchronize(device: str) -> None:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def time_calls(call: Callable[[], Any], device: str, repeats: int = REPEATS) -> float:
    """Seconds of a call, the median."""
    call()
    synchronize(device)
    seconds = []
    for _ in range(repeats if device == "cuda" else 1):
        start = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def measure_matrix_rate(device: str) -> float:
    """Operations a second of a product of matrices, random and in bfloat16."""
    import torch

    side = 8192 if device == "cuda" else 1024
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))

    def multiply() -> None:
        for _ in range(10):
            left @ right

    return 10 * 2 * side**3 / time_calls(multiply, device)


def print_copies(device: str) -> None:
    if device != "cuda":
        return
    import torch

    there = torch.empty(1 << 30, dtype=torch.uint8, device=device)
    other = torch.empty_like(there)
    pinned = torch.empty(1 << 28, dtype=torch.uint8, pin_memory=True)
    plain = torch.empty(1 << 28, dtype=torch.uint8)
    rates = {
        "on the card (read and written)": 2
        * there.nbytes
        / time_calls(lambda: other.copy_(there), device),
        "to the card, pinned": pinned.nbytes
        / time_calls(lambda: there[: 1 << 28].copy_(pinned, non_blocking=True), device),
        "to the card, pageable": plain.nbytes
        / time_calls(lambda: there[: 1 << 28].copy_(plain), device),
    }
    print("copies, GB/s: " + "; ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in rates.items()))


def measure_decoding(root: Path, posts: pa.Table, device: str) -> dict[str, float]:
    """Images a second that the reader's processes prepare, for each backbone and for both."""
    rates = {}
    ways = [(names, "exact") for names in (KINDS[:1], KINDS[1:], KINDS)]
    ways += [(names, "draft") for names in (KINDS[:1], KINDS[1:])]
    ways += [(names, "gpu") for names in (KINDS[:1], KINDS[1:], KINDS) if device == "cuda"]
    for names, decode in ways:
        runtime = make_runtime(device, root)
        backbones = [make_backbone(name, root, "auto", runtime, decode) for name in names]
        places = list_places(Inputs("", None, read_places(posts)))
        with open_reader(backbones, runtime, 1024) as reader:
            wanted = range(len(names))
            read_all(reader, places[: 8 * CORES], wanted)  # the processes have started
            start = time.perf_counter()
            read_all(reader, places, wanted)
            seconds = time.perf_counter() - start
        rates[f"{'+'.join(names)} {decode}"] = len(places) / seconds
    print(
        f"decoding alone by {CORES} processes (gpu: and the card), images/s: "
        + "; ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    )
    return rates


def read_all(reader: Reader, places: list[Any], wanted: Any) -> None:
    waiting = []
    for start in range(0, len(places), 256):
        waiting.append(reader.read(places[start : start + 256], wanted))
        if len(waiting) > 2:
            first = waiting.pop(0)
            first.collect()
            first.release()
    for reading in waiting:
        reading.collect()
        reading.release()


def read_places(posts: pa.Table) -> list[tuple[str, str, str]]:
    columns = posts.select(["container", "member", "digest"]).to_pydict()
    return list(zip(*columns.values(), strict=True))
