"""Rows of a table as a torch network takes them, read from the disk batch by batch.

The table is never held: what a training needs of it at a time are some batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fame.learners.contract import Table

if TYPE_CHECKING:
    from torch import Tensor

    Batch = tuple[Tensor, Tensor]  # what goes into a network (m, width) and the labels (m,)

BATCHES_AHEAD = 1  # read while one is computed
CHUNK_ROWS = 512  # read at a time where the batches do not matter, and computed in a prediction


@dataclass(frozen=True)
class Inputs:
    """Rows of a table as a network takes them, read from the disk whenever they are asked for.

    Attributes:
        rows: (n,) positions in the table.
        prepare: some of the rows (m,) -> (m, width) float32.
        labels: (n,) of them, on the device.
        encoded: (n, e) what stands beside them, on the device, or None.
    """

    table: Table
    rows: np.ndarray
    prepare: Callable[[Table, np.ndarray], np.ndarray]
    labels: Tensor
    encoded: Tensor | None = None

    def read(self, batches: Iterable[Tensor]) -> Iterator[Batch]:
        """Each batch (m,) of positions in ``rows``; the next one is read meanwhile."""
        waiting: deque[tuple[Tensor, Future[np.ndarray]]] = deque()
        with ThreadPoolExecutor(1) as thread:
            for batch in batches:
                rows = self.rows[batch.numpy()]
                waiting.append((batch, thread.submit(self.prepare, self.table, rows)))
                if len(waiting) > BATCHES_AHEAD:
                    yield self._place(*waiting.popleft())
            while waiting:
                yield self._place(*waiting.popleft())

    def read_in_order(self) -> Iterator[Batch]:
        """All rows, chunk by chunk."""
        import torch

        return self.read(torch.arange(len(self.rows)).split(CHUNK_ROWS))

    def _place(self, batch: Tensor, prepared: Future[np.ndarray]) -> Batch:
        import torch

        batch, x = batch.to(self.labels.device), torch.from_numpy(prepared.result())
        x = x.to(self.labels.device)
        if self.encoded is not None:
            x = torch.cat([self.encoded[batch], x], dim=1)
        return x, self.labels[batch]


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
