"""1-D ResNet: the backbone of DT4ECG."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.dual_task import ModelSpec


class ResidualBlock(nn.Module):
    """Two convolutions, each with batch normalisation, and the input added to what they give.

    The ReLU of the second convolution comes after the addition. The shortcut is the identity
    where the shape stays, else a 1x1 convolution with batch normalisation.

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


class ResNet(nn.Module):
    """A convolution and three residual blocks."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        kernel, stride = spec.stem_kernel, spec.stem_stride
        self.stem = nn.Conv1d(
            spec.n_leads, spec.stem_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm1d(spec.stem_channels)
        widths = itertools.pairwise((spec.stem_channels, *spec.widths))
        blocks = [
            ResidualBlock(n_in, n_out, kernel=spec.kernel, stride=stride)
            for (n_in, n_out), stride in zip(widths, spec.strides, strict=True)
        ]
        self.blocks = nn.Sequential(*blocks)

    @property
    def last_weight(self) -> nn.Parameter:
        """The second convolution of the last block."""
        return self.get_parameter(f"blocks.{len(self.blocks) - 1}.conv2.weight")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, T'); by default 1 x 300 becomes 128 x 38."""
        x = torch.relu(self.bn(self.stem(x)))  # (B, 32, T / 2)
        features: Tensor = self.blocks(x)  # (B, 32, T / 2), (B, 64, T / 4), (B, 128, T / 8)
        return features
