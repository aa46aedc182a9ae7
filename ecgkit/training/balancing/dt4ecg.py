"""Algorithm 1 of DT4ECG as it is printed, and two readings of it that train.

Gu et al. 2025 (arXiv 2502.11023): g_i = ||grad L_i||, delta_i = g_i / sum g_j,
w_i <- w_i exp(alpha (delta_i - 1)), L = sum w_i L_i, alpha = 2. The paper calls it GradNorm; it is not.
The deltas add up to 1, so with M tasks the product of the weights shrinks by exp(-alpha (M - 1)) at every
step, whatever the data: after an epoch all weights are 0 and the training has stopped. The task with the
larger gradient also gets the larger weight, the reverse of GradNorm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ecgkit.training.balancing import (
    Balanced,
    Balancer,
    Mean,
    Shared,
    alone,
    gradient_norms,
    weighed_backward,
)

ALPHA = 2.0

Update = Callable[[Tensor, Tensor], Tensor]


class Algorithm1(Balancer):
    """Weights moved by the factors exp(alpha (delta_i - 1)); the network steps on the new ones.

    Parameters
    ----------
    n_classes
        Classes of each task; only their count matters here.
    update
        ``(weights, factors) -> weights``, both (M,).
    """

    weights: Tensor

    def __init__(self, n_classes: Sequence[int], *, update: Update) -> None:
        super().__init__(n_classes)
        self.register_buffer("weights", torch.ones(len(n_classes)))
        self._update = update

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:
        """Move the weights, then go backward with the new ones."""
        norms = gradient_norms(losses, shared.last, mean=mean)
        self.weights = self._update(self.weights, factors(norms))
        return weighed_backward(losses, self.weights, norms)


def factors(norms: Tensor, *, alpha: float = ALPHA) -> Tensor:
    """Return exp(alpha (delta_i - 1)) for gradient norms, shape (M,)."""
    tiny = torch.finfo(norms.dtype).tiny
    return torch.exp(alpha * (norms / norms.sum().clamp_min(tiny) - 1))


def _as_printed(weights: Tensor, factors: Tensor) -> Tensor:
    return weights * factors


def _to_sum_m(weights: Tensor, factors: Tensor) -> Tensor:
    # A weight that has become 0 would never return.
    moved = (weights * factors).clamp_min(torch.finfo(weights.dtype).tiny)
    return moved * (weights.numel() / moved.sum())


def _afresh(weights: Tensor, factors: Tensor) -> Tensor:  # noqa: ARG001
    return factors


literal = partial(Algorithm1, update=_as_printed)
renormalised = partial(Algorithm1, update=_to_sum_m)
stateless = partial(Algorithm1, update=_afresh)
