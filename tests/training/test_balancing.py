"""What every balancer must do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ecgkit.training.balancing
from ecgkit.lookup import pick
from ecgkit.models.dual_task import ModelSpec, build_model, last_shared_weight
from ecgkit.training.balancing import BALANCERS, gradient_norms
from ecgkit.training.loop import known_cross_entropy

CPU = torch.device("cpu")
SPEC = ModelSpec("resnet", "sca", n_leads=1, n_samples=40, n_subjects=4, n_conditions=3)


def losses_of(model: torch.nn.Module) -> list[torch.Tensor]:
    outputs = model(torch.randn(6, 1, 40))
    return [known_cross_entropy(out, torch.arange(6) % 3) for out in outputs]


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_gives_the_weighted_sum_and_lets_the_step_go_on(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(SPEC).train()
    balancer = pick(BALANCERS, name, what="balancing")((4, 3), device=CPU)
    for _ in range(3):
        losses = losses_of(model)
        balanced = balancer.combine(losses, last_shared_weight(model))
        expected = sum(w.item() * loss.item() for w, loss in zip(balanced.weights, losses, strict=True))
        assert balanced.loss.item() == pytest.approx(expected, rel=1e-5)
        assert balanced.weights.shape == balanced.gradient_norms.shape == (2,)
        assert not balanced.weights.requires_grad
        assert not balanced.gradient_norms.requires_grad
        assert all(weight.grad is None for weight in model.parameters())
        balanced.loss.backward()
        assert all(weight.grad is not None for weight in model.parameters())
        model.zero_grad()


def test_equal_weights_need_no_gradient_norms() -> None:
    torch.manual_seed(0)
    model = build_model(SPEC)
    balanced = pick(BALANCERS, "equal", what="balancing")((4, 3), device=CPU).combine(
        losses_of(model), last_shared_weight(model)
    )
    assert balanced.weights.tolist() == [1.0, 1.0]
    assert bool(balanced.gradient_norms.isnan().all())


def test_gradient_norms_of_a_known_function() -> None:
    shared = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    norms = gradient_norms([shared.pow(2).sum(), shared[0] * 5], shared)
    assert norms.tolist() == [10.0, 5.0]


def test_every_file_has_a_row() -> None:
    modules = {path.stem for path in Path(ecgkit.training.balancing.__file__).parent.glob("[a-z]*.py")}
    assert modules == {row.partition(":")[0].rpartition(".")[2] for row in BALANCERS.values()}
