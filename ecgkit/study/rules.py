"""Rules that the sessions of a study keep, whoever puts them in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ecgkit.errors import StudyError
from ecgkit.study.pseudonym import canonical_id


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
