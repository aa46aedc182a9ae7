"""Squeeze-and-excitation: weighs channels (Hu et al. 2018, arXiv 1709.01507)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 4


class SqueezeExcitation(nn.Module):
    """Weigh the channels of a feature map.

    z = mean over T of X (equation 2); s = sigmoid(W2 relu(W1 z)) (equation 3); the output is X * s
    (equation 4). No biases, as the equations have none.

    Parameters
    ----------
    channels
        C, channels of the feature map.
    hidden
        Outputs of W1.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, weighed; shape (B, C, T) as it came."""
        pooled = x.mean(dim=2)  # (B, C)
        hidden = torch.relu(self.squeeze(pooled))  # (B, hidden)
        weights = torch.sigmoid(self.expand(hidden))  # (B, C)
        return x * weights[:, :, None]  # (B, C, T)


def se(channels: int, _n_steps: int) -> SqueezeExcitation:
    """Build the module with `REDUCTION` times fewer channels inside (16 in the paper), as SCA has."""
    return SqueezeExcitation(channels, max(1, channels // REDUCTION))
