"""A convolution and blocks after it: what the backbones of residual or plain blocks share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.dual_task import ModelSpec


class BlockFactory(Protocol):
    """Builds one block; the block has a last convolution `conv2`."""

    def __call__(self, n_in: int, n_out: int, *, kernel: int, stride: int) -> nn.Module: ...


class Stack(nn.Module):
    """A convolution with batch normalisation, and blocks of the widths and strides of the specification."""

    def __init__(self, spec: ModelSpec, block: BlockFactory) -> None:
        super().__init__()
        kernel, stride = spec.stem_kernel, spec.stem_stride
        self.stem = nn.Conv1d(
            spec.n_leads, spec.stem_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm1d(spec.stem_channels)
        widths = itertools.pairwise((spec.stem_channels, *spec.widths))
        blocks = [
            block(n_in, n_out, kernel=spec.kernel, stride=stride)
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
