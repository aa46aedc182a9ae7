"""Training in one process, or in several that train one network together.

Each process runs the same training over the same batches. Of each batch it computes a share, and what is
decided or stepped on is the mean over all shares: so all processes hold the same weights at every step.

The loss of a share is its sum over known labels, divided by the *mean* number of known labels of all shares.
The mean of the shares' losses is then the loss of the whole batch, wherever the known labels are. A step is::

    windows, *labels = engine.share(batch)  # after augmentation, which is drawn for the whole batch
    losses = known_cross_entropy(output, label, mean=engine.mean), ...
    balancer.backward(losses, shared, mean=engine.mean)
    engine.average_gradients([*model.parameters(), *balancer.parameters()])
    optimizer.step()

and an epoch ends with ``engine.average_buffers(model)``. Batch normalisation sees the share alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from ecgkit.errors import TrainingError
from ecgkit.training.supply import LabelledBatch


class Engine(Protocol):
    """What a training asks of the processes that do it.

    Every method but `share` and `device` must be called by all processes, in the same order, or they
    wait for each other until the time is over.

    Attributes
    ----------
    rank
        Which of the processes this is, from 0; only the first writes.
    world_size
        How many there are.
    """

    @property
    def rank(self) -> int: ...

    @property
    def world_size(self) -> int: ...

    def device(self, chosen: torch.device) -> torch.device:
        """Return where this process computes: of the GPUs of a machine, each process takes another."""
        ...

    def share(self, batch: LabelledBatch) -> LabelledBatch:
        """Return this process's part of a batch, at least 2 windows.

        The parts are as large as each other, or differ by one window. A batch of fewer than two windows a
        process goes to all of them whole, its labels known to the first alone: so each label counts once.
        """
        ...

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes, as a new tensor."""
        ...

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes, as a new tensor."""
        ...

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their means over all processes."""
        ...

    def average_buffers(self, module: nn.Module) -> None:
        """Replace running statistics by their means over all processes."""
        ...

    def from_first(self, content: bytes) -> bytes:
        """Return what the first process gave; what others give is not looked at."""
        ...


class Alone:
    """The only process: nothing is exchanged, and nothing is copied or changed."""

    rank = 0
    world_size = 1

    def device(self, chosen: torch.device) -> torch.device:
        """Return the device itself."""
        return chosen

    def share(self, batch: LabelledBatch) -> LabelledBatch:
        """Return the batch itself."""
        return batch

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the tensor itself."""
        return tensor

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the tensor itself."""
        return tensor

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Leave them as they are."""

    def average_buffers(self, module: nn.Module) -> None:
        """Leave them as they are."""

    def from_first(self, content: bytes) -> bytes:
        """Return the content itself."""
        return content


def check_alike(engine: Engine, facts: Mapping[str, str]) -> None:
    """Refuse to train together where processes differ in what they train on, or how.

    Parameters
    ----------
    facts
        What must be the same everywhere, ``what -> value``: the hash of the data set, the settings, versions.

    Raises
    ------
    TrainingError
        In every process, also where only one differs.
    """
    if engine.world_size == 1:
        return
    first = json.loads(engine.from_first(json.dumps(dict(facts)).encode()))
    other = [what for what, value in facts.items() if value != first.get(what)]
    n_other = int(engine.sum(torch.tensor(len(other))))
    if other:
        raise TrainingError(
            f"training: process {engine.rank} has another {other[0]} than the first: {facts[other[0]]}, "
            f"expected {first.get(other[0])}; start all with the same data set, settings and versions"
        )
    if n_other:
        raise TrainingError(
            f"training: another process differs from process {engine.rank} in what it trains on, or how; "
            "its own message says in what"
        )
