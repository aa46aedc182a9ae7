"""1-D MobileNet: depthwise separable convolutions (Howard et al. 2017, arXiv 1704.04861)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgkit.models.stack import block_shapes, conv_norm

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec

DEPTH = 2
LAST_DEPTH = 6


class SeparableBlock(nn.Module):
    """A convolution of each channel alone, then one across channels (section 3.1, figure 3).

    Each has batch normalisation and ReLU.

    Parameters
    ----------
    n_in, n_out
        Channels.
    kernel
        Length of the first kernel, odd; the second's is 1.
    stride
        Of the first convolution; divides the time steps, rounded up.
    """

    def __init__(self, n_in: int, n_out: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.depthwise = conv_norm(n_in, n_in, kernel, stride=stride, groups=n_in)
        self.pointwise = conv_norm(n_in, n_out, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T / stride)."""
        x = torch.relu(self.depthwise(x))  # (B, n_in, T / stride)
        return torch.relu(self.pointwise(x))  # (B, n_out, T / stride)


class MobileNet(nn.Module):
    """A convolution and stages of separable blocks: the body of the paper's table 1.

    Deviations: three stages of 2, 2 and 6 blocks instead of the table's five of 1, 2, 2, 6 and 2, with the
    widths and strides of the specification, so that it is as large as the other backbones; a first kernel
    of 7. The losses are balanced at the pointwise convolution of the last block.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.stem = conv_norm(spec.n_leads, spec.stem_channels, spec.stem_kernel, stride=spec.stem_stride)
        shapes = block_shapes(
            spec.stem_channels, spec.widths, spec.strides, depth=DEPTH, last_depth=LAST_DEPTH
        )
        blocks = (
            SeparableBlock(n_in, n_out, kernel=spec.kernel, stride=stride) for n_in, n_out, stride in shapes
        )
        self.blocks = nn.Sequential(*blocks)

    @property
    def last_weight(self) -> nn.Parameter:
        """The pointwise convolution of the last block."""
        return self.get_parameter(f"blocks.{len(self.blocks) - 1}.pointwise.0.weight")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, T'); by default 1 x 300 becomes 128 x 38."""
        x = torch.relu(self.stem(x))  # (B, 32, T / 2)
        features: Tensor = self.blocks(x)  # (B, 32, T / 2), (B, 64, T / 4), (B, 128, T / 8)
        return features
