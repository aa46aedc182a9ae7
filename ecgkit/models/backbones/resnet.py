"""1-D ResNet: the backbone of DT4ECG (He et al. 2016, arXiv 1512.03385)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgkit.models.stack import Stack

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec


class ResidualBlock(nn.Module):
    """Two convolutions, each with batch normalisation, and the input added to what they give.

    The ReLU of the second convolution comes after the addition (He et al., section 3.2). The shortcut is
    the identity where the shape stays, else a 1x1 convolution (their option B) with batch normalisation.

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
        # No biases: batch normalisation takes the mean away.
        self.conv1 = nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, kernel, padding=kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm1d(n_out)
        self.shortcut: nn.Module = nn.Identity()
        if n_in != n_out or stride != 1:
            projection = nn.Conv1d(n_in, n_out, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm1d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T / stride)."""
        h = torch.relu(self.bn1(self.conv1(x)))  # (B, n_out, T / stride)
        h = self.bn2(self.conv2(h))
        return torch.relu(h + self.shortcut(x))


def resnet(spec: ModelSpec) -> Stack:
    """Build a convolution and residual blocks, three by default.

    Figure 2 and equation 2 of He et al.; DT4ECG has one block a stage, theirs have two or more. The losses
    are balanced at the second convolution of the last block.
    """
    return Stack(spec, ResidualBlock)
