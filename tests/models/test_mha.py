"""Multi-head attention against the paper's equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.models.attention.mha import mha


@given(
    batch=st.integers(1, 4), channels=st.integers(2, 40), n_steps=st.integers(1, 40), seed=st.integers(0, 999)
)
@settings(max_examples=40, deadline=None)
def test_mha_equals_the_equations_written_out_in_numpy(
    batch: int, channels: int, n_steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = mha(channels, n_steps).double()
    tensor = torch.randn(batch, channels, n_steps, dtype=torch.float64)
    d = max(1, channels // 16)
    w_q, w_k, w_v = module.query_key_value.weight.detach().numpy().reshape(3, 4, d, channels)
    w_o = module.output.weight.detach().numpy()

    x = tensor.numpy().transpose(0, 2, 1)  # (B, T, C)
    heads = []
    for head in range(4):
        q, k, v = (x @ w[head].T for w in (w_q, w_k, w_v))  # (B, T, d)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(d)  # (B, T, T)
        soft = np.exp(scores - scores.max(axis=2, keepdims=True))
        heads.append(soft / soft.sum(axis=2, keepdims=True) @ v)
    y = x + np.concatenate(heads, axis=2) @ w_o.T
    y = (y - y.mean(axis=2, keepdims=True)) / np.sqrt(y.var(axis=2, keepdims=True) + 1e-5)
    np.testing.assert_allclose(module(tensor).detach().numpy(), y.transpose(0, 2, 1), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("channels", "d"), [(128, 8), (176, 11), (3, 1)])
def test_mha_has_the_parameters_counted_by_hand(channels: int, d: int) -> None:
    counted = sum(weight.numel() for weight in mha(channels, 38).parameters())
    assert counted == 3 * channels * 4 * d + 4 * d * channels + 2 * channels


def test_mha_does_not_know_the_order_of_the_steps() -> None:
    torch.manual_seed(0)
    module, x = mha(32, 10), torch.randn(2, 32, 10)
    turned = module(x.flip(2)).flip(2)
    torch.testing.assert_close(turned, module(x))
