"""The MLP backbone."""

from __future__ import annotations

import numpy as np
import torch

from ecgkit.models.backbones.mlp import Mlp
from ecgkit.models.dual_task import ModelSpec, build_model


def test_mlp_has_the_parameters_counted_by_hand() -> None:
    model = build_model(ModelSpec("mlp", "none", 1, 300, 15, 3))
    counted = sum(weight.numel() for weight in model.backbone.parameters())
    assert counted == (300 * 256 + 256) + (256 * 128 + 128) == 109_952


def test_mlp_equals_its_equations_written_out_in_numpy() -> None:
    torch.manual_seed(0)
    backbone = Mlp(ModelSpec("mlp", "none", 2, 8, 2, 2, widths=(4,), strides=(1,))).double()
    x = torch.randn(3, 2, 8, dtype=torch.float64)
    weight = {name: value.detach().numpy() for name, value in backbone.named_parameters()}
    h = x.numpy().reshape(3, 16)
    for name in ("layer1", "layer2"):
        h = np.maximum(h @ weight[f"{name}.weight"].T + weight[f"{name}.bias"], 0)
    np.testing.assert_allclose(backbone(x).detach().numpy(), h[:, :, None], rtol=1e-12, atol=1e-14)
