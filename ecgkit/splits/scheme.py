"""What a split scheme is, and what it may look at: a table of windows, never a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SplitError

UNUSED, TRAIN, TEST, VALIDATION = 0, 1, 2, 3

Folds = dict[str, NDArray[np.uint8]]  # fold name -> role of each row, (N,)

LABELS = ("subject", "condition", "session")  # the columns of a table that are texts
COLUMNS = (*LABELS, "visit", "start_s")
SOURCE = "source"  # a column that need not be there

Labels = NDArray[np.str_ | np.object_]


@dataclass(frozen=True, slots=True)
class WindowTable:
    """The columns that splits are made from, one row a window.

    Attributes
    ----------
    subject, condition, session
        Labels, texts, (N,). A table that ecgkit makes holds references to one text each: NumPy's own texts
        would take more room than the windows.
    visit
        Numbers, (N,).
    start_s
        Start of the window in its session, seconds, (N,).
    window_s
        Length of a window, seconds.
    source
        Which file the window's session was recorded in, (N,): labels or numbers, only which are equal counts
        (a hash, or its number). Several sessions can be cut from one continuous recording. None: not known.
    """

    subject: Labels
    condition: Labels
    session: Labels
    visit: NDArray[np.int64]
    start_s: NDArray[np.float64]
    window_s: float
    source: NDArray[Any] | None = None

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
    open_set
        Whether some tested subjects are not trained on, on purpose: "unknown" is the right answer for them.
    """

    name: str
    scores: tuple[str, ...]
    leaks: bool
    meaning: str
    split: Callable[[WindowTable, SplitSettings], Folds]
    open_set: bool = False


def window_table(columns: Mapping[str, Any], *, window_s: float) -> WindowTable:
    """Make a table of windows from columns of any kind: a dict of lists, a DataFrame, a data set's table.

    Parameters
    ----------
    columns
        Those of `COLUMNS`, one value a window: labels, whole numbers for the visit, seconds; and ``source``,
        which file a session was cut from, where that is known. Others are ignored. A session's label is its
        own within its subject and visit at least, a source's everywhere.
    window_s
        Length of a window, seconds.

    Raises
    ------
    SplitError
        A column is missing, is not as long as the others, or holds what it should not.
    """
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise SplitError(
            f"table of windows: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}. "
            "Where there was one visit only, visit is 1 in every row"
        )
    if not 0 < window_s < np.inf:
        raise SplitError(f"table of windows: window_s is {window_s}, expected seconds above 0")
    given = (*COLUMNS, SOURCE) if SOURCE in columns else COLUMNS
    values = {name: np.asarray(columns[name]) for name in given}
    for name, column in values.items():
        if column.shape != (len(values["subject"]),):
            raise SplitError(
                f"table of windows: column {name} has shape {column.shape}, expected one value a window as "
                f"subject has: ({len(values['subject'])},)"
            )
    labels = {name: _labels(name, values[name]) for name in (*LABELS, SOURCE) if name in values}
    return WindowTable(
        **labels, visit=_visits(values["visit"]), start_s=_starts(values["start_s"]), window_s=float(window_s)
    )


def coded_table(
    labels: Mapping[str, tuple[Sequence[str], NDArray[np.integer[Any]]]],
    *,
    visit: NDArray[np.integer[Any]],
    start_s: NDArray[np.floating[Any]],
    source: tuple[Sequence[str], NDArray[np.integer[Any]]],
    window_s: float,
) -> WindowTable:
    """Make a table of windows from labels that are coded; each row takes a reference to its text.

    Parameters
    ----------
    labels
        ``subject, condition, session -> texts, and the place of each row's in them``, (N,).
    visit, start_s, window_s
        As in the table.
    source
        The files' names, and the place of each row's in them, (N,).
    """
    files, file_of_row = source
    return WindowTable(
        **{name: np.array(texts, dtype=object)[place] for name, (texts, place) in labels.items()},
        visit=visit.astype(np.int64),
        start_s=start_s.astype(np.float64, copy=False),
        window_s=window_s,
        source=np.unique(files, return_inverse=True)[1][file_of_row],
    )


def _labels(name: str, column: NDArray[Any]) -> Labels:
    labels = column.tolist()
    wrong = [row for row, label in enumerate(labels) if not isinstance(label, str | int) or label == ""]
    if wrong:
        raise SplitError(
            f"table of windows: column {name} holds {labels[wrong[0]]!r} in row {wrong[0]}, "
            "expected a label: a text or a whole number"
        )
    known: dict[str, str] = {}
    return np.array([known.setdefault(text, text) for text in map(str, labels)], dtype=object)


def _visits(column: NDArray[Any]) -> NDArray[np.int64]:
    if len(column) and column.dtype.kind not in "iu":
        raise SplitError(f"table of windows: column visit is of type {column.dtype}, expected whole numbers")
    return column.astype(np.int64)


def _starts(column: NDArray[Any]) -> NDArray[np.float64]:
    if len(column) and (column.dtype.kind not in "iuf" or not np.isfinite(column).all()):
        raise SplitError("table of windows: column start_s holds what is no number; expected seconds")
    return column.astype(np.float64)


def codes(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Number the different rows of some columns from 0, in sorted order, (N,).

    Windows of one session follow one another, so that the first of each run of equal rows tells all.
    """
    n_rows = len(columns[0])
    is_first = np.ones(n_rows, dtype=bool)
    if n_rows:
        is_first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    first = np.flatnonzero(is_first)
    numbers = np.zeros(len(first), dtype=np.int64)
    for column in columns:
        ranks = _ranks(column[first])
        _, numbers = np.unique(numbers * (ranks.max(initial=0) + 1) + ranks, return_inverse=True)
    return np.repeat(numbers, np.diff(np.append(first, n_rows)))


def _ranks(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Number labels in sorted order; texts by hashing, since sorting a million of them takes seconds."""
    if labels.dtype.kind in "iu":
        return np.unique(labels, return_inverse=True)[1]
    listed = labels.tolist()
    rank = {label: index for index, label in enumerate(sorted(set(listed)))}
    return np.fromiter(map(rank.__getitem__, listed), dtype=np.int64, count=len(listed))


def roles(n_rows: int, *, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Write the role of each row, (n_rows,) uint8; rows in neither are unused."""
    out = np.full(n_rows, UNUSED, dtype=np.uint8)
    out[train] = TRAIN
    out[test] = TEST
    return out


def present(numbers: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell of each number from 0 to the highest of `numbers` (N,) whether some rows (N,) have it."""
    found = np.zeros(numbers.max(initial=-1) + 1, dtype=bool)
    found[numbers[rows]] = True
    return found


def deal_subjects(table: WindowTable, settings: SplitSettings) -> Iterator[NDArray[np.bool_]]:
    """Deal subjects at random to `n_folds` groups (as many as there are subjects, if fewer).

    Yields which rows are a group's, (N,); nothing of a table of one subject.
    """
    subject = codes(table.subject)
    n_subjects = int(subject.max(initial=-1)) + 1
    if n_subjects < 2:
        return
    shuffled = np.random.default_rng(settings.seed).permutation(n_subjects)
    for group in np.array_split(shuffled, min(settings.n_folds, n_subjects)):
        yield np.isin(subject, group)


def leave_out(table: WindowTable, labels: NDArray[Any]) -> Folds:
    """Test each label in turn on the subjects who have another one to be enrolled by.

    A fold trains on all rows of the other labels. Rows of subjects who have only the label
    that is left out can't be tested and are unused in that fold.
    """
    subject, number = codes(table.subject), codes(labels)
    folds: Folds = {}
    for index, row in enumerate(np.unique(number, return_index=True)[1].tolist()):
        held_out = number == index
        enrolled = present(subject, ~held_out)[subject]
        if (held_out & enrolled).any():
            folds[str(labels[row])] = roles(len(table), train=~held_out, test=held_out & enrolled)
    return folds
