"""What a split gives away: ties between the tested windows and those that were trained on, in words.

Any split can be looked at, not only those made here: it takes a table of windows and the role of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SplitError
from ecgkit.lookup import unknown
from ecgkit.splits.scheme import TEST, TRAIN, UNUSED, VALIDATION, WindowTable, codes

Severity = Literal["leak", "bias", "caveat"]
Mask = NDArray[np.bool_]

TASKS = {"subject": "identity", "condition": "state"}  # task -> what texts call it
SEVERITIES = ("leak", "bias", "caveat")  # the worst first
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


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of leak.

    Attributes
    ----------
    severity
        ``task -> severity``; tasks that it does no harm to are not in it.
    by
        A key of `EXAMPLES`: what it is counted by.
    what
        What the tested windows did; ``{used}`` is what was done with the other windows.
    so
        What follows for the score.
    """

    severity: Mapping[str, Severity]
    by: str
    what: str
    so: str


# what windows can share -> how an example of it is written
EXAMPLES = {
    "recording": "{session}",
    "visit": "{subject} visit {visit}",
    "subject": "{subject}",
    "condition": "{condition}",
    "subject in condition": "{subject} {condition}",
}

KINDS = {
    "same-recording": Kind(
        {"subject": "leak", "condition": "leak"},
        "recording",
        "came from recordings of which other windows were {used}",
        "A model can recognise the recording by its baseline, amplitude and noise, and need know no more.",
    ),
    "overlap": Kind(
        {"subject": "leak", "condition": "leak"},
        "recording",
        "shared samples with windows that were {used}",
        "The same heartbeats lie on both sides.",
    ),
    "neighbours": Kind(
        {"subject": "leak", "condition": "leak"},
        "recording",
        "lay less than {gap_s:g} s from windows that were {used}",
        "Neighbouring beats of one recording are nearly copies of each other.",
    ),
    "same-subject": Kind(
        {"condition": "leak"},
        "subject",
        "came from people of whom other recordings were {used}",
        "The score says how well the state of known people is told, not that of a new person.",
    ),
    "new-condition-for-subject": Kind(
        {"condition": "bias"},
        "subject in condition",
        "showed people in a state that they were never {used} in, though they were in others",
        "A model that knows a person has learned that this person never shows this state: the score is too "
        "low and can fall below chance.",
    ),
    "new-condition": Kind(
        {"condition": "bias"},
        "condition",
        "were in states of which nothing was {used}",
        "A model can't name them, so each counts as wrong.",
    ),
    "new-subject": Kind(
        {"subject": "bias"},
        "subject",
        "came from people of whom nothing was {used}",
        "A model can't name them, so each counts as wrong, unless the test asks who is unknown (open-set).",
    ),
    "same-visit": Kind(
        {"subject": "caveat"},
        "visit",
        "came from visits of which other recordings were {used}",
        "How the electrodes sat is known: the score can't say what another day, or electrodes placed anew, "
        "would do.",
    ),
}
SO_FOR_VALIDATION = "What the validation decides, such as when to stop, was decided with the test in view."


def find_leaks(
    table: WindowTable,
    roles: NDArray[np.integer[Any]],
    *,
    tasks: Sequence[str] = tuple(TASKS),
    gap_s: float | None = None,
) -> tuple[Leak, ...]:
    """Find what a split of any origin gives away of its tested windows.

    A tested window that shares its recording with the training is counted as such, and besides as
    overlapping or neighbouring where it is. That it shares the visit and the subject too goes without
    saying: these are counted for the other windows.

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
        What windows can share (`EXAMPLES`) -> its number in each row, (N,).
    order
        Rows by recording and time, (N,).
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
    keys = {
        # a user's own sessions may be numbered anew in each subject and visit
        "recording": codes(subject, table.visit, session),
        "visit": codes(subject, table.visit),
        "subject": subject,
        "condition": condition,
        "subject in condition": codes(subject, condition),
    }
    return _Index(table, keys, np.lexsort((table.start_s, keys["recording"])), gap_s)


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
    shares = {name: _shares(key, tested, other) for name, key in index.keys.items()}
    apart_s = _apart_s(index, other)[tested]
    overlap = apart_s < -TOLERANCE_S
    ties = {
        "same-recording": shares["recording"],
        "overlap": overlap,
        "neighbours": ~overlap & (apart_s < index.gap_s - TOLERANCE_S),
        "same-subject": shares["subject"] & ~shares["recording"],
        "same-visit": shares["visit"] & ~shares["recording"],
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


def _shares(key: NDArray[np.int64], tested: NDArray[np.int64], other: Mask) -> Mask:
    """Tell which of the tested rows have a number that other rows have too, (n_tested,)."""
    is_there = np.zeros(key.max(initial=-1) + 1, dtype=bool)
    is_there[key[other]] = True
    return is_there[key[tested]]


def _apart_s(index: _Index, other: Mask) -> NDArray[np.float64]:
    """Return what lies between each row and the nearest other row of its recording, seconds, (N,).

    Negative where they overlap, inf where the recording has none. All windows are equally long, so the
    nearest is the one that starts last before or first after it.
    """
    start_s = index.table.start_s[index.order]
    recording = index.keys["recording"][index.order]
    place = np.arange(len(start_s))
    is_other = other[index.order]
    before = np.maximum.accumulate(np.where(is_other, place, 0))
    after = np.minimum.accumulate(np.where(is_other, place, len(place) - 1)[::-1])[::-1]
    nearest_s = np.full(len(start_s), np.inf)
    for near in (before, after):
        counts = is_other[near] & (recording[near] == recording)
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
