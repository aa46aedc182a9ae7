"""1-D DenseNet: each layer sees all before it (Huang et al. 2017, arXiv 1608.06993)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ecgkit.errors import ConfigError
from ecgkit.models.stack import conv_norm

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec

GROWTH = 16
BOTTLENECK = 3
COMPRESSION = 2
MAX_LAYERS = 512


class DenseLayer(nn.Module):
    """Put a few channels beside those that came: BN, ReLU, convolution, twice ("bottleneck layers").

    Parameters
    ----------
    n_in
        Channels that come.
    growth
        Channels that are added.
    kernel
        Length of the second kernel, odd; the first's is 1.
    """

    def __init__(self, n_in: int, growth: int, *, kernel: int) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.bn1 = nn.BatchNorm1d(n_in)
        self.conv1 = nn.Conv1d(n_in, inner, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm1d(inner)
        self.conv2 = nn.Conv1d(inner, growth, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_in + growth, T)."""
        h = self.conv1(torch.relu(self.bn1(x)))  # (B, inner, T)
        h = self.conv2(torch.relu(self.bn2(h)))  # (B, growth, T)
        return torch.cat((x, h), dim=1)  # (B, n_in + growth, T)


class Transition(nn.Module):
    """Halve the channels and shorten the time ("pooling layers", "compression").

    Parameters
    ----------
    n_in
        Channels that come.
    stride
        Time steps that are averaged to one; the last of them may be fewer.
    """

    def __init__(self, n_in: int, *, stride: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(n_in)
        self.conv = nn.Conv1d(n_in, max(1, n_in // COMPRESSION), kernel_size=1, bias=False)
        self.pool = nn.AvgPool1d(stride, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, T) to (B, n_in / 2, T / stride)."""
        h = self.conv(torch.relu(self.bn(x)))  # (B, n_in / 2, T)
        pooled: Tensor = self.pool(h)  # (B, n_in / 2, T / stride)
        return pooled


class DenseNet(nn.Module):
    """A convolution, dense blocks, and transitions between them: DenseNet-BC, table 1.

    A width of the specification is how many channels a block adds, `GROWTH` by each of its layers: 2, 4 and
    8 layers by default. A stride is that of the transition before the block; the first is that of the max
    pooling after the first convolution (2 in the paper, none by default). Deviations: three blocks for
    four, layers 3 times as wide inside as what they add (4 in the paper), so that it is as large as the
    other backbones. The losses are balanced at the last layer's second convolution; it makes the last 16
    of the channels.

    Raises
    ------
    ConfigError
        More than `MAX_LAYERS` layers.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        if sum(len(_growths(width)) for width in spec.widths) > MAX_LAYERS:
            raise ConfigError(
                f"model: widths {spec.widths}: over {MAX_LAYERS} layers of {GROWTH} channels in a densenet"
            )
        self.stem = conv_norm(spec.n_leads, spec.stem_channels, spec.stem_kernel, stride=spec.stem_stride)
        self.pool = nn.MaxPool1d(spec.strides[0], ceil_mode=True) if spec.strides[0] > 1 else nn.Identity()
        channels = spec.stem_channels
        blocks: list[nn.Module] = []
        for index, (width, stride) in enumerate(zip(spec.widths, spec.strides, strict=True)):
            if index:
                blocks.append(Transition(channels, stride=stride))
                channels = max(1, channels // COMPRESSION)
            blocks.append(_dense_block(channels, width, kernel=spec.kernel))
            channels += width
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm1d(channels)

    @property
    def last_weight(self) -> nn.Parameter:
        """The second convolution of the last layer."""
        names = [name for name, _ in self.named_parameters() if name.endswith("conv2.weight")]
        return self.get_parameter(names[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, T'); by default 1 x 300 becomes 176 x 38."""
        x = self.pool(torch.relu(self.stem(x)))  # (B, 32, T / 2)
        x = self.blocks(x)  # (B, 64, T / 2), (B, 96, T / 4), (B, 176, T / 8)
        return torch.relu(self.bn(x))


def _dense_block(channels: int, width: int, *, kernel: int) -> nn.Sequential:
    """Build layers that add `width` channels together."""
    layers = []
    for growth in _growths(width):
        layers.append(DenseLayer(channels, growth, kernel=kernel))
        channels += growth
    return nn.Sequential(*layers)


def _growths(width: int) -> list[int]:
    """Return the channels that each layer of a block adds; the last adds what is left."""
    whole, rest = divmod(width, GROWTH)
    return [GROWTH] * whole + ([rest] if rest else [])
