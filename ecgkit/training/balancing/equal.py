"""Equal weights: the plain sum of the losses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ecgkit.training.balancing import Balanced


class Equal:
    """Weigh every task by 1."""

    def __init__(self, n_classes: Sequence[int], *, device: torch.device) -> None:
        self.weights = torch.ones(len(n_classes), device=device)
        self._norms = torch.full_like(self.weights, torch.nan)

    def combine(self, losses: Sequence[Tensor], shared: nn.Parameter) -> Balanced:  # noqa: ARG002
        """Add the losses up."""
        return Balanced(torch.stack(list(losses)).sum(), self.weights, self._norms)
