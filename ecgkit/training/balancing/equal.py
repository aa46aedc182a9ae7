"""Equal weights: the plain sum of the losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone, weighed_backward


class Equal(Balancer):
    """Weigh every task by 1."""

    weights: Tensor

    def __init__(self, n_classes: Sequence[int]) -> None:
        super().__init__(n_classes)
        self.register_buffer("weights", torch.ones(len(n_classes)))

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:  # noqa: ARG002
        """Go backward from the sum of the losses."""
        return weighed_backward(losses, self.weights)
