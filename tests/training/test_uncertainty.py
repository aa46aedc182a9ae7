"""Learned uncertainties: the gradient against autograd of the paper's loss, and where the weights rest."""

from __future__ import annotations

import math

import pytest
import torch
from support.two_tasks import losses_of, shared_of, small_network

from ecgkit.training.balancing.uncertainty import Uncertainty


@pytest.mark.parametrize("seed", range(4))
def test_all_gradients_are_those_of_equation_10(seed: int) -> None:
    model, balancer = small_network(seed).double(), Uncertainty((5, 3)).double()
    torch.nn.init.uniform_(balancer.log_variances, -2, 2)
    losses = losses_of(model, seed)
    # sigma^2 = exp(s): sum of L_i / sigma_i^2 + log sigma_i
    deviations = torch.exp(balancer.log_variances / 2)
    total = sum(loss / sigma**2 + sigma.log() for loss, sigma in zip(losses, deviations, strict=True))
    learnt = [*model.parameters(), balancer.log_variances]
    expected = torch.autograd.grad(total, learnt, retain_graph=True)
    weights = balancer.backward(losses, shared_of(model)).weights
    torch.testing.assert_close([parameter.grad for parameter in learnt], list(expected))
    torch.testing.assert_close(weights, 1 / deviations.detach() ** 2)


def test_the_first_weights_are_1() -> None:
    model = small_network()
    assert Uncertainty((5, 3)).backward(losses_of(model), shared_of(model)).weights.tolist() == [1.0, 1.0]


def test_weights_come_to_rest_at_half_of_one_over_the_loss() -> None:
    balancer, shared = Uncertainty((15, 3)), shared_of(small_network())
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        losses = [torch.tensor(value, requires_grad=True) for value in (2.0, 0.1)]
        weights = balancer.backward(losses, shared).weights
        optimizer.step()
    assert weights.tolist() == pytest.approx([0.25, 5.0], rel=1e-3)
    assert balancer.log_variances.tolist() == pytest.approx([math.log(4), math.log(0.2)], abs=1e-3)
