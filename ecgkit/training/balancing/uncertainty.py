"""Weights from learned uncertainties: a task that stays uncertain counts less.

Kendall, Gal, Cipolla, "Multi-task learning using uncertainty to weigh losses for scene geometry and
semantics", CVPR 2018 (arXiv 1705.07115).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone, weighed_backward


class Uncertainty(Balancer):
    """Weigh each task by exp(-s_i), and learn s_i = log sigma_i^2 with the network.

    A classification's part of equation 10 is L_i / sigma_i^2 + log sigma_i; the paper learns s_i for its
    numerical stability: L = sum exp(-s_i) L_i + s_i / 2. All s_i start from 0, which weighs every task by 1.
    At rest exp(-s_i) is 1 / (2 L_i): the weights have no fixed sum, and grow as the losses fall. How fast
    they can is up to the optimiser: Adam moves s_i by about its learning rate a step.
    """

    def __init__(self, n_classes: Sequence[int]) -> None:
        super().__init__(n_classes)
        self.log_variances = nn.Parameter(torch.zeros(len(n_classes)))

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:  # noqa: ARG002
        """Go backward with the weights so far; the log-variances get their gradient."""
        weights = torch.exp(-self.log_variances.detach())
        balanced = weighed_backward(losses, weights)
        # dL/ds_i, of the mean loss, so that all processes learn the same.
        self.log_variances.grad = 0.5 - weights * mean(torch.stack([loss.detach() for loss in losses]))
        return balanced
