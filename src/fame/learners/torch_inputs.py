"""Rows of a table as a torch network takes them: prepared once where they fit, else batch by batch.

A table may be larger than the memory. What a training holds of it are the prepared rows, where it
asks for that and they take no more than a stated room on the device, or else some batches. The
numbers are the same either way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import CHUNK_ROWS as ROWS_READ
from fame.learners.contract import Table

if TYPE_CHECKING:
    from torch import Tensor, device

    Batch = tuple[Tensor, Tensor]  # what goes into a network (m, width) and the labels (m,)

CHUNK_ROWS = 512  # computed at a time in a prediction, and on a CPU where the batches do not matter
GPU_CHUNK_ROWS = 2048  # on a GPU where the batches do not matter: 512 rows would leave it idle
HELD_BYTES = 2**29  # of prepared rows that are held in the machine's memory
HELD_SHARE = 0.5  # of a GPU's free memory that prepared rows may take
AHEAD_BYTES = 2**27  # of batches that are prepared while one is computed


@dataclass(frozen=True)
class Inputs:
    """Rows of a table as a network takes them.

    Attributes:
        rows: (n,) positions in the table.
        prepare: some of the rows (m,) -> (m, width) float32, each whatever stands beside it.
        labels: (n,) of them, on the device.
        threads: that prepare batches; their number changes nothing of what is read.
        encoded: (n, e) what stands beside them, on the device, or None.
        held: (n, width) all rows, prepared and on the device; None: prepared at each reading.
    """

    table: Table
    rows: np.ndarray
    prepare: Callable[[Table, np.ndarray], np.ndarray]
    labels: Tensor
    threads: int
    encoded: Tensor | None = None
    held: Tensor | None = None

    def hold(self) -> Inputs:
        """The same rows, prepared now and held on the device if it has room for them."""
        import torch

        width = self.prepare(self.table, self.rows[:1]).shape[1]
        if 4 * width * len(self.rows) > find_room(self.labels.device):
            return self
        held = torch.empty(len(self.rows), width, device=self.labels.device)
        parts = torch.arange(len(self.rows)).split(ROWS_READ)
        for part, x in zip(held.split(ROWS_READ), self._prepare_ahead(parts), strict=True):
            part.copy_(x, non_blocking=True)
        return replace(self, held=held)

    def read(self, batches: tuple[Tensor, ...]) -> Iterator[Batch]:
        """Each batch (m,) of positions in ``rows``, in order."""
        import torch

        on = self.labels.device
        # At once: a copy a step would wait for the device each time.
        places = torch.cat(batches).to(on).split([len(batch) for batch in batches])
        held = self.held
        prepared = self._prepare_ahead(batches) if held is None else (held[own] for own in places)
        for own, part in zip(places, prepared, strict=True):
            x = part.to(on, non_blocking=True)
            if self.encoded is not None:
                x = torch.cat([self.encoded[own], x], dim=1)
            yield x, self.labels[own]

    def read_in_order(self) -> Iterator[Batch]:
        """All rows, chunk by chunk."""
        import torch

        chunk_rows = GPU_CHUNK_ROWS if self.labels.is_cuda else CHUNK_ROWS
        return self.read(torch.arange(len(self.rows)).split(chunk_rows))

    def _prepare_ahead(self, batches: tuple[Tensor, ...]) -> Iterator[Tensor]:
        """Each batch (m, width), in order; threads prepare the next ones meanwhile."""
        waiting: deque[Future[Tensor]] = deque()
        batch_bytes = 4 * max(map(len, batches)) * len(self.table.columns)
        ahead = max(1, min(2 * self.threads, AHEAD_BYTES // max(1, batch_bytes)))
        with ThreadPoolExecutor(self.threads) as threads:
            for batch in batches:
                waiting.append(threads.submit(self._prepare_batch, batch))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _prepare_batch(self, batch: Tensor) -> Tensor:
        """(m, width) in memory from which a GPU, if it is one, copies by itself."""
        import torch

        prepared = self.prepare(self.table, self.rows[batch.numpy()])
        if not self.labels.is_cuda:
            return torch.from_numpy(prepared)
        pinned = torch.empty(prepared.shape, pin_memory=True)
        # By numpy: torch would start threads of its own in each of these threads.
        np.copyto(pinned.numpy(), prepared)
        return pinned


def find_room(on: device) -> float:
    """Bytes of prepared rows that may be held on a device."""
    import torch

    if on.type != "cuda":
        return HELD_BYTES
    kept = torch.cuda.memory_reserved(on) - torch.cuda.memory_allocated(on)  # of an earlier fold
    return HELD_SHARE * (torch.cuda.mem_get_info(on)[0] + kept)


def predict_in_chunks(rows: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(m,) float64 of ``rows`` (m,), always CHUNK_ROWS at a time, the last ones filled up.

    A product of matrices of another shape may be added up in another order: so a post gets the same
    number whatever stands beside it, alone or among a million.
    """
    parts = [np.empty(0)]
    for start in range(0, len(rows), CHUNK_ROWS):
        own = rows[start : start + CHUNK_ROWS]
        filled = np.pad(own, (0, CHUNK_ROWS - len(own)), mode="edge")
        parts.append(predict(filled)[: len(own)])
    return np.concatenate(parts)
