"""Training of the denoising autoencoder: an encoder that cleans and predicts, then a head on it.

The paper's equations, with what it leaves open chosen as follows.

- X is the table standardised with the training rows' means and deviations and clipped; a missing
  number is 0, the mean. The decoder ends in a ReLU, as published: it can rebuild the part of X
  above the mean.
- A category becomes one column a value (0 or 1), for its most frequent values in the training
  rows; any other value is all zeros.
- The last bias of both phases starts at the median of the training rows' labels.
- In phase 2 the frozen encoder sees X without noise; the noise is in the layers that learn.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fame.learners.contract import FitTable
from fame.learners.dae.networks import (
    SUFFIX,
    Trained,
    apply_head,
    build_decoder,
    build_encoder,
    build_head,
    decode,
    encode,
)
from fame.learners.dae.params import Params
from fame.learners.fold_training import Fitted, FoldTrainer
from fame.learners.standardising import Preparation, fit_preparation, prepare
from fame.learners.torch_inputs import Inputs
from fame.learners.torch_training import Phase, seed, train, use_adam
from fame.runtime import ids, progress
from fame.runtime.devices import choose_device, deterministic

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ModuleDict


class Trainer(FoldTrainer):
    """Phase 1 trains the encoder, phase 2 a head on the encoder's output beside X.

    Both phases see a fold's training rows alone, so that an out-of-fold prediction never saw its
    label (the paper trains phase 1 once for all folds: its predictions out of fold are flattered).
    """

    suffix = SUFFIX

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """Both phases; each keeps the epoch with the lowest loss on the fold's rows."""
        from torch.nn import ModuleDict

        rows = table.training_rows(fold)
        total = self.params.phase_1.epochs + self.params.phase_2.epochs
        with (
            deterministic(self.params.threads),
            progress.bar(total, f"fold {fold}", "epochs") as bar,
        ):
            preparation = fit_preparation(table, rows, table.numeric, self.params)
            data = self._split(table, fold, preparation)
            encoder, first = _fit_autoencoder(self.params, preparation.width, data, fold, bar)
            data = [replace(part, encoded=_encode_all(encoder, part)) for part in data]
            head, second = _fit_head(self.params, preparation.width, data, fold, bar)
            trained = Trained(preparation, ModuleDict({"encoder": encoder, "head": head}))
            device = choose_device(self.runtime.device)
            predicted = trained.predict(table, table.validation_rows(fold), device)
        return Fitted(
            model=trained,
            best_iteration=second.best_epoch,
            prediction=predicted,
            curve=first.steps + second.steps,
            notes={
                "best_iteration_phase_1": first.best_epoch,
                "encoder_fitted_on": ids.digest(table.post_ids[rows]),
            },
        )

    def write_model(self, model: Trained, path: Path) -> None:
        """Weights and preparation as safetensors."""
        model.write(path)

    def _split(self, table: FitTable, fold: int, preparation: Preparation) -> list[Inputs]:
        """The fold's training rows and its validation rows."""
        import torch

        device = choose_device(self.runtime.device)
        data = []
        for rows in (table.training_rows(fold), table.validation_rows(fold)):
            labels = torch.from_numpy(table.popularity[rows].astype(np.float32)).to(device)
            own = partial(prepare, preparation=preparation)
            part = Inputs(table, rows, own, labels, self.runtime.workers)
            # On a CPU to standardise again is little beside the arithmetic, whose last digits
            # depend on how the rows lie in memory.
            data.append(part.hold() if labels.is_cuda else part)
        return data


def _encode_all(encoder: ModuleDict, data: Inputs) -> Tensor:
    """(n, e) of the frozen encoder."""
    import torch

    encoder.to(data.labels.device).eval()
    width = encoder["encode"].out_features
    encoded = torch.empty(len(data.rows), width, device=data.labels.device)
    with torch.no_grad():
        done = 0
        for x, _ in data.read_in_order():
            encoded[done : done + len(x)] = encode(encoder, x, 0)
            done += len(x)
    return encoded


def _fit_autoencoder(
    params: Params, width: int, data: list[Inputs], fold: int, bar: Any
) -> tuple[ModuleDict, Phase]:
    """Phase 1 on the training rows, stopped on the validation rows."""
    import torch

    seed(params.seed, fold, 1)
    labels = data[0].labels
    encoder, decoder = build_encoder(width, params), build_decoder(width, params)
    networks = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder}).to(labels.device)
    torch.nn.init.constant_(decoder["predict"].bias, labels.median().item())

    def loss(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        sigma, dropout = (params.sigma, params.phase_1.dropout) if networks.training else (0, 0)
        decoded, p1 = decode(decoder, encode(encoder, x, sigma), dropout)
        mae = (labels - p1).abs().mean()
        return mae + (decoded - x).abs().mean(), mae

    updates = use_adam(networks, params.phase_1)
    return encoder, train(networks, loss, data, params.phase_1, updates, "phase_1", bar)


def _fit_head(
    params: Params, width: int, data: list[Inputs], fold: int, bar: Any
) -> tuple[ModuleDict, Phase]:
    """Phase 2 on c = [encoded, X] of the training rows, stopped on those of the validation rows."""
    import torch

    seed(params.seed, fold, 2)
    labels = data[0].labels
    head = build_head(width, params).to(labels.device)
    torch.nn.init.constant_(head["predict"].bias, labels.median().item())

    def loss(c: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        sigma, dropout = (params.sigma, params.phase_2.dropout) if head.training else (0, 0)
        mae = (labels - apply_head(head, c, sigma, dropout)).abs().mean()
        return mae, mae

    updates = use_adam(head, params.phase_2)
    return head, train(head, loss, data, params.phase_2, updates, "phase_2", bar)
