"""Where a training runs, and how the state of torch is kept in order around it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from ecgkit.errors import TrainingError

# cuBLAS gives the same sums every time only with a fixed workspace; torch refuses to go on without it.
_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is the first CUDA device where there is one, else the CPU.

    Raises
    ------
    TrainingError
        No such device here; the message lists those that are.
    """
    found = available_devices()
    if name == "auto":
        return torch.device("cuda:0" if "cuda:0" in found else "cpu")
    if name == "cuda" and "cuda:0" in found:
        return torch.device("cuda:0")
    if name not in found:
        raise TrainingError(f"device {name!r} is not here; available: auto, {', '.join(found)}")
    return torch.device(name)


def available_devices() -> list[str]:
    """List the devices that a training can run on, such as ["cpu", "cuda:0"]."""
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


@contextlib.contextmanager
def reproducible(device: torch.device, *, seed: int, threads: int) -> Iterator[None]:
    """Seed torch, set its threads and forbid operations that vary from run to run; then put all back.

    The state is the process's: two trainings in threads of one process would disturb each other.
    """
    workspace = os.environ.get(_CUBLAS[0])
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic
    fill = debugging.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    gpus = [device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus), use_threads(threads):
        try:
            os.environ.setdefault(*_CUBLAS)
            torch.use_deterministic_algorithms(True)
            debugging.fill_uninitialized_memory = False  # costs time and changes nothing here
            torch.backends.cudnn.benchmark = False
            torch.manual_seed(seed)
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            debugging.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark = benchmark
            if workspace is None:
                os.environ.pop(_CUBLAS[0], None)


@contextlib.contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Let torch compute on this many CPU threads, then as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
