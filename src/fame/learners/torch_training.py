"""The training loop of the torch learners: early stopping on the fold, the best epoch kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fame.learners.epochs import EpochParams
from fame.learners.fold_training import Step
from fame.learners.torch_inputs import Inputs
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

    # Of rows: the loss and the MAE. It knows of the network whether it trains: what is minimised
    # may be another loss than the one that it stops on.
    Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Updates:
    """How a batch's gradients change a network.

    Attributes:
        optimiser: over the network's parameters.
        max_norm: of all gradients together; larger ones are scaled down to it. None: as they are.
    """

    optimiser: Optimizer
    max_norm: float | None = None


@dataclass(frozen=True)
class Phase:
    """How a training went: the best epoch, counted from 1, and the steps up to the stop."""

    best_epoch: int
    steps: list[Step]


def seed(*numbers: int) -> None:
    """Seed torch by several numbers: a learner's, a fold's, a phase's."""
    import torch

    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1)[0]))


def use_adam(network: Module, settings: EpochParams) -> Updates:
    """Adam, as its authors have it."""
    import torch

    optimiser = torch.optim.Adam(
        network.parameters(), lr=settings.learning_rate, fused=is_fused(network)
    )
    return Updates(optimiser)


def is_fused(network: Module) -> bool:
    """Whether an optimiser is to change all weights at once.

    On a GPU, where a launch for each of them takes longer than what it does. On a CPU that would
    save little and change the last digits.
    """
    return all(weights.is_cuda for weights in network.parameters())


def train(
    network: Module,
    loss: Loss,
    data: list[Inputs],
    settings: EpochParams,
    updates: Updates,
    name: str,
    bar: Any,
) -> Phase:
    """Train until the validation loss has not improved for ``patience`` epochs; keep the best.

    Raises:
        InputError: no epoch had a finite loss.
    """
    training, validation = data
    best_loss, best_epoch, best_state, steps = float("inf"), 0, {}, []
    for epoch in range(1, settings.epochs + 1):
        training_mae = _run_epoch(network, loss, training, settings.batch_size, updates)
        validation_loss, validation_mae = _evaluate(network, loss, validation)
        steps.append(Step(name, epoch, training_mae, validation_mae))
        bar.update()
        if validation_loss < best_loss:
            best_loss, best_epoch = validation_loss, epoch
            best_state = {key: value.clone() for key, value in network.state_dict().items()}
        if epoch - best_epoch >= settings.patience:
            break
    if not best_state:
        raise InputError(f"table: the loss of {name} is not finite; lower its learning_rate")
    network.load_state_dict(best_state)
    return Phase(best_epoch, steps)


def _run_epoch(
    network: Module, loss: Loss, data: Inputs, batch_size: int, updates: Updates
) -> float:
    """One pass in random order; the mean MAE of its batches, noise and dropout included."""
    import torch

    network.train()
    maes, sizes = [], []
    for x, labels in data.read(split_batches(torch.randperm(len(data.rows)), batch_size)):
        updates.optimiser.zero_grad()
        value, mae = loss(x, labels)
        value.backward()
        if updates.max_norm is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), updates.max_norm)
        updates.optimiser.step()
        maes.append(mae.detach())
        sizes.append(len(x))
    return float(_average(maes, sizes))


def split_batches(order: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """Batches of an order; a single row left over joins the last, as BatchNorm needs two."""
    import torch

    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return tuple(batches)


def _evaluate(network: Module, loss: Loss, data: Inputs) -> tuple[float, float]:
    """Loss and MAE over all rows, without noise and dropout."""
    import torch

    network.eval()
    found, sizes = [], []
    with torch.no_grad():
        for x, labels in data.read_in_order():
            found.append(torch.stack(loss(x, labels)))
            sizes.append(len(x))
    value, mae = _average(found, sizes)
    return float(value), float(mae)


def _average(means: list[Tensor], sizes: list[int]) -> np.ndarray:
    """(...) float64 over all rows of the batches' means (...), batch after batch.

    They are read from the device here and together: to read one makes the next step wait.
    """
    import torch

    batches = torch.stack(means).double().cpu().numpy()
    weighed = batches.T * np.array(sizes)
    return weighed.cumsum(axis=-1)[..., -1] / sum(sizes)
