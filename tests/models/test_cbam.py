"""Convolutional block attention against the paper's equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.models.attention.cbam import cbam


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@given(
    batch=st.integers(1, 4), channels=st.integers(1, 24), n_steps=st.integers(1, 40), seed=st.integers(0, 999)
)
@settings(max_examples=40, deadline=None)
def test_cbam_equals_equations_1_to_3_written_out_in_numpy(
    batch: int, channels: int, n_steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = cbam(channels, n_steps).double()
    tensor = torch.randn(batch, channels, n_steps, dtype=torch.float64)
    weight = {name: value.detach().numpy() for name, value in module.named_parameters()}
    w0, w1, kernel = weight["squeeze.weight"], weight["expand.weight"], weight["steps.weight"][0]

    def shared(pooled: np.ndarray) -> np.ndarray:
        return np.maximum(pooled @ w0.T, 0) @ w1.T

    x = tensor.numpy()
    m_c = sigmoid(shared(x.mean(axis=2)) + shared(x.max(axis=2)))  # 2
    x = x * m_c[:, :, None]
    pooled = np.stack((x.mean(axis=1), x.max(axis=1)), axis=1)  # (B, 2, T)
    cut = np.lib.stride_tricks.sliding_window_view(np.pad(pooled, ((0, 0), (0, 0), (3, 3))), 7, axis=2)
    m_s = sigmoid(np.einsum("bctk,ck->bt", cut, kernel))  # 3
    np.testing.assert_allclose(module(tensor).detach().numpy(), x * m_s[:, None], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("channels", "counted"), [(128, 2 * 128 * 32 + 2 * 7), (3, 2 * 3 * 1 + 2 * 7)])
def test_cbam_has_the_parameters_counted_by_hand(channels: int, counted: int) -> None:
    assert sum(weight.numel() for weight in cbam(channels, 38).parameters()) == counted


def test_cbam_with_zero_weights_quarters_its_input() -> None:
    module = cbam(8, 5)
    for weight in module.parameters():
        torch.nn.init.zeros_(weight)
    x = torch.randn(2, 8, 5)
    torch.testing.assert_close(module(x), x / 4)
