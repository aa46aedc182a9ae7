"""The residual backbone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ecgkit.models.backbones.resnet import ResidualBlock
from ecgkit.models.dual_task import ModelSpec, build_model

Array = NDArray[np.float64]


def test_block_adds_its_input_before_the_last_relu() -> None:
    block = ResidualBlock(4, 4, kernel=3, stride=1).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 10)
    torch.testing.assert_close(block(x), torch.relu(x))


def test_block_equals_its_equations_written_out_in_numpy() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 5, kernel=3, stride=2).double().train()
    x = torch.randn(4, 3, 11, dtype=torch.float64)

    def convolution(x: Array, layer: torch.nn.Conv1d, stride: int) -> Array:
        weight = layer.weight.detach().numpy()
        reach = weight.shape[2] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (reach, reach)))
        cut = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2], axis=2)[:, :, ::stride]
        return np.einsum("bitk,oik->bot", cut, weight)

    def normalised(x: Array) -> Array:
        return (x - x.mean((0, 2), keepdims=True)) / np.sqrt(x.var((0, 2), keepdims=True) + 1e-5)

    def relu(x: Array) -> Array:
        return np.maximum(x, 0)

    h = relu(normalised(convolution(x.numpy(), block.conv1, 2)))
    h = normalised(convolution(h, block.conv2, 1))
    shortcut = normalised(convolution(x.numpy(), block.shortcut[0], 2))
    np.testing.assert_allclose(block(x).detach().numpy(), relu(h + shortcut), rtol=1e-10, atol=1e-12)


def test_resnet_makes_300_samples_38_steps_of_128_channels() -> None:
    model = build_model(ModelSpec("resnet", "none", n_leads=3, n_samples=300, n_subjects=2, n_conditions=2))
    assert model.backbone(torch.zeros(2, 3, 300)).shape == (2, 128, 38)
