"""Multi-head self-attention: each step looks at all others (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (the name everyone knows it by)
from torch import Tensor, nn

N_HEADS = 4
REDUCTION = 4


class MultiHeadAttention(nn.Module):
    """Add to each time step what it finds in the others, and normalise.

    Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V (equation 1), in `N_HEADS` heads whose results go side by
    side through W_O (section 3.2.2), inside LayerNorm(X + ...) (section 3.1). Deviations: the heads
    together are `REDUCTION` times narrower than X, so that the module is about as large as the other
    attention modules; no positional encoding: where a step stands it knows from the convolutions alone;
    no dropout.

    Parameters
    ----------
    channels
        C, channels of the feature map.
    size
        d, channels of a query, key and value of one head.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.query_key_value = nn.Linear(channels, 3 * N_HEADS * size, bias=False)
        self.output = nn.Linear(N_HEADS * size, channels, bias=False)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with what its steps found; shape (B, C, T) as it came.

        H heads of d channels each: 4 and 8 for C = 128.
        """
        x = x.transpose(1, 2)  # (B, T, C)
        projected = self.query_key_value(x)  # (B, T, 3 H d)
        split = projected.unflatten(2, (3, N_HEADS, self.size))  # (B, T, 3, H, d)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # 3 times (B, H, T, d)
        found = F.scaled_dot_product_attention(query, key, value)  # (B, H, T, d)
        joined = found.transpose(1, 2).flatten(2)  # (B, T, H d)
        x = self.norm(x + self.output(joined))  # (B, T, C)
        return x.transpose(1, 2)  # (B, C, T)


def mha(channels: int, _n_steps: int) -> MultiHeadAttention:
    """Build the module with heads that are together `REDUCTION` times narrower than the feature map."""
    return MultiHeadAttention(channels, max(1, channels // (N_HEADS * REDUCTION)))
