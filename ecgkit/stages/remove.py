"""`ecgkit remove`: sessions that shall not be in the study any more; the log keeps what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import StudyError
from ecgkit.stages.study_sessions import (
    checked_reason,
    facts_of,
    find_session,
    labels_to_correct,
    put_participants,
    subjects_of,
    what_next,
)
from ecgkit.study.changing import changing
from ecgkit.study.folder import Study, open_study
from ecgkit.study.labels import rows_about
from ecgkit.study.session_file import SessionHeader, read_headers


@dataclass(frozen=True, slots=True)
class Removed:
    """What `ecgkit remove` took out of a study, or would.

    Attributes
    ----------
    done
        Whether it was done, and not only asked about.
    next_steps
        What must be done anew, one sentence each.
    """

    study: Path
    sessions: tuple[str, ...]
    done: bool
    next_steps: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "removed": list(self.sessions),
            "done": self.done,
            "next_steps": list(self.next_steps),
        }


def run(
    study_folder: Path,
    names: Sequence[str],
    *,
    subject: str | None = None,
    reason: str,
    dry_run: bool = False,
) -> Removed:
    """Remove sessions from a study, those named or all of a subject.

    Raises
    ------
    StudyError
        Nothing has been removed then: there is no such session.
    """
    study, why = open_study(study_folder), checked_reason(reason)
    if dry_run:
        chosen = _chosen(study, read_headers(study), names, subject)
        return Removed(study.folder, tuple(header.tags.key for header in chosen), False, ())
    with changing(study) as change:
        headers = read_headers(study)
        chosen = _chosen(study, headers, names, subject)
        kept = set(headers) - set(chosen)
        for header in chosen:
            change.remove(header.path)
            change.note("remove", **facts_of(header, reason=why))
        left = subjects_of(kept)
        gone = dict.fromkeys(subjects_of(headers) - left)
        put_participants(change, study, subjects=left, successors=gone)
    gone_rows = rows_about(h.tags for h in chosen) - rows_about(h.tags for h in kept)
    labels = labels_to_correct(study, gone_rows)
    keys = tuple(header.tags.key for header in chosen)
    return Removed(study.folder, keys, True, (*labels, *what_next(study)))


def _chosen(
    study: Study, headers: Sequence[SessionHeader], names: Sequence[str], subject: str | None
) -> list[SessionHeader]:
    """Return the sessions that are meant, each once."""
    if bool(names) == (subject is not None):
        raise StudyError("expected SESSIONs, or --subject and an id, and not both")
    if subject is None:
        return list(dict.fromkeys(find_session(study, headers, name) for name in names))
    chosen = [header for header in headers if header.tags.subject == subject]
    if not chosen:
        raise StudyError(
            f"{study.folder}: no session of subject {subject!r}; ecgkit status shows who is there"
        )
    return chosen
