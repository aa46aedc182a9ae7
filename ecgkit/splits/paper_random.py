"""The paper's split: windows at random, 7 : 3."""

from __future__ import annotations

import numpy as np

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Draw the test windows at random from all, whatever their subject or session."""
    n_test = round(len(table) * settings.test_share)
    if not 0 < n_test < len(table):
        return {}
    test = np.zeros(len(table), dtype=bool)
    test[np.random.default_rng(settings.seed).permutation(len(table))[:n_test]] = True
    return {"0": roles(len(table), train=~test, test=test)}


SCHEME = Scheme(
    name="paper",
    scores=("condition", "subject"),
    leaks=True,
    meaning=(
        "The paper's random 7 : 3 of windows. It leaks: windows of one recording lie on both sides, so both "
        "scores say mostly how well a recording is recognised, not how a new person or a new recording "
        "would fare. For comparison with the paper only."
    ),
    split=split,
)
