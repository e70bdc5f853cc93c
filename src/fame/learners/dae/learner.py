"""The denoising autoencoder: an encoder trained to clean and to predict, then a head on it.

The paper's equations, with what it leaves open chosen as follows.

- X is the table standardised with the training rows' means and deviations; a missing number is 0,
  the mean. The decoder ends in a ReLU, as published: it can rebuild the part of X above the mean.
- A category becomes one column a value (0 or 1), for its most frequent values in the training
  rows; any other value is all zeros.
- The last bias of both phases starts at the median of the training rows' labels.
- In phase 2 the frozen encoder sees X without noise; the noise is in the layers that learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fame.learners.contract import Table
from fame.learners.dae.inputs import Inputs, Preparation, fit_preparation, prepare
from fame.learners.folds import Fitted, FoldLearner, Step
from fame.params import Count, LearnerParams, NonNegative, Positive, Strict
from fame.runtime import ids, progress
from fame.runtime.devices import choose_device, deterministic
from fame.runtime.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ModuleDict

    Loss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # of rows: the loss and the MAE


class PhaseParams(Strict):
    """How a phase is trained."""

    epochs: Count
    patience: Count
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Params(LearnerParams):
    """The block of a learner of kind dae."""

    encoded_width: Count
    decoder_width: Count
    head_widths: Annotated[list[Count], Field(min_length=2, max_length=2)]
    sigma: NonNegative
    max_categories: Annotated[int, Field(ge=0)]
    encoder: Literal["per_fold", "shared"]
    phase_1: PhaseParams
    phase_2: PhaseParams
    threads: Count


@dataclass(frozen=True)
class Phase:
    """How a phase went: the best epoch, counted from 1, and the steps up to the stop."""

    best_epoch: int
    steps: list[Step]


@dataclass(frozen=True)
class Model:
    """What predicts: ``networks`` are the encoder and the head."""

    preparation: Preparation
    networks: ModuleDict


class DenoisingAutoencoder(FoldLearner):
    """Phase 1 trains the encoder, phase 2 a head on the encoder's output beside X.

    With ``encoder: per_fold`` both phases see a fold's training rows, so a prediction out
    of fold never saw its label. With ``shared`` (the paper's wording) phase 1 is trained once, on
    the rows outside the first fold and stopped on those in it: quicker, but the predictions out of
    fold are then flattered by labels that the encoder has seen. Holdout and challenge rows are
    never seen.
    """

    Params = Params
    suffix = ".safetensors"

    def fit_fold(self, table: Table, fold: int) -> Fitted:
        """Both phases; each keeps the epoch with the lowest loss on the fold's rows."""
        from torch.nn import ModuleDict

        source = table.folds[0] if self.params.encoder == "shared" else fold
        total = self.params.phase_1.epochs + self.params.phase_2.epochs
        with (
            deterministic(self.params.threads),
            progress.bar(total, f"dae fold {fold}", "epochs") as bar,
        ):
            if source == fold:
                preparation = fit_preparation(
                    table, table.training_rows(fold), self.params.max_categories
                )
                data = self._split(table, fold, preparation)
                encoder, first = _fit_autoencoder(self.params, data, fold, bar)
                best_epoch, steps = first.best_epoch, first.steps
            else:
                model, record, _ = self._finished[source]
                preparation, encoder = model.preparation, model.networks["encoder"]
                data = self._split(table, fold, preparation)
                best_epoch, steps = record["best_iteration_phase_1"], []
            data = [replace(part, encoded=_encode_all(encoder, part)) for part in data]
            head, second = _fit_head(self.params, data, fold, bar)
        return Fitted(
            model=Model(preparation, ModuleDict({"encoder": encoder, "head": head})),
            best_iteration=second.best_epoch,
            validation_mae=second.steps[second.best_epoch - 1].validation_mae,
            curve=steps + second.steps,
            notes={
                "best_iteration_phase_1": best_epoch,
                "encoder_fitted_on": ids.digest(table.post_ids[table.training_rows(source)]),
            },
        )

    def predict_model(self, model: Model, table: Table, rows: np.ndarray) -> np.ndarray:
        """Predictions (m,)."""
        import torch

        networks = model.networks.to(choose_device(self.runtime.device)).eval()
        with deterministic(self.params.threads), torch.inference_mode():
            x = self._to_device(prepare(table, rows, model.preparation))
            c = torch.cat([_encode(networks["encoder"], x, 0), x], dim=1)
            return _apply_head(networks["head"], c, 0, 0).double().cpu().numpy()

    def write_model(self, model: Model, path: Path) -> None:
        """Weights and preparation as safetensors."""
        import torch
        from safetensors.torch import save

        arrays = vars(model.preparation)
        tensors = {f"preparation.{name}": torch.from_numpy(arrays[name]) for name in arrays}
        tensors |= {name: v.cpu() for name, v in model.networks.state_dict().items()}
        path.write_bytes(save(tensors))

    def read_model(self, path: Path) -> Model:
        """A model that ``write_model`` wrote."""
        from safetensors.torch import load_file
        from torch.nn import ModuleDict

        tensors = load_file(path)
        names = Preparation.__dataclass_fields__
        arrays = {name: tensors.pop(f"preparation.{name}").numpy() for name in names}
        width = len(tensors["encoder.norm.weight"])
        networks = ModuleDict(
            {"encoder": _build_encoder(width, self.params), "head": _build_head(width, self.params)}
        )
        networks.load_state_dict(tensors)
        return Model(Preparation(**arrays), networks)

    def _split(self, table: Table, fold: int, preparation: Preparation) -> list[Inputs]:
        """The fold's training rows and its validation rows."""
        data = []
        for rows in (table.training_rows(fold), table.validation_rows(fold)):
            labels = self._to_device(table.popularity[rows].astype(np.float32))
            data.append(Inputs(table, rows, preparation, labels))
        return data

    def _to_device(self, values: np.ndarray) -> Tensor:
        import torch

        return torch.from_numpy(values).to(choose_device(self.runtime.device))


def _build_encoder(width: int, params: Params) -> ModuleDict:
    from torch.nn import BatchNorm1d, Linear, ModuleDict

    return ModuleDict({"norm": BatchNorm1d(width), "encode": Linear(width, params.encoded_width)})


def _build_decoder(width: int, params: Params) -> ModuleDict:
    from torch.nn import BatchNorm1d, Linear, ModuleDict

    decode = Linear(params.encoded_width, width)
    hidden, norm = Linear(width, params.decoder_width), BatchNorm1d(params.decoder_width)
    predict = Linear(params.decoder_width, 1)
    return ModuleDict({"decode": decode, "hidden": hidden, "norm": norm, "predict": predict})


def _build_head(width: int, params: Params) -> ModuleDict:
    from torch.nn import Linear, ModuleDict

    first, second = params.head_widths
    hidden = {"first": Linear(params.encoded_width + width, first), "second": Linear(first, second)}
    return ModuleDict(hidden | {"predict": Linear(second, 1)})


def _encode(encoder: ModuleDict, x: Tensor, sigma: float) -> Tensor:
    """ReLU(W1 GaussianNoise(BatchNorm(x)) + b1)."""
    return encoder["encode"](_add_noise(encoder["norm"](x), sigma)).relu()


def _decode(decoder: ModuleDict, encoded: Tensor, dropout: float) -> tuple[Tensor, Tensor]:
    """``decoded`` (n, width) and ``p1`` (n,)."""
    from torch.nn.functional import dropout as drop

    decoded = decoder["decode"](drop(encoded, dropout)).relu()
    hidden = decoder["norm"](decoder["hidden"](decoded).relu())
    return decoded, decoder["predict"](drop(hidden, dropout)).squeeze(1)


def _apply_head(head: ModuleDict, c: Tensor, sigma: float, dropout: float) -> Tensor:
    """``p`` (n,) of c = [encoded, X]: linear layers, as published, between noise and dropout."""
    from torch.nn.functional import dropout as drop

    for layer in ("first", "second"):
        c = drop(_add_noise(head[layer](c), sigma), dropout)
    return head["predict"](c).squeeze(1)


def _add_noise(values: Tensor, sigma: float) -> Tensor:
    import torch

    return values + sigma * torch.randn_like(values) if sigma else values


def _encode_all(encoder: ModuleDict, data: Inputs) -> Tensor:
    """(n, e) of the frozen encoder."""
    import torch

    encoder.to(data.labels.device).eval()
    width = encoder["encode"].out_features
    encoded = torch.empty(len(data.rows), width, device=data.labels.device)
    with torch.no_grad():
        done = 0
        for x, _ in data.read_in_order():
            encoded[done : done + len(x)] = _encode(encoder, x, 0)
            done += len(x)
    return encoded


def _fit_autoencoder(
    params: Params, data: list[Inputs], fold: int, bar: Any
) -> tuple[ModuleDict, Phase]:
    """Phase 1 on the training rows, stopped on the validation rows."""
    import torch

    _seed(params.seed, fold, 1)
    labels, width = data[0].labels, data[0].preparation.width
    encoder, decoder = _build_encoder(width, params), _build_decoder(width, params)
    networks = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder}).to(labels.device)
    torch.nn.init.constant_(decoder["predict"].bias, labels.median().item())

    def loss(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        sigma, dropout = (params.sigma, params.phase_1.dropout) if networks.training else (0, 0)
        decoded, p1 = _decode(decoder, _encode(encoder, x, sigma), dropout)
        mae = (labels - p1).abs().mean()
        return mae + (decoded - x).abs().mean(), mae

    return encoder, _train(networks, loss, data, params.phase_1, "phase_1", bar)


def _fit_head(params: Params, data: list[Inputs], fold: int, bar: Any) -> tuple[ModuleDict, Phase]:
    """Phase 2 on c = [encoded, X] of the training rows, stopped on those of the validation rows."""
    import torch

    _seed(params.seed, fold, 2)
    labels = data[0].labels
    head = _build_head(data[0].preparation.width, params).to(labels.device)
    torch.nn.init.constant_(head["predict"].bias, labels.median().item())

    def loss(c: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        sigma, dropout = (params.sigma, params.phase_2.dropout) if head.training else (0, 0)
        mae = (labels - _apply_head(head, c, sigma, dropout)).abs().mean()
        return mae, mae

    return head, _train(head, loss, data, params.phase_2, "phase_2", bar)


def _seed(*seeds: int) -> None:
    import torch

    torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))


def _train(
    network: ModuleDict, loss: Loss, data: list[Inputs], settings: PhaseParams, name: str, bar: Any
) -> Phase:
    """Adam until the validation loss has not improved for ``patience`` epochs; keeps the best.

    Raises:
        InputError: no epoch had a finite loss.
    """
    import torch

    training, validation = data
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    best_loss, best_epoch, best_state, steps = float("inf"), 0, {}, []
    for epoch in range(1, settings.epochs + 1):
        training_mae = _run_epoch(network, loss, training, settings.batch_size, optimiser)
        validation_loss, validation_mae = _evaluate(network, loss, validation)
        steps.append(Step(name, epoch, training_mae, validation_mae))
        bar.update()
        if validation_loss < best_loss:
            best_loss, best_epoch = validation_loss, epoch
            best_state = {key: value.clone() for key, value in network.state_dict().items()}
        if epoch - best_epoch >= settings.patience:
            break
    if not best_state:
        raise InputError(f"table: dae: the loss of {name} is not finite; lower its learning_rate")
    network.load_state_dict(best_state)
    return Phase(best_epoch, steps)


def _run_epoch(
    network: ModuleDict, loss: Loss, data: Inputs, batch_size: int, optimiser: Any
) -> float:
    """One pass in random order; the mean MAE of its batches, noise and dropout included."""
    import torch

    network.train()
    total = 0.0
    for x, labels in data.read(split_batches(torch.randperm(len(data.rows)), batch_size)):
        optimiser.zero_grad()
        value, mae = loss(x, labels)
        value.backward()
        optimiser.step()
        total += mae.item() * len(x)
    return total / len(data.rows)


def split_batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Batches of an order; a single row left over joins the last, as BatchNorm needs two."""
    import torch

    batches = list(order.split(batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _evaluate(network: ModuleDict, loss: Loss, data: Inputs) -> tuple[float, float]:
    """Loss and MAE over all rows, without noise and dropout."""
    import torch

    network.eval()
    totals = np.zeros(2)
    with torch.no_grad():
        for x, labels in data.read_in_order():
            totals += [value.item() * len(x) for value in loss(x, labels)]
    return tuple(totals / len(data.rows))
