"""TabM: an ensemble of networks that share most of their weights, and its file.

Gorishniy, Kotelnikov, Babenko: TabM: Advancing Tabular Deep Learning with Parameter-Efficient
Ensembling. The layers are those of the authors' packages `tabm` and `rtdl_num_embeddings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fame.learners.contract import Table
from fame.learners.tabm.inputs import Inputs, build_inputs, list_arrays
from fame.learners.torch_inputs import predict_in_chunks

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ModuleDict

SUFFIX = ".safetensors"


class Size(NamedTuple):
    """How large a network is."""

    members: int
    width: int
    blocks: int
    embedding_width: int


@dataclass(frozen=True)
class Trained:
    """What predicts.

    Attributes:
        inputs: what turns a table's rows into the network's inputs.
        labels: (2,) float64 mean and deviation of the training rows' labels.
        size: of the networks.
        networks: as `build_networks` has them.
    """

    inputs: Inputs
    labels: np.ndarray
    size: Size
    networks: ModuleDict

    def predict(self, table: Table, rows: np.ndarray, device: str) -> np.ndarray:
        """(m,) float64 of a table's rows (m,): the mean of the members, without dropout."""
        import torch

        networks = self.networks.to(device).eval()
        mean, deviation = self.labels

        def predict(part: np.ndarray) -> np.ndarray:
            x = torch.from_numpy(self.inputs.prepare(table, part)).to(device)
            members = apply_networks(networks, x)
            return members.mean(dim=1).double().cpu().numpy() * deviation + mean

        with torch.inference_mode():
            return predict_in_chunks(rows, predict)

    def write(self, path: Path) -> None:
        """Weights and inputs as safetensors; the same are the same bytes."""
        import torch
        from safetensors.torch import save

        arrays = list_arrays(self.inputs)
        tensors = {f"inputs.{name}": torch.from_numpy(arrays[name]) for name in arrays}
        tensors |= {"labels": torch.from_numpy(self.labels), "size": torch.tensor(self.size)}
        tensors |= {f"networks.{name}": v.cpu() for name, v in self.networks.state_dict().items()}
        path.write_bytes(save(tensors))

    @classmethod
    def read(cls, path: Path) -> Trained:
        """What ``write`` wrote."""
        from safetensors.torch import load_file

        tensors = load_file(path)
        parts: dict[str, dict[str, Tensor]] = {"inputs": {}, "networks": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = tensor
        inputs = build_inputs({name: v.numpy() for name, v in parts["inputs"].items()})
        size = Size(*tensors["size"].tolist())
        networks = build_networks(inputs, size, dropout=0)
        networks.load_state_dict(parts["networks"])
        return cls(inputs, tensors["labels"].numpy(), size, networks)


def build_networks(inputs: Inputs, size: Size, dropout: float) -> ModuleDict:
    """Embedding (where there are ranked numbers), the members' view, their backbone and head."""
    import torch
    from rtdl_num_embeddings import PiecewiseLinearEmbeddings
    from tabm import EnsembleView, LinearEnsemble, make_tabm_backbone
    from torch.nn import ModuleDict

    bins = [torch.from_numpy(edges) for edges in inputs.bins]
    widths = [size.embedding_width] * len(bins) + [1] * (inputs.width - len(bins))
    networks = ModuleDict()
    if bins:
        networks["embedding"] = PiecewiseLinearEmbeddings(
            bins, size.embedding_width, activation=False, version="B"
        )
    networks["view"] = EnsembleView(k=size.members)
    networks["backbone"] = make_tabm_backbone(
        d_in=sum(widths),
        n_blocks=size.blocks,
        d_block=size.width,
        dropout=dropout,
        k=size.members,
        start_scaling_init="normal",
        start_scaling_init_chunks=widths,
    )
    networks["head"] = LinearEnsemble(size.width, 1, k=size.members)
    return networks


def apply_networks(networks: ModuleDict, x: Tensor) -> Tensor:
    """(n, members) standardised predictions of inputs (n, width)."""
    import torch

    if "embedding" in networks:
        ranked = len(networks["embedding"].linear.weight)
        embedded = networks["embedding"](x[:, :ranked]).flatten(1)
        x = torch.cat([embedded, x[:, ranked:]], dim=1)
    return networks["head"](networks["backbone"](networks["view"](x))).squeeze(-1)
