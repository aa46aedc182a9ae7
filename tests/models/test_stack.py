"""What backbones of blocks share."""

from __future__ import annotations

import pytest
import torch

from ecgkit.models.stack import block_shapes, conv_norm


def test_block_shapes_of_three_stages() -> None:
    shapes = list(block_shapes(32, (32, 64, 128), (1, 2, 2), depth=2, last_depth=3))
    assert shapes == [
        (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 1),
    ]  # fmt: skip


def test_block_shapes_of_one_stage_are_those_of_the_last() -> None:
    assert list(block_shapes(4, (8,), (3,), depth=2, last_depth=3)) == [(4, 8, 3), (8, 8, 1), (8, 8, 1)]


@pytest.mark.parametrize("n_samples", [8, 9, 15, 16])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_conv_norm_divides_the_time_rounded_up(n_samples: int, stride: int) -> None:
    layer = conv_norm(2, 6, 5, stride=stride, groups=2)
    assert layer(torch.zeros(3, 2, n_samples)).shape == (3, 6, -(-n_samples // stride))
    assert [tuple(weight.shape) for weight in layer.parameters()] == [(6, 1, 5), (6,), (6,)]
