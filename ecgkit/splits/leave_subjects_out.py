"""State on people never seen: whole subjects are held out, each exactly once."""

from __future__ import annotations

from ecgkit.splits.scheme import Folds, Scheme, SplitSettings, WindowTable, deal_subjects, roles


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Test one group of subjects after the other; train on all the others."""
    folds: Folds = {}
    for index, held_out in enumerate(deal_subjects(table, settings)):
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
