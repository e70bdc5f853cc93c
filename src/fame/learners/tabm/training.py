"""Training of TabM: each member learns the labels, what stops it is the error of their mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fame.learners import torch_inputs
from fame.learners.contract import FitTable
from fame.learners.fold_training import Fitted, FoldTrainer
from fame.learners.growth import settled
from fame.learners.tabm.inputs import Inputs, fit_inputs
from fame.learners.tabm.networks import SUFFIX, Size, Trained, apply_networks, build_networks
from fame.learners.tabm.params import Params, TrainingParams
from fame.learners.torch_training import Phase, Updates, is_fused, seed, train
from fame.runtime import progress
from fame.runtime.devices import choose_device, deterministic

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Module, ModuleDict

    from fame.learners.torch_training import Loss


class Trainer(FoldTrainer):
    """An ensemble a fold; what its inputs are fitted on are the fold's training rows alone."""

    suffix = SUFFIX

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """Epochs until the fold's error has not improved for ``patience`` of them."""
        rows, device = table.training_rows(fold), choose_device(self.runtime.device)
        settings: Params = self.settings
        with (
            deterministic(settings.threads),
            progress.bar(settings.training.epochs, f"fold {fold}", "epochs") as bar,
        ):
            inputs = fit_inputs(table, rows, settings)
            labels = table.popularity[rows]
            labels = np.array([labels.mean(), labels.std() or 1])
            seed(settings.seed, fold)
            size = Size(
                settled(settings.members),
                settled(settings.width),
                settled(settings.blocks),
                settings.embedding_width,
            )
            networks = build_networks(inputs, size, settings.dropout).to(device)
            data = [
                _read(table, part, inputs, device, self.runtime.workers)
                for part in (rows, table.validation_rows(fold))
            ]
            phase = _train(networks, data, labels, settings, bar)
            trained = Trained(inputs, labels, size, networks)
            prediction = trained.predict(table, table.validation_rows(fold), device)
        return Fitted(
            model=trained,
            best_iteration=phase.best_epoch,
            prediction=prediction,
            curve=phase.steps,
        )

    def write_model(self, model: Trained, path: Path) -> None:
        """Weights and what the inputs were fitted to as safetensors."""
        model.write(path)


def _read(
    table: FitTable, rows: np.ndarray, inputs: Inputs, device: str, threads: int
) -> torch_inputs.Inputs:
    import torch

    labels = torch.from_numpy(table.popularity[rows].astype(np.float32)).to(device)
    return torch_inputs.Inputs(table, rows, inputs.prepare, labels, threads).hold()


def _train(
    networks: ModuleDict,
    data: list[torch_inputs.Inputs],
    labels: np.ndarray,
    settings: Params,
    bar: Any,
) -> Phase:
    loss = _make_loss(networks, labels, settings)
    updates = _choose_updates(networks, settings.training)
    return train(networks, loss, data, settings.training, updates, "training", bar)


def _make_loss(networks: ModuleDict, labels: np.ndarray, settings: Params) -> Loss:
    """In training the members' own errors, else that of their mean."""
    mean, deviation = map(float, labels)

    def find_loss(x: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        wanted = (label - mean) / deviation
        members = apply_networks(networks, x)
        error = members.mean(dim=1) - wanted
        mae = error.abs().mean() * deviation
        if networks.training:
            return _measure(members - wanted[:, None], settings.loss), mae
        return _measure(error, settings.stop_on), mae

    return find_loss


def _measure(error: Tensor, loss: str) -> Tensor:
    # The square stands for the root: both are smallest at once.
    return error.abs().mean() if loss == "mae" else error.square().mean()


def _choose_updates(network: Module, params: TrainingParams) -> Updates:
    from torch import optim

    kind = {"adam": optim.Adam, "adamw": optim.AdamW}[params.optimiser]
    optimiser = kind(
        network.parameters(),
        lr=params.learning_rate,
        weight_decay=params.weight_decay,
        fused=is_fused(network),
    )
    return Updates(optimiser, params.max_gradient_norm)
