"""GradNorm: the closed form against double backward, and what its weights do."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.two_tasks import N_CLASSES, gradients_of, losses_of, shared_of, small_network
from torch import Tensor

from ecgkit.models.dual_task import DualTaskNet, last_shared_weight
from ecgkit.training.balancing.gradnorm import (
    ALPHA,
    FLOOR,
    WEIGHT_STEP,
    GradNorm,
    renormalised,
    weight_gradient,
)


def network_and_losses(attention: str, seed: int) -> tuple[DualTaskNet, list[Tensor]]:
    model = small_network(seed, attention=attention).double()
    return model, losses_of(model, seed)


@pytest.mark.parametrize("attention", ["none", "sca"])
@pytest.mark.parametrize("seed", range(5))
def test_weight_gradient_equals_double_backward(attention: str, seed: int) -> None:
    model, losses = network_and_losses(attention, seed)
    shared = last_shared_weight(model)
    weights = torch.tensor([0.4 + 0.3 * seed, 1.6 - 0.3 * seed], dtype=torch.float64, requires_grad=True)
    ratios = torch.stack([loss.detach() / math.log(n) for loss, n in zip(losses, N_CLASSES, strict=True)])

    weighted_norms = torch.stack(
        [
            torch.autograd.grad(weight * loss, shared, create_graph=True)[0].norm()
            for weight, loss in zip(weights, losses, strict=True)
        ]
    )
    targets = (weighted_norms.mean() * (ratios / ratios.mean()) ** ALPHA).detach()
    (by_backward,) = torch.autograd.grad((weighted_norms - targets).abs().sum(), weights)

    norms = torch.stack([torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses])
    closed = weight_gradient(weights.detach(), norms, ratios)
    torch.testing.assert_close(closed, by_backward, rtol=1e-6, atol=1e-12)


def test_the_network_steps_on_the_weights_before_they_move() -> None:
    model, losses = network_and_losses("sca", seed=0)
    balancer = GradNorm(N_CLASSES).double()
    expected = gradients_of(losses[0] + losses[1], model)
    balanced = balancer.backward(losses, shared_of(model))
    assert balanced.weights.tolist() == [1.0, 1.0]
    for key, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[key])
    ratios = torch.stack([loss.detach() / math.log(n) for loss, n in zip(losses, N_CLASSES, strict=True)])
    slope = weight_gradient(torch.ones(2).double(), balanced.gradient_norms, ratios)
    torch.testing.assert_close(balancer.weights, renormalised(1 - WEIGHT_STEP * slope))


def test_gradient_norms_are_those_of_the_unweighted_losses() -> None:
    model, losses = network_and_losses("none", seed=1)
    shared = shared_of(model)
    balancer = GradNorm(N_CLASSES).double()
    balancer.weights = torch.tensor([0.5, 1.5]).double()
    expected = [torch.autograd.grad(loss, shared.last, retain_graph=True)[0].norm() for loss in losses]
    norms = balancer.backward(losses, shared).gradient_norms
    torch.testing.assert_close(norms, torch.stack(expected))


def test_weights_make_unequal_gradients_equal() -> None:
    weights, norms = torch.ones(2), torch.tensor([0.8, 0.2])
    for _ in range(2000):
        weights = renormalised(weights - WEIGHT_STEP * weight_gradient(weights, norms, torch.ones(2)))
    torch.testing.assert_close(weights, torch.tensor([0.4, 1.6]), rtol=0.05, atol=0.02)


def test_the_task_that_lags_pulls_harder() -> None:
    slope = weight_gradient(torch.ones(2), torch.ones(2), torch.tensor([0.9, 0.3]))
    assert slope.tolist() == [-1.0, 1.0]


def test_tasks_alike_stay_at_equal_weights() -> None:
    slope = weight_gradient(torch.ones(2), torch.full((2,), 0.7), torch.full((2,), 0.4))
    assert slope.tolist() == [0.0, 0.0]


def test_a_task_without_a_loss_gives_its_weight_away_and_nothing_breaks() -> None:
    weights = torch.ones(2)
    for _ in range(500):
        slope = weight_gradient(weights, torch.tensor([0.5, 0.0]), torch.tensor([1.0, 0.0]))
        weights = renormalised(weights - WEIGHT_STEP * slope)
    assert bool(torch.isfinite(weights).all())
    assert weights[0] > 1.5


def test_losses_of_zero_leave_the_weights_alone() -> None:
    assert weight_gradient(torch.ones(2), torch.zeros(2), torch.zeros(2)).tolist() == [0.0, 0.0]


@given(
    weights=st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=5),
)
@settings(deadline=None)
def test_renormalised_weights_add_up_to_the_tasks_and_stay_above_0(weights: list[float]) -> None:
    out = renormalised(torch.tensor(weights))
    assert out.sum().item() == pytest.approx(len(weights), rel=1e-5)
    assert out.min().item() > 0
    assert renormalised(torch.tensor([FLOOR / 2, 1.0]))[0].item() == pytest.approx(2 * FLOOR, rel=2e-3)
