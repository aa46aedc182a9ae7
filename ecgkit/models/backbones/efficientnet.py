"""1-D EfficientNet: gated inverted bottlenecks (Tan and Le 2019, arXiv 1905.11946)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)
from torch import Tensor, nn

from ecgkit.models.attention.se import SqueezeExcitation
from ecgkit.models.stack import block_shapes, conv_norm

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec

DEPTH = 2
LAST_DEPTH = 6
EXPANSION = 6
HEAD_EXPANSION = 4
GATE_REDUCTION = 4


class InvertedBottleneck(nn.Module):
    """MBConv: widen, convolve each channel alone, gate the channels, narrow; the input is added.

    From MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 1: nothing after the last convolution),
    with SiLU for ReLU6 and a squeeze-and-excitation gate. The input is added where the shape stays.

    Parameters
    ----------
    n_in, n_out
        Channels outside.
    expansion
        Channels inside are so many times `n_in`; 1 leaves the widening out.
    kernel
        Of the convolution in the middle, odd.
    stride
        Of the same; divides the time steps, rounded up.
    """

    def __init__(self, n_in: int, n_out: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = expansion * n_in
        self.widen = conv_norm(n_in, inner, kernel=1) if expansion != 1 else None
        self.depthwise = conv_norm(inner, inner, kernel, stride=stride, groups=inner)
        self.gate = SqueezeExcitation(inner, max(1, n_in // GATE_REDUCTION))
        self.narrow = conv_norm(inner, n_out, kernel=1)
        self.adds_input = n_in == n_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_out, T / stride)."""
        h = x if self.widen is None else F.silu(self.widen(x))  # (B, inner, T)
        h = F.silu(self.depthwise(h))  # (B, inner, T / stride)
        h = self.gate(h)
        narrow: Tensor = self.narrow(h)  # (B, n_out, T / stride)
        return narrow + x if self.adds_input else narrow


class EfficientNet(nn.Module):
    """A convolution, stages of inverted bottlenecks, and a 1x1 convolution: the layout of B0, table 1.

    As in B0 the first stage does not widen, the others by 6, and the last convolution widens by 4 (320 to
    1280 there): the stages have a quarter of the specification's widths. Deviations: three stages of 2, 2
    and 6 blocks for its seven, one kernel length, a first kernel of 7, no dropout and no stochastic depth,
    so that it differs from the other backbones by its blocks alone. The gates are attention of its own
    inside every block, beside what may follow the last one. The losses are balanced at the last, 1x1
    convolution.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.stem = conv_norm(spec.n_leads, spec.stem_channels, spec.stem_kernel, stride=spec.stem_stride)
        widths = [max(1, width // HEAD_EXPANSION) for width in spec.widths]
        shapes = block_shapes(spec.stem_channels, widths, spec.strides, depth=DEPTH, last_depth=LAST_DEPTH)
        self.blocks = nn.Sequential()
        for n_in, n_out, stride in shapes:
            expansion = 1 if len(self.blocks) < DEPTH else EXPANSION
            self.blocks.append(
                InvertedBottleneck(n_in, n_out, expansion=expansion, kernel=spec.kernel, stride=stride)
            )
        self.last = conv_norm(widths[-1], spec.widths[-1], kernel=1)

    @property
    def last_weight(self) -> nn.Parameter:
        """The 1x1 convolution after the blocks."""
        return self.get_parameter("last.0.weight")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, T'); by default 1 x 300 becomes 128 x 38."""
        x = F.silu(self.stem(x))  # (B, 32, T / 2)
        x = self.blocks(x)  # (B, 8, T / 2), (B, 16, T / 4), (B, 32, T / 8)
        return F.silu(self.last(x))  # (B, 128, T / 8)
