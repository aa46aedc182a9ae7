"""Plain 1-D CNN: the ResNet without its shortcuts (He et al. 2016, arXiv 1512.03385, figure 3, middle)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgkit.models.stack import Stack

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec


class ConvBlock(nn.Module):
    """Two convolutions, each with batch normalisation and ReLU.

    Parameters
    ----------
    n_in, n_out
        Channels.
    kernel
        Length of both kernels, odd.
    stride
        Of the first convolution; divides the time steps, rounded up.
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, kernel, padding=kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T / stride)."""
        h = torch.relu(self.bn1(self.conv1(x)))  # (B, n_out, T / stride)
        return torch.relu(self.bn2(self.conv2(h)))


def cnn(spec: ModelSpec) -> Stack:
    """Build a convolution and plain blocks, three by default.

    The losses are balanced at the second convolution of the last block.
    """
    return Stack(spec, ConvBlock)
