"""Several processes that train one network, on one machine or many, on CPUs or GPUs, by `torchrun`."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from ecgkit.errors import LostProcessError, TrainingError
from ecgkit.training.device import resolve_device
from ecgkit.training.engine import Alone, Engine
from ecgkit.training.supply import UNKNOWN, LabelledBatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TIMEOUT_S = 600.0
LEAST_SHARE = 2  # windows: batch normalisation can't train on one
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@contextlib.contextmanager
def engine_of_environment(device: str, *, timeout_s: float = TIMEOUT_S) -> Iterator[Engine]:
    """Give the engine for how this process was started: by `torchrun` with others, or by itself.

    Parameters
    ----------
    device
        Name for `resolve_device`.
    timeout_s
        How long processes wait for each other before they give up.

    Raises
    ------
    TrainingError
        The extra `fabric` is not installed; more processes than GPUs; a device that can't train with others;
        the others don't answer.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Alone()
        return
    rank, world_size, _, here = _places()
    fabric = _launched(resolve_device(device), n_here=here, world_size=world_size, timeout_s=timeout_s)
    try:
        yield Together(rank, world_size, fabric.device)
    finally:
        torch.distributed.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Together:
    """One of several processes; see `Engine`.

    Attributes
    ----------
    own
        The device that it computes on.
    """

    rank: int
    world_size: int
    own: torch.device

    def device(self, chosen: torch.device) -> torch.device:
        """Return this process's own device where that is of the kind chosen."""
        return self.own if chosen.type == self.own.type else chosen

    def share(self, batch: LabelledBatch) -> LabelledBatch:
        """Return a stretch of the batch; of a small one all, its labels known to the first process alone."""
        windows, subjects, conditions = batch
        if len(windows) < LEAST_SHARE * self.world_size:
            if self.rank == 0:
                return batch
            return windows, torch.full_like(subjects, UNKNOWN), torch.full_like(conditions, UNKNOWN)
        start, stop = (len(windows) * place // self.world_size for place in (self.rank, self.rank + 1))
        return windows[start:stop], subjects[start:stop], conditions[start:stop]

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes, the same bits in each."""
        reduced = tensor.detach().to(self.own).clone(memory_format=torch.contiguous_format)
        try:
            torch.distributed.all_reduce(reduced)
        except RuntimeError as error:
            raise LostProcessError(
                f"training: process {self.rank} of {self.world_size} lost the others: one of them ended or "
                f"can't be reached; its own message says why. Start all of them again ({_first_line(error)})"
            ) from error
        return reduced.to(tensor.device)

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean over all processes, the same bits in each."""
        return self.sum(tensor) / self.world_size

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients by their means."""
        self._average([parameter.grad for parameter in parameters if parameter.grad is not None])

    def average_buffers(self, module: nn.Module) -> None:
        """Replace running statistics by their means; counts are the same everywhere."""
        self._average([buffer for buffer in module.buffers() if buffer.is_floating_point()])

    def from_first(self, content: bytes) -> bytes:
        """Return what the first process gave."""
        given = content if self.rank == 0 else b""
        n_bytes = int(self.sum(torch.tensor(len(given))))
        held = torch.zeros(n_bytes, dtype=torch.uint8)
        held[: len(given)] = torch.from_numpy(np.frombuffer(given, np.uint8).copy())
        return self.sum(held).numpy().tobytes()

    @torch.no_grad()
    def _average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means, all in one message."""
        if not tensors:
            return
        mean = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
        parts = torch.split(mean, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


def _places() -> tuple[int, ...]:
    """Return rank, world size, and both on this machine alone, as `torchrun` gives them."""
    try:
        found = tuple(int(os.environ[name]) for name in VARIABLES)
    except (KeyError, ValueError) as error:
        raise TrainingError(
            f"WORLD_SIZE is set, but not all of {', '.join(VARIABLES)} are numbers ({error}): start several "
            "processes with torchrun, or one with WORLD_SIZE unset"
        ) from error
    rank, world_size, local_rank, n_here = found
    if not (0 <= rank < world_size and 0 <= local_rank < n_here and world_size % n_here == 0):
        raise TrainingError(
            f"process {rank} of {world_size}, {local_rank} of {n_here} on this machine: expected numbers "
            "below these, and as many processes on each machine; start them with torchrun"
        )
    return found


def _launched(device: torch.device, *, n_here: int, world_size: int, timeout_s: float) -> Fabric:
    """Join the others."""
    if device.type not in BACKENDS:
        raise TrainingError(f"device {device}: several processes train on cpu or cuda; give --device cpu")
    if device.type == "cuda" and n_here > torch.cuda.device_count():
        raise TrainingError(
            f"{n_here} processes on this machine and {torch.cuda.device_count()} GPUs: expected a GPU for "
            "each; start fewer with torchrun --nproc-per-node, or give --device cpu"
        )
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ImportError as error:
        raise TrainingError(
            'training in several processes needs lightning-fabric: pip install "ecgkit-mp160[fabric]"'
        ) from error
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=device.type,
        devices=n_here,
        num_nodes=world_size // n_here,
        strategy=DDPStrategy(
            process_group_backend=BACKENDS[device.type], timeout=timedelta(seconds=timeout_s)
        ),
        plugins=[TorchElasticEnvironment()],
    )
    try:
        fabric.launch()
    except RuntimeError as error:
        raise TrainingError(
            f"the {world_size} processes of this training did not find each other within {timeout_s:g} s: "
            f"{_first_line(error)}"
        ) from error
    return fabric


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
