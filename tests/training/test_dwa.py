"""Dynamic weight average: the paper's formula, in its first epochs and after."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.training.balancing.dwa import DWA, epoch_weights

NAN = math.nan


def in_numpy(losses: list[float], before: list[float]) -> list[float]:
    ratios = np.array(losses) / np.array(before)
    powers = np.exp(ratios / 2)
    return list(len(losses) * powers / powers.sum())


def test_weights_follow_the_losses_of_the_last_two_epochs() -> None:
    balancer, seen = DWA((5, 3)), []
    epochs = [[2.0, 1.0], [1.0, 0.9], [0.8, 0.3]]
    for losses in epochs:
        seen.append(balancer.weights.tolist())
        balancer.end_epoch(losses)
    assert seen[:2] == [[1.0, 1.0], [1.0, 1.0]]
    assert seen[2] == pytest.approx(in_numpy(epochs[1], epochs[0]), rel=1e-6)
    assert seen[2] == pytest.approx([0.900332, 1.099668], abs=1e-6)  # 2 / (1 + exp(±0.2))
    assert balancer.weights.tolist() == pytest.approx(in_numpy(epochs[2], epochs[1]), rel=1e-6)


@given(
    st.lists(st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)), min_size=2, max_size=5).map(
        lambda pairs: [list(numbers) for numbers in zip(*pairs, strict=True)]
    )
)
def test_weights_add_up_to_the_tasks(losses: list[list[float]]) -> None:
    # Very unlike ratios give a weight of 0.
    weights = epoch_weights(torch.tensor(losses[0]), torch.tensor(losses[1]))
    assert weights.sum().item() == pytest.approx(len(weights), rel=1e-5)
    assert bool((weights >= 0).all())


@pytest.mark.parametrize(("losses", "before"), [([NAN, 0.5], [1.0, 0.5]), ([0.3, 0.5], [0.0, 0.5])])
def test_a_task_without_a_ratio_counts_as_one_that_stands_still(
    losses: list[float], before: list[float]
) -> None:
    assert epoch_weights(torch.tensor(losses), torch.tensor(before)).tolist() == [1.0, 1.0]
