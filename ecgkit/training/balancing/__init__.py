"""How the losses of several tasks drive one network.

A balancer is built by ``factory(n_classes)``, where `n_classes` has one number per task, and goes backward
once a step. A row of `BALANCERS` is all that a new one needs. What it remembers from step to step lies in
buffers, what it learns in parameters: they are saved with a training that is to be gone on with.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecgkit.errors import ConfigError

BALANCERS = {
    "gradnorm": "ecgkit.training.balancing.gradnorm:GradNorm",
    "equal": "ecgkit.training.balancing.equal:Equal",
    "fixed": "ecgkit.training.balancing.fixed:Fixed",
    "uncertainty": "ecgkit.training.balancing.uncertainty:Uncertainty",
    "dwa": "ecgkit.training.balancing.dwa:DWA",
    "pcgrad": "ecgkit.training.balancing.pcgrad:PCGrad",
    "dt4ecg-literal": "ecgkit.training.balancing.dt4ecg:literal",
    "dt4ecg-renormalised": "ecgkit.training.balancing.dt4ecg:renormalised",
    "dt4ecg-stateless": "ecgkit.training.balancing.dt4ecg:stateless",
    "single-task": "ecgkit.training.balancing.single_task:SingleTask",
}

Mean = Callable[[Tensor], Tensor]


class Shared(NamedTuple):
    """What of a network all tasks share.

    Attributes
    ----------
    last
        The last weight that they share, which gradients are compared at.
    trunk
        All parameters that they share: every one but the heads'.
    """

    last: nn.Parameter
    trunk: tuple[nn.Parameter, ...]


class Balanced(NamedTuple):
    """What a balancer made of one step's losses.

    Attributes
    ----------
    weights
        (M,), the tasks' weights in the step.
    gradient_norms
        (M,), norm of each unweighted loss's gradient at the last shared weight; NaN where it was not needed.
    """

    weights: Tensor
    gradient_norms: Tensor


def alone(tensor: Tensor) -> Tensor:
    """Return the mean over the processes of a training that has one: the tensor itself."""
    return tensor


class Balancer(nn.Module, abc.ABC):
    """Base of all balancers.

    Parameters
    ----------
    n_classes
        Classes of each task.

    Raises
    ------
    ConfigError
        It is one task and nothing to balance, or several and the balancer is for one.
    """

    for_one_task = False

    def __init__(self, n_classes: Sequence[int]) -> None:
        super().__init__()
        several = len(n_classes) > 1
        if several and self.for_one_task:
            raise ConfigError(
                f"balancing 'single-task': {len(n_classes)} tasks; expected one: choose it "
                "(--task subject or --task condition), or take another balancing"
            )
        if not several and not self.for_one_task:
            raise ConfigError(
                "balancing: one task, and nothing to balance; take balancing 'single-task' "
                "(--balancing single-task), or train on both tasks (--task both)"
            )

    @abc.abstractmethod
    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:
        """Give all parameters, which come without gradients, those of one step.

        Parameters
        ----------
        losses
            M scalars, a task each.
        mean
            Over all processes that train together. Each gives the gradients of its own windows, and they are
            averaged afterwards; what is decided by gradients or losses must be decided by their mean, so that
            all decide alike.
        """

    def end_epoch(self, losses: Sequence[float]) -> None:
        """Hear of an epoch's mean losses, (M,), the same in all processes; NaN where no label was known."""


def weighed_backward(losses: Sequence[Tensor], weights: Tensor, norms: Tensor | None = None) -> Balanced:
    """Go backward from the weighted sum of the losses."""
    (weights @ torch.stack(list(losses))).backward()  # type: ignore[no-untyped-call]
    return Balanced(weights, torch.full_like(weights, torch.nan) if norms is None else norms)


def gradient_norms(losses: Sequence[Tensor], last: nn.Parameter, *, mean: Mean = alone) -> Tensor:
    """Return the 2-norm of each loss's gradient with respect to `last`, shape (M,).

    Only the part of the network above `last` is walked; the graph stays for the step itself.
    """
    return torch.stack(
        [mean(torch.autograd.grad(loss, last, retain_graph=True)[0]).norm() for loss in losses]
    )
