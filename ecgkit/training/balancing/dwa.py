"""Dynamic weight average: the task whose loss falls more slowly gets the larger weight.

Liu, Johns, Davison, "End-to-end multi-task learning with attention", CVPR 2019 (arXiv 1803.10704).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone, weighed_backward

TEMPERATURE = 2.0


class DWA(Balancer):
    """Weights of an epoch from the losses of the two before it; in the first two all are 1."""

    weights: Tensor
    _before: Tensor

    def __init__(self, n_classes: Sequence[int]) -> None:
        super().__init__(n_classes)
        self.register_buffer("weights", torch.ones(len(n_classes)))
        self.register_buffer("_before", torch.full((len(n_classes),), torch.nan))

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:  # noqa: ARG002
        """Go backward with the epoch's weights."""
        return weighed_backward(losses, self.weights)

    def end_epoch(self, losses: Sequence[float]) -> None:
        """Set the weights of the epoch to come."""
        now = torch.tensor(losses, dtype=self._before.dtype, device=self._before.device)
        self.weights = epoch_weights(now, self._before)
        self._before = now


def epoch_weights(losses: Tensor, before: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Return M exp(r_i / T) / sum exp(r_j / T) with r_i = L_i(t - 1) / L_i(t - 2).

    Parameters
    ----------
    losses, before
        (M,), mean losses of the last epoch and of the one before it. Where their ratio is not a finite
        number, as after the first epoch, it is taken to be 1.
    """
    ratios = losses / before
    ratios = torch.where(torch.isfinite(ratios), ratios, torch.ones_like(ratios))
    return len(ratios) * torch.softmax(ratios / temperature, dim=0)
