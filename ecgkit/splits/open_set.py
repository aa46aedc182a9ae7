"""Identity among unknown people: some subjects are in the test only, each exactly once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.splits.scheme import (
    Folds,
    Scheme,
    SplitSettings,
    WindowTable,
    codes,
    deal_subjects,
    present,
    roles,
)


def split(table: WindowTable, settings: SplitSettings) -> Folds:
    """Let one group of subjects after the other be unknown; test them among the enrolled.

    Visits are held out where at least half of the subjects have several, else conditions: one a fold, in
    turn. The enrolled are trained on without it and tested on it, as in leave-visit-out and
    leave-condition-out. The unknown are tested on the same one, so that neither state nor day tells who
    is enrolled; their other windows are unused. Takes two enrolled subjects at least.
    """
    subject = codes(table.subject)
    labels = codes(table.visit if _has_visits(subject, table.visit) else table.condition)
    folds: Folds = {}
    for index, unknown in enumerate(deal_subjects(table, settings)):
        made = _fold(subject, labels, unknown, turn=index)
        if made is not None:
            folds[str(index)] = made
    return folds


def _has_visits(subject: NDArray[np.int64], visit: NDArray[np.int64]) -> bool:
    """Tell whether at least half of the subjects have several visits."""
    _, row_of_visit = np.unique(codes(subject, visit), return_index=True)
    n_visits = np.bincount(subject[row_of_visit])
    return bool(np.count_nonzero(n_visits > 1) * 2 >= len(n_visits))


def _fold(
    subject: NDArray[np.int64], labels: NDArray[np.int64], unknown: NDArray[np.bool_], *, turn: int
) -> NDArray[np.uint8] | None:
    """Hold out the label whose turn it is, or the next one by which enrolled and unknown can be tested."""
    for label in np.roll(np.unique(labels), -turn):
        held_out = labels == label
        train = ~held_out & ~unknown
        enrolled = present(subject, train)
        is_enrolled = enrolled[subject]
        if np.count_nonzero(enrolled) > 1 and (held_out & is_enrolled).any() and (held_out & unknown).any():
            return roles(len(subject), train=train, test=held_out & (is_enrolled | unknown))
    return None


SCHEME = Scheme(
    name="open-set",
    scores=("subject",),
    leaks=False,
    meaning=(
        "Tests whether unknown people are turned away while the enrolled are found, on a visit, or with one "
        "visit in a condition, that was not in the training. The right answer for an unknown person is "
        "'unknown', so that plain accuracy says nothing here. It can't say more of unknown people than "
        "there are in the study."
    ),
    split=split,
    open_set=True,
)
