"""GradNorm: the closed form against double backward, and what its weights do."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight
from ecgkit.training.balancing.gradnorm import (
    ALPHA,
    FLOOR,
    WEIGHT_STEP,
    GradNorm,
    renormalised,
    weight_gradient,
)
from ecgkit.training.loop import known_cross_entropy

N_CLASSES = (5, 3)
CPU = torch.device("cpu")


def network_and_losses(attention: str, seed: int) -> tuple[torch.nn.Module, list[Tensor]]:
    torch.manual_seed(seed)
    spec = ModelSpec("resnet", attention, n_leads=1, n_samples=40, n_subjects=5, n_conditions=3)
    model = build_model(spec).double().train()
    outputs = model(torch.randn(6, 1, 40, dtype=torch.float64))
    labels = [torch.randint(0, n, (6,)) for n in N_CLASSES]
    return model, [known_cross_entropy(out, label) for out, label in zip(outputs, labels, strict=True)]


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


def test_combine_steps_the_network_on_the_weights_before_they_move() -> None:
    model, losses = network_and_losses("sca", seed=0)
    shared = last_shared_weight(model)
    balancer = GradNorm(N_CLASSES, device=CPU)
    losses = [loss.float() for loss in losses]
    balanced = balancer.combine(losses, shared)
    assert balanced.weights.tolist() == [1.0, 1.0]
    assert balanced.loss.item() == pytest.approx(sum(loss.item() for loss in losses), rel=1e-6)
    ratios = torch.stack([loss.detach() / math.log(n) for loss, n in zip(losses, N_CLASSES, strict=True)])
    slope = weight_gradient(torch.ones(2), balanced.gradient_norms, ratios)
    torch.testing.assert_close(balancer.weights, renormalised(1 - WEIGHT_STEP * slope))


def test_gradient_norms_are_those_of_the_unweighted_losses() -> None:
    model, losses = network_and_losses("none", seed=1)
    shared = last_shared_weight(model)
    balancer = GradNorm(N_CLASSES, device=CPU)
    balancer.weights = torch.tensor([0.5, 1.5])
    norms = balancer.combine([loss.float() for loss in losses], shared).gradient_norms
    for loss, norm in zip(losses, norms, strict=True):
        (expected,) = torch.autograd.grad(loss, shared, retain_graph=True)
        assert norm.item() == pytest.approx(expected.norm().item(), rel=1e-5)


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
