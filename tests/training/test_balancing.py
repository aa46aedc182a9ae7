"""What every balancer must do."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from support.two_tasks import (
    gradients_of,
    losses_of,
    make_balancer,
    shared_of,
    small_network,
    tasks_of,
)
from torch import Tensor

import ecgkit.training.balancing
from ecgkit.errors import ConfigError
from ecgkit.models.dual_task import DualTaskNet
from ecgkit.training.balancing import BALANCERS, Balanced, Balancer, gradient_norms

OF_TWO_TASKS = [name for name in BALANCERS if tasks_of(name) == 2]


def step(model: DualTaskNet, balancer: Balancer, optimizer: torch.optim.Optimizer, seed: int) -> Balanced:
    """Take a step, and end an epoch of it."""
    optimizer.zero_grad(set_to_none=True)
    losses = losses_of(model, seed)
    balanced = balancer.backward(losses, shared_of(model))
    optimizer.step()
    balancer.end_epoch([loss.item() for loss in losses])
    return balanced


def trained(name: str, n_steps: int) -> tuple[DualTaskNet, Balancer, torch.optim.Optimizer]:
    """Return a network, its balancer and the optimiser after some steps."""
    model, balancer = small_network(n_tasks=tasks_of(name)), make_balancer(name, tasks_of(name))
    optimizer = torch.optim.Adam([*model.parameters(), *balancer.parameters()], lr=0.01)
    for seed in range(n_steps):
        step(model, balancer, optimizer, seed)
    return model, balancer, optimizer


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_steps_on_weighted_losses(name: str) -> None:
    model, balancer, _ = trained(name, 3)
    model.zero_grad(set_to_none=True)
    losses = losses_of(model, 3)
    of_each = [gradients_of(loss, model) for loss in losses]
    balanced = balancer.backward(losses, shared_of(model))
    n_tasks = tasks_of(name)
    assert balanced.weights.shape == balanced.gradient_norms.shape == (n_tasks,)
    assert bool(torch.isfinite(balanced.weights).all())
    assert not balanced.weights.requires_grad
    assert not balanced.gradient_norms.requires_grad
    for key, weight in model.named_parameters():
        # PCGrad's weights are the trunk's; each head has its own gradient.
        weights = torch.ones(n_tasks) if name == "pcgrad" and "head" in key else balanced.weights
        expected = sum(w * gradients[key] for w, gradients in zip(weights, of_each, strict=True))
        torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-6)
    assert all(learnt.grad is not None for learnt in balancer.parameters())


@pytest.mark.parametrize("name", BALANCERS)
def test_every_balancer_goes_on_from_its_saved_state_bit_for_bit(name: str) -> None:
    model, balancer, optimizer = trained(name, 4)
    other, restored = copy.deepcopy(model), make_balancer(name, tasks_of(name))
    restored.load_state_dict(balancer.state_dict())
    going_on = torch.optim.Adam([*other.parameters(), *restored.parameters()], lr=0.01)
    going_on.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in (4, 5):
        first, second = step(model, balancer, optimizer, seed), step(other, restored, going_on, seed)
        assert torch.equal(first.weights, second.weights)
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    for key, value in balancer.state_dict().items():
        torch.testing.assert_close(value, restored.state_dict()[key], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", OF_TWO_TASKS)
def test_processes_that_train_together_decide_alike(name: str) -> None:
    """Two threads stand for two processes: the same network, other windows."""
    both, given = threading.Barrier(2, timeout=20), [torch.empty(0), torch.empty(0)]

    def process(rank: int) -> tuple[DualTaskNet, Balancer, list[Tensor]]:
        def mean(tensor: Tensor) -> Tensor:
            given[rank] = tensor
            both.wait()
            mean_of_both = (given[0] + given[1]) / 2
            both.wait()
            return mean_of_both

        model, balancer, weights = copy.deepcopy(network), make_balancer(name), []
        for seed in (0, 2, 4):
            model.zero_grad(set_to_none=True)
            losses = losses_of(model, seed + rank)
            weights.append(balancer.backward(losses, shared_of(model), mean=mean).weights)
        return model, balancer, weights

    network = small_network()
    with ThreadPoolExecutor(2) as pool:
        (model, balancer, weights), (other, balancer_2, weights_2) = pool.map(process, (0, 1))
    for one, two in zip(weights, weights_2, strict=True):
        assert torch.equal(one, two)
    for learnt, learnt_2 in zip(balancer.parameters(), balancer_2.parameters(), strict=True):
        assert torch.equal(learnt.grad, learnt_2.grad)
    if name == "pcgrad":
        for one, two in zip(shared_of(model).trunk, shared_of(other).trunk, strict=True):
            assert torch.equal(one.grad, two.grad)


@pytest.mark.parametrize("name", OF_TWO_TASKS)
def test_a_balancer_of_several_tasks_refuses_one(name: str) -> None:
    with pytest.raises(ConfigError, match=r"one task.*--balancing single-task.*--task both"):
        make_balancer(name, 1)


def test_single_task_refuses_two() -> None:
    with pytest.raises(ConfigError, match=r"2 tasks; expected one.*--task subject or --task condition"):
        make_balancer("single-task", 2)


@pytest.mark.parametrize("name", ["equal", "single-task"])
def test_weights_of_1_need_no_gradient_norms(name: str) -> None:
    model = small_network(n_tasks=tasks_of(name))
    balanced = make_balancer(name, tasks_of(name)).backward(losses_of(model), shared_of(model))
    assert balanced.weights.tolist() == [1.0] * tasks_of(name)
    assert bool(balanced.gradient_norms.isnan().all())


def test_gradient_norms_of_a_known_function() -> None:
    shared = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    norms = gradient_norms([shared.pow(2).sum(), shared[0] * 5], shared)
    assert norms.tolist() == [10.0, 5.0]


def test_every_file_has_a_row() -> None:
    modules = {path.stem for path in Path(ecgkit.training.balancing.__file__).parent.glob("[a-z]*.py")}
    assert modules == {row.partition(":")[0].rpartition(".")[2] for row in BALANCERS.values()}
