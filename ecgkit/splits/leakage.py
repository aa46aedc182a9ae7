"""What a split gives away: ties between the tested windows and those that were trained on, in words.

Any split can be looked at, not only those made here: it takes a table of windows and the role of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SplitError
from ecgkit.lookup import unknown
from ecgkit.splits.kinds import EXAMPLES, KINDS, SEVERITIES, SO_FOR_VALIDATION, TASKS, Severity
from ecgkit.splits.scheme import TEST, TRAIN, UNUSED, VALIDATION, WindowTable, codes, present

Mask = NDArray[np.bool_]

USED = {TRAIN: "trained on", VALIDATION: "used for validation"}
N_EXAMPLES = 3
TOLERANCE_S = 1e-6  # far below a sample, far above what rounding does to a time


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that tested windows have in common with the training, or lack there.

    Attributes
    ----------
    name
        A key of `KINDS`; "validation-" before it if the tie is to the validation windows.
    task
        The task whose score it concerns: "subject", "condition".
    severity
        "leak": the score is too good; "bias": it is too low; "caveat": it is right, and this must be said
        with it.
    n_windows, share
        How many of the tested windows, and which share of them.
    examples
        Up to three of the sessions, subjects, visits or conditions that it concerns.
    text
        How much of it there is, where, and what follows: two sentences.
    """

    name: str
    task: str
    severity: Severity
    n_windows: int
    share: float
    examples: tuple[str, ...]
    text: str


def find_leaks(
    table: WindowTable,
    roles: NDArray[np.integer[Any]],
    *,
    tasks: Sequence[str] = tuple(TASKS),
    gap_s: float | None = None,
) -> tuple[Leak, ...]:
    """Find what a split of any origin gives away of its tested windows.

    A tested window that shares its recording with the training is counted as such, and besides as
    overlapping or neighbouring where it is. That it shares the file, the visit and the subject too goes
    without saying: these are counted for the other windows, the nearest tie of each.

    Parameters
    ----------
    table
        N windows.
    roles
        0 unused, 1 train, 2 test, 3 validation, (N,).
    tasks
        What the test is to score: "subject", "condition" or both.
    gap_s
        Windows of one recording with less between them are neighbours, seconds; None: a window's length.

    Returns
    -------
    tuple of Leak
        The worst first; empty if there is none.

    Raises
    ------
    SplitError
        The roles do not fit the table, nothing is trained on or tested, or a task is unknown.
    """
    return find_leaks_of_folds(table, {"of the split": roles}, tasks=tasks, gap_s=gap_s)


def find_leaks_of_folds(
    table: WindowTable,
    folds: Mapping[str, NDArray[np.integer[Any]]],
    *,
    tasks: Sequence[str] = tuple(TASKS),
    gap_s: float | None = None,
) -> tuple[Leak, ...]:
    """Find what folds give away, as `find_leaks` does for one split; windows are counted over all folds."""
    for task in tasks:
        if task not in TASKS:
            raise SplitError(unknown("task", task, TASKS))
    index = _index(table, table.window_s if gap_s is None else gap_s)
    n_tested = 0
    concerned: dict[tuple[str, int], list[NDArray[np.int64]]] = {}  # kind, role of the others -> tested rows
    for fold, given in folds.items():
        roles = _checked(fold, np.asarray(given), len(table))
        tested = np.flatnonzero(roles == TEST)
        n_tested += len(tested)
        for role in USED if (roles == VALIDATION).any() else (TRAIN,):
            for kind, has in _ties(index, tested, roles == role, role).items():
                concerned.setdefault((kind, role), []).append(tested[has])
    found = [
        leak
        for (kind, role), parts in concerned.items()
        for leak in _leaks(index, kind, role, rows=np.concatenate(parts), n_tested=n_tested, tasks=tasks)
    ]
    return tuple(sorted(found, key=lambda leak: (SEVERITIES.index(leak.severity), -leak.share)))


def describe_leaks(leaks: Iterable[Leak]) -> list[str]:
    """Put leaks into sentences for a report, in their order; what concerns both tasks is said once."""
    tasks: dict[tuple[Severity, str], list[str]] = {}
    for leak in leaks:
        tasks.setdefault((leak.severity, leak.text), []).append(TASKS[leak.task])
    return [
        f"{severity.capitalize()} ({' and '.join(concerned)}): {text}"
        for (severity, text), concerned in tasks.items()
    ]


@dataclass(frozen=True, slots=True)
class _Index:
    """A table in numbers.

    Attributes
    ----------
    keys
        What windows can share -> its number in each row, (N,).
    order
        Rows by session and time, (N,).
    gap_s
        What is nearer is a neighbour.
    """

    table: WindowTable
    keys: Mapping[str, NDArray[np.int64]]
    order: NDArray[np.int64]
    gap_s: float


def _index(table: WindowTable, gap_s: float) -> _Index:
    if not np.isfinite(table.start_s).all():
        raise SplitError("table of windows: column start_s holds what is no number; expected seconds")
    subject, condition, session = map(codes, (table.subject, table.condition, table.session))
    # where nobody knows the files, each session counts as one of its own
    file = codes(subject, table.visit, session) if table.source is None else codes(table.source)
    keys = {
        # a user's own sessions may be numbered anew in each subject and visit
        "session": codes(subject, table.visit, session),
        "visit": codes(subject, table.visit),
        "subject": subject,
        "condition": condition,
        "subject in condition": codes(subject, condition),
        "file": file,
        "file and state": codes(file, subject, table.visit, condition),
    }
    return _Index(table, keys, np.lexsort((table.start_s, keys["session"])), gap_s)


def _checked(fold: str, roles: NDArray[Any], n_rows: int) -> NDArray[np.integer[Any]]:
    if roles.shape != (n_rows,) or roles.dtype.kind not in "iu":
        raise SplitError(
            f"roles {fold}: {roles.dtype} of shape {roles.shape}, expected whole numbers, one a window: "
            f"({n_rows},)"
        )
    strange = roles[~np.isin(roles, (UNUSED, TRAIN, TEST, VALIDATION))]
    if len(strange):
        raise SplitError(
            f"roles {fold}: {strange[0]} is no role; expected 0 unused, 1 train, 2 test, 3 validation"
        )
    for role, what in ((TRAIN, "trained on (1)"), (TEST, "tested (2)")):
        if not (roles == role).any():
            raise SplitError(f"roles {fold}: no window is {what}, so there is nothing to look for")
    return roles


def _ties(index: _Index, tested: NDArray[np.int64], other: Mask, role: int) -> dict[str, Mask]:
    """Return for each kind of leak which of the tested rows are tied to other rows, (n_tested,)."""
    shares = {name: present(key, other)[key[tested]] for name, key in index.keys.items()}
    apart_s = _apart_s(index, other)[tested]
    overlap = apart_s < -TOLERANCE_S
    apart = ~shares["session"]
    cut_apart = shares["file and state"] & apart
    same_file = shares["file"] & apart & ~cut_apart
    ties = {
        "same-recording": shares["session"],
        "overlap": overlap,
        "neighbours": ~overlap & (apart_s < index.gap_s - TOLERANCE_S),
        "same-file-and-state": cut_apart,
        "same-file": same_file,
        "same-subject": shares["subject"] & apart & ~cut_apart,
        "same-visit": shares["visit"] & apart & ~cut_apart & ~same_file,
    }
    if role == VALIDATION:  # nothing is learnt from it, so nothing can be missing
        return ties
    new_for_subject = shares["subject"] & shares["condition"] & ~shares["subject in condition"]
    ties["same-subject"] &= shares["subject in condition"]
    return ties | {
        "new-condition-for-subject": new_for_subject,
        "new-condition": ~shares["condition"],
        "new-subject": ~shares["subject"],
    }


def _apart_s(index: _Index, other: Mask) -> NDArray[np.float64]:
    """Return what lies between each row and the nearest other row of its recording, seconds, (N,).

    Negative where they overlap, inf where the recording has none. All windows are equally long, so the
    nearest is the one that starts last before or first after it.
    """
    start_s = index.table.start_s[index.order]
    session = index.keys["session"][index.order]
    place = np.arange(len(start_s))
    is_other = other[index.order]
    before = np.maximum.accumulate(np.where(is_other, place, 0))
    after = np.minimum.accumulate(np.where(is_other, place, len(place) - 1)[::-1])[::-1]
    nearest_s = np.full(len(start_s), np.inf)
    for near in (before, after):
        counts = is_other[near] & (session[near] == session)
        distance_s = np.abs(start_s - start_s[near])
        nearest_s[counts] = np.minimum(nearest_s, distance_s)[counts]
    apart_s = np.empty(len(start_s))
    apart_s[index.order] = nearest_s - index.table.window_s
    return apart_s


def _leaks(
    index: _Index, name: str, role: int, *, rows: NDArray[np.int64], n_tested: int, tasks: Sequence[str]
) -> Iterator[Leak]:
    """Give one leak for each of the tasks that it concerns, if there is any."""
    kind = KINDS[name]
    if not len(rows):
        return
    examples, n_places = _examples(index, kind.by, rows)
    more = f" and {n_places - len(examples)} more" if n_places > len(examples) else ""
    what = kind.what.format(used=USED[role], gap_s=index.gap_s)
    so = SO_FOR_VALIDATION if role == VALIDATION else kind.so
    for task in tasks:
        if task in kind.severity:
            yield Leak(
                name=name if role == TRAIN else f"validation-{name}",
                task=task,
                severity=kind.severity[task],
                n_windows=len(rows),
                share=len(rows) / n_tested,
                examples=examples,
                text=f"{_amount(len(rows), n_tested)} {what} ({', '.join(examples)}{more}). {so}",
            )


def _examples(index: _Index, by: str, rows: NDArray[np.int64]) -> tuple[tuple[str, ...], int]:
    """Return the first few of what rows are counted by, in sorted order, and how many there are."""
    _, first = np.unique(index.keys[by][rows], return_index=True)
    columns = ("subject", "condition", "session", "visit")
    listed = [
        EXAMPLES[by].format(**{name: getattr(index.table, name)[row] for name in columns})
        for row in rows[first[:N_EXAMPLES]]
    ]
    return tuple(listed), len(first)


def _amount(n: int, n_tested: int) -> str:
    if n == n_tested:
        return f"All {n} tested windows" if n > 1 else "The one tested window"
    percent = 100 * n / n_tested
    share = "less than 1 %" if percent < 1 else "more than 99 %" if percent > 99 else f"{percent:.0f} %"
    return f"{n} of {n_tested} tested windows ({share})"
