"""Plain 1-D CNN: the ResNet without its shortcuts, to compare with."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.dual_task import ModelSpec


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


class PlainCNN(nn.Module):
    """A convolution and three blocks of two more."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        kernel, stride = spec.stem_kernel, spec.stem_stride
        self.stem = nn.Conv1d(
            spec.n_leads, spec.stem_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm1d(spec.stem_channels)
        widths = itertools.pairwise((spec.stem_channels, *spec.widths))
        blocks = [
            ConvBlock(n_in, n_out, kernel=spec.kernel, stride=stride)
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
