"""The course of the learning rate."""

from __future__ import annotations

import math

import pytest
import torch

from ecgkit.lookup import pick
from ecgkit.training.schedule import SCHEDULES, constant, cosine, step, warmup_cosine


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 2, 7, 1000])
def test_every_schedule_stays_between_0_and_1(name: str, n_steps: int) -> None:
    schedule = pick(SCHEDULES, name, what="schedule")
    factors = [schedule(at, n_steps) for at in range(n_steps)]
    assert all(0 < factor <= 1 for factor in factors)


def test_constant_is_1() -> None:
    assert {constant(at, 10) for at in range(10)} == {1.0}


def test_cosine_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for at in range(50):
        assert cosine(at, 50) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_warmup_cosine_rises_in_a_line_then_falls() -> None:
    factors = [warmup_cosine(at, 200) for at in range(200)]
    assert factors[:10] == pytest.approx([(at + 1) / 10 for at in range(10)])
    assert factors[10:] == pytest.approx([(1 + math.cos(math.pi * at / 190)) / 2 for at in range(190)])


def test_step_falls_twice() -> None:
    assert [step(at, 20) for at in range(20)] == pytest.approx([1.0] * 12 + [0.1] * 5 + [0.01] * 3)
