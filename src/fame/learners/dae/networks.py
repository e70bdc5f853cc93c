"""The networks of the denoising autoencoder by the paper's equations, and their file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import Table
from fame.learners.dae.params import Params
from fame.learners.standardising import Preparation, prepare
from fame.learners.torch_inputs import predict_in_chunks

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ModuleDict

SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Trained:
    """What predicts: ``networks`` are the encoder and the head."""

    preparation: Preparation
    networks: ModuleDict

    def predict(self, table: Table, rows: np.ndarray, device: str) -> np.ndarray:
        """(m,) float64 of a table's rows (m,), without noise and dropout."""
        import torch

        networks = self.networks.to(device).eval()

        def predict(part: np.ndarray) -> np.ndarray:
            x = torch.from_numpy(prepare(table, part, self.preparation)).to(device)
            c = torch.cat([encode(networks["encoder"], x, 0), x], dim=1)
            return apply_head(networks["head"], c, 0, 0).double().cpu().numpy()

        with torch.inference_mode():
            return predict_in_chunks(rows, predict)

    def write(self, path: Path) -> None:
        """Weights and preparation as safetensors; the same are the same bytes."""
        import torch
        from safetensors.torch import save

        arrays = vars(self.preparation)
        tensors = {f"preparation.{name}": torch.from_numpy(arrays[name]) for name in arrays}
        tensors |= {name: v.cpu() for name, v in self.networks.state_dict().items()}
        path.write_bytes(save(tensors))

    @classmethod
    def read(cls, path: Path, params: Params) -> Trained:
        """What ``write`` wrote."""
        from safetensors.torch import load_file
        from torch.nn import ModuleDict

        tensors = load_file(path)
        names = Preparation.__dataclass_fields__
        arrays = {name: tensors.pop(f"preparation.{name}").numpy() for name in names}
        width = len(tensors["encoder.norm.weight"])
        networks = ModuleDict(
            {"encoder": build_encoder(width, params), "head": build_head(width, params)}
        )
        networks.load_state_dict(tensors)
        return cls(Preparation(**arrays), networks)


def build_encoder(width: int, params: Params) -> ModuleDict:
    """W1 and the normalisation before it."""
    from torch.nn import BatchNorm1d, Linear, ModuleDict

    return ModuleDict({"norm": BatchNorm1d(width), "encode": Linear(width, params.encoded_width)})


def build_decoder(width: int, params: Params) -> ModuleDict:
    """W2 to W4 and the normalisation between."""
    from torch.nn import BatchNorm1d, Linear, ModuleDict

    decode = Linear(params.encoded_width, width)
    hidden, norm = Linear(width, params.decoder_width), BatchNorm1d(params.decoder_width)
    predict = Linear(params.decoder_width, 1)
    return ModuleDict({"decode": decode, "hidden": hidden, "norm": norm, "predict": predict})


def build_head(width: int, params: Params) -> ModuleDict:
    """W5 to W7."""
    from torch.nn import Linear, ModuleDict

    first, second = params.head_widths
    hidden = {"first": Linear(params.encoded_width + width, first), "second": Linear(first, second)}
    return ModuleDict(hidden | {"predict": Linear(second, 1)})


def encode(encoder: ModuleDict, x: Tensor, sigma: float) -> Tensor:
    """ReLU(W1 GaussianNoise(BatchNorm(x)) + b1)."""
    return encoder["encode"](_add_noise(encoder["norm"](x), sigma)).relu()


def decode(decoder: ModuleDict, encoded: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    """``decoded`` (n, width) and ``p1`` (n,)."""
    from torch.nn.functional import dropout as drop

    decoded = decoder["decode"](drop(encoded, dropout)).relu()
    hidden = decoder["norm"](decoder["hidden"](decoded).relu())
    return decoded, decoder["predict"](drop(hidden, dropout)).squeeze(1)


def apply_head(head: ModuleDict, c: Tensor, sigma: float, dropout: float) -> Tensor:
    """``p`` (n,) of c = [encoded, X]: linear layers, as published, between noise and dropout."""
    from torch.nn.functional import dropout as drop

    for layer in ("first", "second"):
        c = drop(_add_noise(head[layer](c), sigma), dropout)
    return head["predict"](c).squeeze(1)


def _add_noise(values: Tensor, sigma: float) -> Tensor:
    import torch

    return values + sigma * torch.randn_like(values) if sigma else values
