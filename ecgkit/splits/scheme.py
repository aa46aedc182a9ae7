"""What a split scheme is, and what it may look at: a table of windows, never a signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNUSED, TRAIN, TEST, VALIDATION = 0, 1, 2, 3

Folds = dict[str, NDArray[np.uint8]]  # fold name -> role of each row, (N,)


@dataclass(frozen=True, slots=True)
class WindowTable:
    """The columns that splits are made from, one row a window.

    Attributes
    ----------
    subject, condition, session
        Labels, (N,).
    visit
        Numbers, (N,).
    start_s
        Start of the window in its session, seconds, (N,).
    window_s
        Length of a window, seconds.
    """

    subject: NDArray[np.str_]
    condition: NDArray[np.str_]
    session: NDArray[np.str_]
    visit: NDArray[np.int64]
    start_s: NDArray[np.float64]
    window_s: float

    def __len__(self) -> int:
        return len(self.subject)


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """What schemes can be set by; each uses what concerns it."""

    seed: int
    n_folds: int
    test_share: float
    gap_s: float


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to deal windows to training and test, and what its scores mean.

    Attributes
    ----------
    scores
        The tasks whose test scores mean something: "condition", "subject".
    leaks
        Whether a tested recording has been seen in training.
    meaning
        One sentence: what the scheme can and can't show.
    split
        From a table and settings to folds; no fold where the table does not allow the scheme.
    """

    name: str
    scores: tuple[str, ...]
    leaks: bool
    meaning: str
    split: Callable[[WindowTable, SplitSettings], Folds]


def roles(n_rows: int, *, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Write the role of each row, (n_rows,) uint8; rows in neither are unused."""
    out = np.full(n_rows, UNUSED, dtype=np.uint8)
    out[train] = TRAIN
    out[test] = TEST
    return out


def leave_out(table: WindowTable, labels: NDArray[np.generic]) -> Folds:
    """Test each label in turn on the subjects who have another one to be enrolled by.

    A fold trains on all rows of the other labels. Rows of subjects who have only the label
    that is left out can't be tested and are unused in that fold.
    """
    folds: Folds = {}
    for label in np.unique(labels):
        held_out = labels == label
        enrolled = np.isin(table.subject, table.subject[~held_out])
        if (held_out & enrolled).any():
            folds[str(label)] = roles(len(table), train=~held_out, test=held_out & enrolled)
    return folds
