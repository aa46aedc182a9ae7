"""How the losses of several tasks become one.

A balancer is built by ``factory(n_classes, device=...)``, where `n_classes` has one number per task, and is
called once a step. A row of `BALANCERS` is all that a new one needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

BALANCERS = {
    "gradnorm": "ecgkit.training.balancing.gradnorm:GradNorm",
    "equal": "ecgkit.training.balancing.equal:Equal",
    "dt4ecg-literal": "ecgkit.training.balancing.dt4ecg:literal",
    "dt4ecg-renormalised": "ecgkit.training.balancing.dt4ecg:renormalised",
    "dt4ecg-stateless": "ecgkit.training.balancing.dt4ecg:stateless",
}


class Balanced(NamedTuple):
    """What a balancer makes of one step's losses.

    Attributes
    ----------
    loss
        The scalar to go backward from.
    weights
        (M,), the tasks' weights in it.
    gradient_norms
        (M,), norm of each unweighted loss's gradient at the last shared weights; NaN where it was not needed.
    """

    loss: Tensor
    weights: Tensor
    gradient_norms: Tensor


class Balancer(Protocol):
    """Combine one step's losses; may remember weights from step to step."""

    def combine(self, losses: Sequence[Tensor], shared: nn.Parameter) -> Balanced:
        """Weigh M scalar losses; `shared` is the last weight that all tasks share."""
        ...


def gradient_norms(losses: Sequence[Tensor], shared: nn.Parameter) -> Tensor:
    """Return the 2-norm of each loss's gradient with respect to `shared`, shape (M,).

    Only the part of the network above `shared` is walked; the graph stays for the step itself.
    """
    norms = [torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses]
    return torch.stack(norms)
