"""Squeeze-and-excitation against the paper's equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.models.attention.se import se


@given(
    batch=st.integers(1, 4), channels=st.integers(1, 24), n_steps=st.integers(1, 40), seed=st.integers(0, 999)
)
@settings(max_examples=40, deadline=None)
def test_se_equals_equations_2_to_4_written_out_in_numpy(
    batch: int, channels: int, n_steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = se(channels, n_steps).double()
    tensor = torch.randn(batch, channels, n_steps, dtype=torch.float64)
    w1, w2 = module.squeeze.weight.detach().numpy(), module.expand.weight.detach().numpy()
    x = tensor.numpy()
    z = x.mean(axis=2)  # 2
    s = 1 / (1 + np.exp(-(w2 @ np.maximum(w1 @ z.T, 0)).T))  # 3
    np.testing.assert_allclose(module(tensor).detach().numpy(), x * s[:, :, None], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("channels", "counted"), [(128, 2 * 128 * 32), (176, 2 * 176 * 44), (3, 2 * 3 * 1)])
def test_se_has_the_parameters_counted_by_hand(channels: int, counted: int) -> None:
    assert sum(weight.numel() for weight in se(channels, 38).parameters()) == counted


def test_se_gives_each_channel_one_weight_between_0_and_1() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16, 20).abs() + 1
    weights = se(16, 20)(x) / x
    torch.testing.assert_close(weights, weights[:, :, :1].expand_as(weights))
    assert bool(((weights > 0) & (weights < 1)).all())
