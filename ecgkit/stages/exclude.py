"""`ecgkit exclude` and `ecgkit include`: what of a session is not to be used, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.records import Session
from ecgkit.stages.measuring import observe
from ecgkit.stages.study_sessions import (
    checked_reason,
    facts_of,
    find_session,
    put_session,
    what_next,
)
from ecgkit.study.changing import Change, changing
from ecgkit.study.folder import Study, open_study
from ecgkit.study.session_file import SessionHeader, read_headers, read_observations, read_session

Exclusions = tuple[Exclusion, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """What is not to be used of a session.

    Attributes
    ----------
    exclusions
        What stands now, in order of time.
    changed
        Whether this call changed it.
    next_steps
        What must be done anew, one sentence each.
    """

    study: Path
    session: str
    exclusions: Exclusions
    changed: bool
    next_steps: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values; a stop of null is the session's end."""
        return {
            "study": str(self.study),
            "session": self.session,
            "excluded": [item.as_json() for item in self.exclusions],
            "changed": self.changed,
            "next_steps": list(self.next_steps),
        }


def run(
    study_folder: Path,
    session: str,
    *,
    reason: str,
    start_s: float | None = None,
    stop_s: float | None = None,
) -> Excluded:
    """Exclude a session, or a span of it; it stays in the study, and what is left is measured again.

    Parameters
    ----------
    start_s, stop_s
        Seconds from the session's start; one that is None is the session's start, or its end.

    Raises
    ------
    StudyError
        Nothing has changed then: there is no such session or span.
    """
    why = checked_reason(reason) or ""

    def exclude(header: SessionHeader) -> tuple[Exclusions, Exclusions]:
        new = _span(header, start_s, stop_s, why)
        kept = [item for item in header.excluded if (item.start_s, item.stop_s) != (new.start_s, new.stop_s)]
        after = tuple(sorted((*kept, new), key=lambda item: (item.start_s, item.stop_s)))
        return after, () if new in header.excluded else (new,)

    return _change(study_folder, session, exclude, action="exclude")


def undo(
    study_folder: Path, session: str, *, start_s: float | None = None, stop_s: float | None = None
) -> Excluded:
    """Take back all that was excluded of a session, or one span.

    Raises
    ------
    StudyError
        Nothing has changed then: there is no such session, or this span of it was not excluded.
    """

    def include(header: SessionHeader) -> tuple[Exclusions, Exclusions]:
        if start_s is None and stop_s is None:
            return (), header.excluded
        asked = _span(header, start_s, stop_s, "")
        gone = [e for e in header.excluded if (e.start_s, e.stop_s) == (asked.start_s, asked.stop_s)]
        if not gone:
            raise StudyError(
                f"{header.path}: {asked.span_text} was not excluded; excluded are: "
                f"{', '.join(item.span_text for item in header.excluded) or '(nothing)'}"
            )
        return tuple(item for item in header.excluded if item not in gone), tuple(gone)

    return _change(study_folder, session, include, action="include")


def listed(study_folder: Path) -> tuple[Excluded, ...]:
    """Return what is excluded, of every session of which something is.

    Raises
    ------
    StudyError
        There is no study, or one of its files is damaged.
    """
    study = open_study(study_folder)
    return tuple(
        Excluded(study.folder, header.tags.key, header.excluded, changed=False)
        for header in read_headers(study)
        if header.excluded
    )


def _span(header: SessionHeader, start_s: float | None, stop_s: float | None, reason: str) -> Exclusion:
    """Return the span that is meant; up to the end is to infinity, so that all of it is one span only."""
    start = 0.0 if start_s is None else start_s
    stop = math.inf if stop_s is None or stop_s >= header.duration_s else stop_s
    if not 0 <= start < min(stop, header.duration_s):
        raise StudyError(
            f"{header.path}: from {start:g} s to {stop:g} s asked for; expected a start before the stop, and "
            f"within the session's {header.duration_s:g} s"
        )
    return Exclusion(start, stop, reason)


def _change(
    study_folder: Path,
    session: str,
    decide: Callable[[SessionHeader], tuple[Exclusions, Exclusions]],
    *,
    action: str,
) -> Excluded:
    """Give a session the exclusions that `decide` returns, and log those that it says are new or gone."""
    with changing(open_study(study_folder)) as change:
        study = open_study(study_folder)
        header = find_session(study, read_headers(study), session)
        after, touched = decide(header)
        if touched:
            _put(change, study, header, after)
        for item in touched:
            change.note(action, **facts_of(header, **item.as_json()))
    return Excluded(study.folder, header.tags.key, after, bool(touched), what_next(study) if touched else ())


def _put(change: Change, study: Study, header: SessionHeader, excluded: Exclusions) -> None:
    """Stage a session with these exclusions; where spans changed, what is seen in the rest changes too.

    The warnings stay: they are about the whole recording, and some came from the source file.
    """
    session = replace(read_session(header.path), excluded=excluded)
    observations = read_observations(header.path)
    if _spans(excluded) != _spans(header.excluded):
        in_part: Session = replace(session, excluded=_spans(excluded))
        observations = replace(observe(in_part), warnings=observations.warnings)
    put_session(change, study, session, observations)


def _spans(excluded: Sequence[Exclusion]) -> Exclusions:
    """Return the exclusions that leave something to measure; reasons make no difference to it."""
    return tuple(replace(item, reason="") for item in excluded if not item.is_whole)
