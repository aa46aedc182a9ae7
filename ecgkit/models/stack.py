"""A convolution and blocks after it: what the backbones of blocks share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec


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


def conv_norm(n_in: int, n_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Build a convolution with batch normalisation: (B, n_in, T) to (B, n_out, T / stride), rounded up.

    Without a bias: batch normalisation takes the mean away.

    Parameters
    ----------
    kernel
        Length, odd.
    groups
        Groups of channels that do not see each other; `n_in` makes the convolution depthwise.
    """
    convolution = nn.Conv1d(
        n_in, n_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm1d(n_out))


def block_shapes(
    n_in: int, widths: Sequence[int], strides: Sequence[int], *, depth: int, last_depth: int
) -> Iterator[tuple[int, int, int]]:
    """Give channels in, channels out and stride of each block of stages that hold several.

    The first block of a stage changes the width and shortens the time.

    Parameters
    ----------
    n_in
        Channels before the first stage.
    widths, strides
        Of the stages.
    depth, last_depth
        Blocks of a stage, and of the last one.

    Examples
    --------
    >>> list(block_shapes(4, (8, 16), (1, 2), depth=1, last_depth=2))
    [(4, 8, 1), (8, 16, 2), (16, 16, 1)]
    """
    last = len(widths) - 1
    for stage, (n_out, stride) in enumerate(zip(widths, strides, strict=True)):
        yield n_in, n_out, stride
        repeats = last_depth if stage == last else depth
        yield from itertools.repeat((n_out, n_out, 1), repeats - 1)
        n_in = n_out
