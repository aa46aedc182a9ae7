"""A small network with two tasks and the losses of a batch, for the tests of balancers."""

from __future__ import annotations

import torch
from torch import Tensor

from ecgkit.lookup import pick
from ecgkit.models.dual_task import DualTaskNet, ModelSpec, build_model, last_shared_weight, trunk_weights
from ecgkit.training.balancing import BALANCERS, Balancer, Shared
from ecgkit.training.losses import known_cross_entropy

N_CLASSES = (5, 3)


def make_balancer(name: str, n_tasks: int = 2) -> Balancer:
    """Build a balancer for the first tasks."""
    balancer: Balancer = pick(BALANCERS, name, what="balancing")(N_CLASSES[:n_tasks])
    return balancer


def tasks_of(name: str) -> int:
    """Return how many tasks a balancer is tried with."""
    return 1 if name == "single-task" else 2


def small_network(seed: int = 0, *, n_tasks: int = 2, attention: str = "sca") -> DualTaskNet:
    """Build a network in training mode; one task is the subject."""
    torch.manual_seed(seed)
    n_conditions = N_CLASSES[1] if n_tasks == 2 else 0
    return build_model(ModelSpec("resnet", attention, 1, 40, N_CLASSES[0], n_conditions)).train()


def losses_of(model: DualTaskNet, seed: int = 0, n: int = 6) -> list[Tensor]:
    """Return each task's loss on n random windows."""
    random = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    outputs = model(torch.randn(n, 1, 40, generator=random).to(dtype))
    labels = [torch.randint(0, output.shape[1], (n,), generator=random) for output in outputs]
    return [known_cross_entropy(output, label) for output, label in zip(outputs, labels, strict=True)]


def shared_of(model: DualTaskNet) -> Shared:
    """Return what the tasks share."""
    return Shared(last_shared_weight(model), trunk_weights(model))


def gradients_of(loss: Tensor, model: DualTaskNet) -> dict[str, Tensor]:
    """Return the gradient of a loss at every parameter, 0 where there is none."""
    names, weights = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))
