"""Multilayer perceptron: two hidden layers (Rumelhart et al. 1986, doi 10.1038/323533a0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec


class Mlp(nn.Module):
    """Two layers that each see all of what comes; every sample of every lead is an input of its own.

    Deviation: ReLU for the sigmoid. Of the specification it heeds the last width: the second layer has
    as many units, the first twice as many (256 and 128), which makes it as large as the other backbones at
    300 samples. It gives one step, so it goes without attention. The losses are balanced at the second
    layer.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width = spec.widths[-1]
        self.layer1 = nn.Linear(spec.n_leads * spec.n_samples, 2 * width)
        self.layer2 = nn.Linear(2 * width, width)

    @property
    def last_weight(self) -> nn.Parameter:
        """The weights of the second layer."""
        return self.get_parameter("layer2.weight")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, 1); by default 1 x 300 becomes 128 x 1."""
        x = torch.relu(self.layer1(x.flatten(1)))  # (B, lead * T) to (B, 256)
        x = torch.relu(self.layer2(x))  # (B, 128)
        return x[:, :, None]  # (B, 128, 1)
