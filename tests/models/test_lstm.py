"""The LSTM backbone."""

from __future__ import annotations

import numpy as np
import torch

from ecgkit.models.backbones.lstm import Lstm
from ecgkit.models.dual_task import ModelSpec, build_model

DEFAULT = ModelSpec("lstm", "none", 1, 300, 15, 3)


def test_lstm_has_the_parameters_counted_by_hand() -> None:
    counted = sum(weight.numel() for weight in build_model(DEFAULT).backbone.parameters())
    assert counted == 4 * (160 * 1 + 160 * 160 + 2 * 160) == 104_320  # 4 gates; torch has two biases


def test_lstm_equals_its_equations_written_out_in_numpy() -> None:
    torch.manual_seed(0)
    backbone = Lstm(ModelSpec("lstm", "none", 2, 8, 2, 2, widths=(4,), strides=(1,))).double()
    weight = {
        name.removeprefix("cells."): value.detach().numpy() for name, value in backbone.named_parameters()
    }
    x = torch.randn(3, 2, 8, dtype=torch.float64)

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    h = c = np.zeros((3, 5))
    for step in range(8):
        came = x.numpy()[:, :, step] @ weight["weight_ih_l0"].T + weight["bias_ih_l0"]
        gates = came + h @ weight["weight_hh_l0"].T + weight["bias_hh_l0"]
        let_in, keep, new, let_out = np.split(gates, 4, axis=1)
        c = sigmoid(keep) * c + sigmoid(let_in) * np.tanh(new)
        h = sigmoid(let_out) * np.tanh(c)
    np.testing.assert_allclose(backbone(x).detach().numpy(), h[:, :, None], rtol=1e-11, atol=1e-13)


def test_lstm_says_the_shape_that_it_gives() -> None:
    backbone = Lstm(DEFAULT)
    assert backbone.to("meta")(torch.empty(2, 1, 300, device="meta")).shape == (2, 160, 1)
    assert Lstm(DEFAULT)(torch.zeros(2, 1, 300)).shape == (2, 160, 1)


def test_a_long_window_costs_nothing_to_outline() -> None:
    assert build_model(ModelSpec("lstm", "none", 1, 1_000_000, 15, 3)).backbone.units == 160
