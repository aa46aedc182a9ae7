"""The MobileNet backbone."""

from __future__ import annotations

import numpy as np
import torch

from ecgkit.models.backbones.mobilenet import SeparableBlock
from ecgkit.models.dual_task import ModelSpec, build_model


def test_mobilenet_has_the_parameters_counted_by_hand() -> None:
    def block(n_in: int, n_out: int) -> int:
        return (3 * n_in + 2 * n_in) + (n_in * n_out + 2 * n_out)  # both with batch normalisation

    stem = 7 * 32 + 2 * 32
    stages = 2 * block(32, 32) + block(32, 64) + block(64, 64) + block(64, 128) + 5 * block(128, 128)
    model = build_model(ModelSpec("mobilenet", "none", 1, 300, 15, 3))
    assert sum(weight.numel() for weight in model.backbone.parameters()) == stem + stages == 104_832


def test_block_equals_its_two_convolutions_written_out_in_numpy() -> None:
    torch.manual_seed(0)
    block = SeparableBlock(3, 5, kernel=3, stride=2).double().eval()
    x = torch.randn(2, 3, 9, dtype=torch.float64)
    depthwise, pointwise = block.depthwise[0].weight.detach(), block.pointwise[0].weight.detach()
    scale = 1 / np.sqrt(1 + 1e-5)  # of a batch normalisation that has seen nothing

    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1)))
    cut = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=2)[:, :, ::2]  # (B, C, T / 2, 3)
    each = np.maximum(np.einsum("bctk,ck->bct", cut, depthwise.numpy()[:, 0]) * scale, 0)
    across = np.maximum(np.einsum("bct,oc->bot", each, pointwise.numpy()[:, :, 0]) * scale, 0)
    np.testing.assert_allclose(block(x).detach().numpy(), across, rtol=1e-12, atol=1e-14)
