"""Rules that the sessions of a study keep, whoever puts them in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ecgkit.errors import StudyError
from ecgkit.lookup import unknown
from ecgkit.study.pseudonym import canonical_id

Span = tuple[float, float]  # from and to in a source file, seconds


def overlap(one: Span | None, other: Span | None) -> bool:
    """Tell whether two parts of one file have samples in common; None is all of it."""
    (start, stop), (other_start, other_stop) = (span or (0.0, math.inf) for span in (one, other))
    return start < other_stop and other_start < stop


def refuse_look_alike(where: Path, subject: str, known: Iterable[str]) -> None:
    """Refuse an id that differs from a known one by case or leading zeros only: it is the same person.

    Raises
    ------
    StudyError
        There is such an id; the message names it.
    """
    for other in sorted(set(known) - {subject}):
        if canonical_id(other) == canonical_id(subject):
            raise StudyError(
                f"{where}: subject {subject!r} looks like {other!r}, which is in the study. Use that id if "
                "it is the same person, else one that differs by more than case or leading zeros"
            )


def unknown_subject(subject: str, known: Iterable[str]) -> str:
    """Say that nobody has an id; name the one that differs by case or leading zeros only, else all.

    Examples
    --------
    >>> unknown_subject("7", ["07", "70", "97"])
    "unknown subject '7'. Did you mean '07'? Case and leading zeros count."
    """
    known = sorted(known)
    for other in known:
        if canonical_id(other) == canonical_id(subject):
            return f"unknown subject {subject!r}. Did you mean {other!r}? Case and leading zeros count."
    return unknown("subject", subject, known)


def look_alikes(subjects: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the ids that differ by case or leading zeros only, each group sorted.

    Examples
    --------
    >>> look_alikes(["07", "7", "8", "S1", "s1"])
    (('07', '7'), ('S1', 's1'))
    """
    spelled = defaultdict(set)
    for subject in subjects:
        spelled[canonical_id(subject)].add(subject)
    return tuple(tuple(sorted(ids)) for _, ids in sorted(spelled.items()) if len(ids) > 1)
