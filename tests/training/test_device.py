"""Devices, and the state of torch around a training."""

from __future__ import annotations

import os
import random

import pytest
import torch

from ecgkit.errors import TrainingError
from ecgkit.training.device import available_devices, reproducible, resolve_device, use_threads

CPU = torch.device("cpu")


def test_resolve_device_finds_the_cpu() -> None:
    assert resolve_device("cpu") == CPU


def test_resolve_device_auto_takes_cuda_only_where_it_is() -> None:
    assert resolve_device("auto") == torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "meta", "cpu:0"])
def test_resolve_device_lists_what_is_there(name: str) -> None:
    with pytest.raises(TrainingError, match=r"is not here; available: auto, cpu"):
        resolve_device(name)


def test_available_devices_start_with_the_cpu() -> None:
    assert available_devices()[0] == "cpu"


def state() -> tuple[object, ...]:
    return (
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def test_reproducible_puts_everything_back_even_after_an_error() -> None:
    before = state()
    with pytest.raises(ZeroDivisionError), reproducible(CPU, seed=1, threads=1):
        assert torch.are_deterministic_algorithms_enabled()
        torch.rand(10)
        _ = 1 / 0
    assert state() == before


def test_reproducible_gives_the_same_numbers_whatever_ran_before() -> None:
    drawn = []
    for noise in (1, 7):
        torch.rand(noise)
        random.seed(noise)
        with reproducible(CPU, seed=5, threads=1):
            drawn.append(torch.rand(4).tolist())
    assert drawn[0] == drawn[1]


def test_use_threads_puts_the_count_back() -> None:
    before = torch.get_num_threads()
    with use_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
