"""GradNorm: keep the tasks' gradients alike and let the slower task pull harder.

Chen et al., "GradNorm: gradient normalization for adaptive loss balancing", ICML 2018, algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone, gradient_norms

ALPHA = 1.5
WEIGHT_STEP = 0.025
FLOOR = 1e-3


class GradNorm(Balancer):
    """Task weights that follow the norms of the tasks' gradients.

    The network steps on the weights as they are, then the weights take one plain gradient step. A
    loss at the start of training is taken to be ln(classes), what guessing costs: steadier than the
    first batch.

    Parameters
    ----------
    n_classes
        Classes of each task.
    """

    weights: Tensor
    _initial: Tensor

    def __init__(self, n_classes: Sequence[int]) -> None:
        super().__init__(n_classes)
        self.register_buffer("weights", torch.ones(len(n_classes)))
        initial = torch.tensor([math.log(n) for n in n_classes])
        self.register_buffer("_initial", initial, persistent=False)

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:
        """Go backward with the weights so far, then move the weights."""
        norms = gradient_norms(losses, shared.last, mean=mean)
        together = torch.stack(list(losses))  # (M,)
        weights = self.weights
        slope = weight_gradient(weights, norms, mean(together.detach()) / self._initial)
        self.weights = renormalised(weights - WEIGHT_STEP * slope)
        (weights @ together).backward()  # type: ignore[no-untyped-call]
        return Balanced(weights, norms)


def weight_gradient(weights: Tensor, norms: Tensor, loss_ratios: Tensor, *, alpha: float = ALPHA) -> Tensor:
    """Return the gradient of GradNorm's own loss with respect to the task weights.

    With G_i = w_i ||grad L_i||, the loss is sum |G_i - [mean(G) r_i^alpha]|, the bracket held constant and
    r_i the loss ratio over its mean. G_i is linear in w_i, so the gradient is sign(G_i - [...]) ||grad L_i||:
    no second pass through the graph is needed.

    Parameters
    ----------
    weights, norms
        (M,), task weights w_i and gradient norms ||grad L_i|| of the unweighted losses.
    loss_ratios
        (M,), L_i over L_i at the start.
    alpha
        How strongly slower tasks are favoured.
    """
    weighted = weights * norms
    tiny = torch.finfo(loss_ratios.dtype).tiny
    rates = loss_ratios / loss_ratios.mean().clamp_min(tiny)
    targets = weighted.mean() * rates**alpha
    return torch.sign(weighted - targets) * norms


def renormalised(weights: Tensor) -> Tensor:
    """Keep weights above a small floor, and their sum at the number of tasks."""
    weights = weights.clamp_min(FLOOR)
    return weights * (weights.numel() / weights.sum())
