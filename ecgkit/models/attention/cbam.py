"""CBAM, convolutional block attention: weighs channels, then steps (Woo et al. 2018, arXiv 1807.06521)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

REDUCTION = 4
KERNEL = 7


class ConvolutionalBlockAttention(nn.Module):
    """Weigh the channels of a feature map, then its time steps.

    M_c = sigmoid(W1 relu(W0 mean over T of X) + W1 relu(W0 max over T of X)) (equation 2); X' = X * M_c;
    M_s = sigmoid(convolution of [mean over C of X'; max over C of X']) (equation 3); the output is X' * M_s
    (equation 1). No biases, as the equations have none; the kernel of 7 x 7 becomes one of 7.

    Parameters
    ----------
    channels
        C, channels of the feature map.
    hidden
        Outputs of W0.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, channels, bias=False)
        self.steps = nn.Conv1d(2, 1, KERNEL, padding=KERNEL // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, weighed; shape (B, C, T) as it came."""
        pooled = torch.stack((x.mean(dim=2), x.amax(dim=2)))  # (2, B, C)
        hidden = torch.relu(self.squeeze(pooled))  # (2, B, hidden)
        channel_weights = torch.sigmoid(self.expand(hidden).sum(dim=0))  # (B, C)
        x = x * channel_weights[:, :, None]  # (B, C, T)
        across = torch.stack((x.mean(dim=1), x.amax(dim=1)), dim=1)  # (B, 2, T)
        step_weights = torch.sigmoid(self.steps(across))  # (B, 1, T)
        return x * step_weights


def cbam(channels: int, _n_steps: int) -> ConvolutionalBlockAttention:
    """Build the module with `REDUCTION` times fewer channels inside (16 in the paper), as SCA has."""
    return ConvolutionalBlockAttention(channels, max(1, channels // REDUCTION))
