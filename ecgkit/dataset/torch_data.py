"""Batches as tensors, for torch's DataLoader. Nothing else in this package needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ecgkit.dataset.batches import Batches
from ecgkit.errors import DatasetError


class TorchBatches(IterableDataset[tuple[Tensor, ...]]):
    """The batches of an epoch as tensors: windows, (B, lead, T) float32, and each label, (B,) or (B, …).

    They are batches already: give it to a ``DataLoader`` with ``batch_size=None``. Each of its workers
    draws other batches of the same epoch, and opens the file itself. For several processes that train
    one network, set ``rank`` and ``world_size`` of `Batching`; no sampler is needed.

    Parameters
    ----------
    batches
        What to draw from.
    labels
        Arrays of the whole data set, (N,) or (N, …), in the order of its rows: whole numbers come as int64,
        others as float32.

    Raises
    ------
    DatasetError
        A label is no number.

    Examples
    --------
    >>> import numpy as np
    >>> from torch.utils.data import DataLoader
    >>> from ecgkit.dataset.batches import Batching
    >>> batches = Batches(np.zeros((5, 1, 300), "f4"), Batching(batch_size=2, seed=0))
    >>> data = TorchBatches(batches, np.arange(5))
    >>> for epoch in range(2):
    ...     data.set_epoch(epoch)
    ...     for windows, label in DataLoader(data, batch_size=None):
    ...         assert windows.shape == (len(label), 1, 300)
    """

    def __init__(self, batches: Batches, *labels: ArrayLike) -> None:
        self.batches = batches
        self._labels = [_checked_label(label, batches.n_rows) for label in labels]
        self._epoch = _shared(torch.zeros((), dtype=torch.int64))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; without it, every epoch has the order of the first."""
        self._epoch.fill_(epoch)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copy's state; torch shares a tensor only with its own workers."""
        self.__dict__.update(state)
        self._epoch = _shared(self._epoch)

    def __len__(self) -> int:
        """Return the number of batches of an epoch, for this rank."""
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Draw this worker's batches of the epoch that was set."""
        worker = get_worker_info()
        part, n_parts = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for rows, windows in self.batches.epoch(int(self._epoch), part=part, n_parts=n_parts):
            yield torch.from_numpy(windows), *(torch.from_numpy(label[rows]) for label in self._labels)


def _shared(number: Tensor) -> Tensor:
    """Put a number where workers that outlive an epoch see it change."""
    shared: Tensor = number.share_memory_()  # type: ignore[no-untyped-call]
    return shared


def _checked_label(label: ArrayLike, n_rows: int) -> np.ndarray[Any, np.dtype[Any]]:
    values = np.asarray(label)
    if values.dtype.kind not in "biuf" or values.shape[:1] != (n_rows,):
        raise DatasetError(
            f"batches: a label of type {values.dtype}, shape {values.shape}: expected numbers, one for "
            f"each of the {n_rows} windows of the data set, whatever rows are chosen"
        )
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
