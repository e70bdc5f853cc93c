"""How torch is run: on which device, and so that the same inputs give the same numbers."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from fame.runtime.errors import InputError

if TYPE_CHECKING:
    import torch

_DECLARED: list[Any] = []  # what they declare lasts as long as they do


def choose_device(wanted: str) -> str:
    """``cpu`` or ``cuda`` for runtime.device, where ``auto`` takes CUDA if it is there.

    Raises:
        InputError: CUDA is asked for by name and is not there.
    """
    present = wanted != "cpu" and _sees_cuda()
    if wanted == "cuda" and not present:
        raise InputError(
            "params.yaml: runtime.device: found 'cuda', but torch sees no such device; "
            "allowed on this machine: auto, cpu"
        )
    return "cuda" if present else "cpu"


def count_cards(wanted: str) -> int:
    """GPUs that a process may use for runtime.device."""
    if choose_device(wanted) == "cpu":
        return 0
    import torch

    return torch.cuda.device_count()


def count_card_bytes() -> int:
    """Memory of the GPU."""
    import torch

    return torch.cuda.get_device_properties(0).total_memory


def _sees_cuda() -> bool:
    """Asks torch, whose import takes seconds, only where there is a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return torch.cuda.is_available()


@contextmanager
def pinning(memory: np.ndarray) -> Iterator[None]:
    """Let a GPU copy from ``memory`` beside what it computes, if the system allows that."""
    import torch

    driver = torch.cuda.cudart()
    pinned = int(driver.cudaHostRegister(memory.ctypes.data, memory.nbytes, 0)) == 0
    try:
        yield
    finally:
        if pinned:
            torch.cuda.synchronize()
            driver.cudaHostUnregister(memory.ctypes.data)


def send(array: np.ndarray, device: "torch.device") -> "torch.Tensor":
    """An array on the device; a GPU copies it behind what it has to do, and nobody waits."""
    import torch

    tensor = torch.from_numpy(array)
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)  # what is not pinned is waited for


def mark() -> Callable[[], None]:
    """A function that waits, without using a core, until the GPU has done what it has to do now."""
    import torch

    event = torch.cuda.Event(blocking=True)
    event.record()
    return event.synchronize


def use_one_thread() -> None:
    """Keep torch's operators in the calling thread, if anything has imported torch.

    Splitting work among threads and not inside an operator keeps a result the same whatever their
    number, and no core waits for another.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Deterministic algorithms on fixed threads; the caller's settings and random state return."""
    import torch
    from torch.utils import deterministic as memory

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA needs for it
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filled = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    # As use_deterministic_algorithms(True), which also imports torch's compiler: seconds.
    torch.set_deterministic_debug_mode("error")
    # Else every new tensor is written twice, on a GPU by a launch of its own.
    memory.fill_uninitialized_memory = False
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        memory.fill_uninitialized_memory = filled


def import_torchvision() -> None:
    """Import torchvision, also where its operators fail to load.

    Its wheel is built for CUDA: beside a CPU build of torch, two operators that nobody here calls
    are not declared, and then neither torchvision nor what imports it can be imported.
    """
    from torch import library

    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        added = library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            added.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _DECLARED.append(added)
        import torchvision  # noqa: F401
