"""The plain backbone."""

from __future__ import annotations

from dataclasses import replace

import torch

from ecgkit.models.backbones.cnn import ConvBlock
from ecgkit.models.dual_task import ModelSpec, build_model


def test_block_has_no_shortcut() -> None:
    block = ConvBlock(4, 4, kernel=3, stride=1).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    assert torch.count_nonzero(block(torch.randn(2, 4, 10))) == 0


def test_cnn_is_the_resnet_less_its_shortcuts() -> None:
    spec = ModelSpec("resnet", "none", n_leads=1, n_samples=300, n_subjects=15, n_conditions=3)
    resnet, cnn = (
        {name: tuple(weight.shape) for name, weight in build_model(each).named_parameters()}
        for each in (spec, replace(spec, backbone="cnn"))
    )
    assert cnn == {name: shape for name, shape in resnet.items() if "shortcut" not in name}
