"""The paper's random windows, so that each is tested once: for comparison with others' cross-validation."""

from __future__ import annotations

import numpy as np

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Deal all windows at random to `n_folds` folds of equal size, whatever their subject or session."""
    n_folds = min(settings.n_folds, len(table))
    if n_folds < 2:
        return {}
    fold = np.random.default_rng(settings.seed).permutation(len(table)) % n_folds
    return {
        str(index): roles(len(table), train=fold != index, test=fold == index) for index in range(n_folds)
    }


SCHEME = Scheme(
    name="paper-kfold",
    scores=("condition", "subject"),
    leaks=True,
    meaning=(
        "Windows at random as in the paper, each tested once. It leaks: windows of one recording lie on both "
        "sides in every fold, so that more folds make the number steadier, not truer. For comparison with "
        "work that cross-validates over windows only."
    ),
    split=split,
)
