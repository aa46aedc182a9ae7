"""No attention."""

from __future__ import annotations

import torch

from ecgkit.models.attention.none import none


def test_none_changes_nothing_and_has_no_weights() -> None:
    x = torch.randn(2, 3, 4)
    assert torch.equal(none(3, 4)(x), x)
    assert list(none(3, 4).parameters()) == []
