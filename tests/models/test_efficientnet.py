"""The EfficientNet backbone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ecgkit.models.backbones.efficientnet import InvertedBottleneck
from ecgkit.models.dual_task import ModelSpec, build_model

DEFAULT = ModelSpec("efficientnet", "none", 1, 300, 15, 3)


def test_efficientnet_has_the_parameters_counted_by_hand() -> None:
    def block(n_in: int, n_out: int, expansion: int) -> int:
        inner, gate = expansion * n_in, n_in // 4
        widen = n_in * inner + 2 * inner if expansion != 1 else 0
        return widen + (3 * inner + 2 * inner) + 2 * inner * gate + (inner * n_out + 2 * n_out)

    stem, last = 7 * 32 + 2 * 32, 32 * 128 + 2 * 128
    stage1 = block(32, 8, 1) + block(8, 8, 1)
    stage2 = block(8, 16, 6) + block(16, 16, 6)
    stage3 = block(16, 32, 6) + 5 * block(32, 32, 6)
    counted = sum(weight.numel() for weight in build_model(DEFAULT).backbone.parameters())
    assert counted == stem + stage1 + stage2 + stage3 + last == 101_944


@pytest.mark.parametrize(("n_out", "stride", "adds"), [(8, 1, True), (8, 2, False), (4, 1, False)])
def test_block_adds_its_input_where_the_shape_stays(n_out: int, stride: int, adds: bool) -> None:
    block = InvertedBottleneck(8, n_out, expansion=6, kernel=3, stride=stride).eval()
    torch.nn.init.zeros_(block.narrow[0].weight)
    x = torch.randn(2, 8, 10)
    out = block(x)
    assert torch.equal(out, x) if adds else torch.count_nonzero(out) == 0


def test_block_equals_its_steps_written_out_in_numpy() -> None:
    torch.manual_seed(0)
    block = InvertedBottleneck(8, 8, expansion=2, kernel=3, stride=1).double().eval()
    x = torch.randn(2, 8, 9, dtype=torch.float64)
    weight = {name: value.detach().numpy() for name, value in block.named_parameters()}
    scale = 1 / np.sqrt(1 + 1e-5)  # of a batch normalisation that has seen nothing

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    def silu(a: np.ndarray) -> np.ndarray:
        return a * sigmoid(a)

    wide = silu(np.einsum("bct,oc->bot", x.numpy(), weight["widen.0.weight"][:, :, 0]) * scale)
    cut = np.lib.stride_tricks.sliding_window_view(np.pad(wide, ((0, 0), (0, 0), (1, 1))), 3, axis=2)
    each = silu(np.einsum("bctk,ck->bct", cut, weight["depthwise.0.weight"][:, 0]) * scale)
    hidden = np.maximum(each.mean(axis=2) @ weight["gate.squeeze.weight"].T, 0)
    gated = each * sigmoid(hidden @ weight["gate.expand.weight"].T)[:, :, None]
    narrow = np.einsum("bct,oc->bot", gated, weight["narrow.0.weight"][:, :, 0]) * scale
    np.testing.assert_allclose(block(x).detach().numpy(), narrow + x.numpy(), rtol=1e-11, atol=1e-13)


def test_stages_widen_by_6_but_the_first() -> None:
    blocks = build_model(DEFAULT).backbone.blocks
    assert [block.widen is None for block in blocks] == [True] * 2 + [False] * 8
    inner = [block.depthwise[0].in_channels for block in blocks]
    assert inner == [32, 8, 48, 96, 96, 192, 192, 192, 192, 192]
