"""State on people never seen: whole subjects are held out, each exactly once."""

from __future__ import annotations

import numpy as np

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Deal subjects to `n_folds` groups (as many as there are subjects, if fewer) at random."""
    subjects = np.unique(table.subject)
    if len(subjects) < 2:
        return {}
    shuffled = np.random.default_rng(settings.seed).permutation(subjects)
    folds: Folds = {}
    for index, group in enumerate(np.array_split(shuffled, min(settings.n_folds, len(subjects)))):
        held_out = np.isin(table.subject, group)
        folds[str(index)] = roles(len(table), train=~held_out, test=held_out)
    return folds


SCHEME = Scheme(
    name="leave-subjects-out",
    scores=("condition",),
    leaks=False,
    meaning=(
        "Tests the state on people who were not in the training: what to expect of a new person. "
        "It can't say anything about identity, since the tested people are unknown to the model."
    ),
    split=split,
)
