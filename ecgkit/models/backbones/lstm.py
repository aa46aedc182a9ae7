"""LSTM over the samples: its last state (Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from ecgkit.models.spec import ModelSpec


class Lstm(nn.Module):
    """One layer of LSTM cells that steps through the samples; what it holds after the last is its answer.

    Deviations: cells with forget gates and without peepholes, as torch has them. It has 5/4 of the last of
    the specification's widths as units (160), so that it is as large as the other backbones; of the
    specification it heeds nothing else. It gives one step, so it goes without attention. The losses are
    balanced at the recurrent weights.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.units = max(1, 5 * spec.widths[-1] // 4)
        self.cells = nn.LSTM(spec.n_leads, self.units, batch_first=True)

    @property
    def last_weight(self) -> nn.Parameter:
        """The recurrent weights of the four gates."""
        return self.get_parameter("cells.weight_hh_l0")

    def multiply_adds(self, n_samples: int) -> int:
        """Return the multiply-adds of a window: each sample is met by all weights but the biases."""
        weights = (self.get_parameter(f"cells.weight_{name}_l0") for name in ("ih", "hh"))
        return n_samples * sum(weight.numel() for weight in weights)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, lead, T) to (B, C, 1); by default 1 x 300 becomes 160 x 1."""
        if x.is_meta:  # where only shapes are asked for torch still steps through the samples, for seconds
            return x.new_empty(len(x), self.units, 1)
        last: Tensor = self.cells(x.transpose(1, 2))[1][0]  # (B, T, lead) to (1, B, C)
        return last.permute(1, 2, 0)  # (B, C, 1)
