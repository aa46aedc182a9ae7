"""The DenseNet backbone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ecgkit.errors import ConfigError
from ecgkit.models.backbones.densenet import DenseLayer, Transition
from ecgkit.models.dual_task import ModelSpec, build_model, outline

DEFAULT = ModelSpec("densenet", "none", 1, 300, 15, 3)


def test_densenet_has_the_parameters_counted_by_hand() -> None:
    def layer(n_in: int) -> int:
        return 2 * n_in + n_in * 48 + 2 * 48 + 48 * 16 * 3  # BN, 1x1 to 3 x 16, BN, 3 to 16 channels

    def transition(n_in: int) -> int:
        return 2 * n_in + n_in * n_in // 2

    stem, last = 7 * 32 + 2 * 32, 2 * 176
    block1 = sum(layer(n) for n in (32, 48))  # to 64, halved to 32
    block2 = sum(layer(n) for n in (32, 48, 64, 80))  # to 96, halved to 48
    block3 = sum(layer(n) for n in range(48, 176, 16))  # to 176
    counted = sum(weight.numel() for weight in build_model(DEFAULT).backbone.parameters())
    assert counted == stem + block1 + transition(64) + block2 + transition(96) + block3 + last == 98_016


def test_layer_leaves_what_came_and_adds_its_own() -> None:
    torch.manual_seed(0)
    layer = DenseLayer(5, 3, kernel=3).eval()
    x = torch.randn(2, 5, 7)
    out = layer(x)
    assert torch.equal(out[:, :5], x)
    h = layer.conv2(torch.relu(layer.bn2(layer.conv1(torch.relu(layer.bn1(x))))))
    assert torch.equal(out[:, 5:], h)


def test_transition_halves_channels_and_averages_steps_the_last_of_fewer() -> None:
    transition = Transition(4, stride=2).eval()
    torch.nn.init.ones_(transition.conv.weight)
    out = transition(torch.arange(5.0).expand(1, 4, 5)) * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(out, 4 * torch.tensor([0.5, 2.5, 4.0]).expand(1, 2, 3))


def test_a_width_that_layers_do_not_divide_is_met_all_the_same() -> None:
    backbone = build_model(replace(DEFAULT, widths=(20, 3), strides=(2, 2))).backbone
    assert [layer.conv2.out_channels for layer in backbone.blocks[0]] == [16, 4]
    assert backbone(torch.zeros(2, 1, 100)).shape == (2, (32 + 20) // 2 + 3, 13)


def test_densenet_refuses_too_many_layers() -> None:
    with pytest.raises(ConfigError, match=r"over 512 layers of 16 channels"):
        outline(replace(DEFAULT, widths=(4096,) * 64, strides=(1,) * 64))
