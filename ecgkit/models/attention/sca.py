"""Sequence-channel attention: weighs channels, then steps (Gu et al. 2025, arXiv 2502.11023)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 4


class SequenceChannelAttention(nn.Module):
    """Weigh the channels of a feature map, then its time steps.

    With X of shape (B, C, T): alpha = sigmoid(convs(mean over T of X)); X' = X * alpha;
    beta = sigmoid(FC(mean over C of X')); the output is X * alpha * beta (arXiv 2502.11023).
    The paper does not give the widths: two 1x1 convolutions with a ReLU between and `REDUCTION`
    times fewer channels there, and one T-to-T layer, which ties the module to one window length.

    Parameters
    ----------
    channels
        C, channels of the feature map.
    n_steps
        T, its time steps.
    """

    def __init__(self, channels: int, n_steps: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.squeeze = nn.Conv1d(channels, hidden, kernel_size=1)
        self.expand = nn.Conv1d(hidden, channels, kernel_size=1)
        self.steps = nn.Linear(n_steps, n_steps)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, weighed; shape (B, C, T) as it came."""
        pooled = x.mean(dim=2, keepdim=True)  # (B, C, 1)
        hidden = torch.relu(self.squeeze(pooled))  # (B, C / 4, 1)
        alpha = torch.sigmoid(self.expand(hidden))  # (B, C, 1)
        x = x * alpha  # (B, C, T)
        beta = torch.sigmoid(self.steps(x.mean(dim=1, keepdim=True)))  # (B, 1, T)
        return x * beta
