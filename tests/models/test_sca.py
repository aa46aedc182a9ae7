"""Sequence-channel attention against the paper's equations."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.models.attention.sca import SequenceChannelAttention


@given(
    batch=st.integers(1, 4), channels=st.integers(1, 24), n_steps=st.integers(1, 40), seed=st.integers(0, 999)
)
@settings(max_examples=40, deadline=None)
def test_sca_equals_the_equations_written_out_in_numpy(
    batch: int, channels: int, n_steps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    sca = SequenceChannelAttention(channels, n_steps).double()
    tensor = torch.randn(batch, channels, n_steps, dtype=torch.float64)
    weight = {name: value.detach().numpy() for name, value in sca.named_parameters()}

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    x = tensor.numpy()
    squeezed = x.mean(axis=2) @ weight["squeeze.weight"][:, :, 0].T + weight["squeeze.bias"]
    expanded = np.maximum(squeezed, 0) @ weight["expand.weight"][:, :, 0].T + weight["expand.bias"]
    alpha = sigmoid(expanded)[:, :, None]  # (B, C, 1)
    weighed = x * alpha
    beta = sigmoid(weighed.mean(axis=1) @ weight["steps.weight"].T + weight["steps.bias"])[:, None, :]
    np.testing.assert_allclose(sca(tensor).detach().numpy(), x * alpha * beta, rtol=1e-12, atol=1e-14)


def test_sca_with_zero_weights_quarters_its_input() -> None:
    sca = SequenceChannelAttention(8, 5)
    for weight in sca.parameters():
        torch.nn.init.zeros_(weight)
    x = torch.randn(2, 8, 5)
    torch.testing.assert_close(sca(x), x / 4)


def test_sca_only_ever_lessens() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16, 20)
    out = SequenceChannelAttention(16, 20)(x)
    assert bool((out.abs() < x.abs()).all())
    assert torch.equal(out.sign(), x.sign())
