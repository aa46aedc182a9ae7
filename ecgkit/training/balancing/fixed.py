"""Fixed weights: what GradNorm arrives at, without its steps there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ecgkit.errors import ConfigError
from ecgkit.training.balancing import Balanced, Balancer, Mean, Shared, alone, weighed_backward

# GradNorm's mean over 50 epochs of the default network on the simulated study: 0.36 to 0.39 for the subject,
# 1.61 to 1.64 for the condition (5 seeds, split `paper`). So the comparison shows what its adapting is worth.
WEIGHTS = (0.4, 1.6)


class Fixed(Balancer):
    """Weigh each task by a constant.

    Parameters
    ----------
    n_classes
        Classes of each task; only their count matters here.
    weights
        One for each task, above 0. The defaults are for subject and condition: who somebody is, is learned
        sooner, so the state gets four times the weight.

    Raises
    ------
    ConfigError
        Not one weight for each task, or one that is not above 0.
    """

    weights: Tensor

    def __init__(self, n_classes: Sequence[int], *, weights: Sequence[float] = WEIGHTS) -> None:
        super().__init__(n_classes)
        if len(weights) != len(n_classes) or not all(0 < weight < math.inf for weight in weights):
            raise ConfigError(
                f"balancing 'fixed': weights {tuple(weights)}: expected {len(n_classes)} numbers above 0, "
                "one a task"
            )
        self.register_buffer("weights", torch.tensor(weights, dtype=torch.float32))

    def backward(self, losses: Sequence[Tensor], shared: Shared, *, mean: Mean = alone) -> Balanced:  # noqa: ARG002
        """Go backward from the weighted sum of the losses."""
        return weighed_backward(losses, self.weights)
