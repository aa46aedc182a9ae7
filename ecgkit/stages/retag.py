"""`ecgkit retag`: sessions get the tags that they should have had."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import StudyError
from ecgkit.progress import Progress, Silent
from ecgkit.records import Tags
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.study_sessions import (
    check_new_subject,
    checked_reason,
    facts_of,
    find_session,
    labels_to_correct,
    put_participants,
    put_retagged,
    subjects_of,
    what_next,
)
from ecgkit.study.changing import Change, changing
from ecgkit.study.folder import Study, open_study
from ecgkit.study.labels import About, rows_about
from ecgkit.study.rules import refuse_look_alike
from ecgkit.study.session_file import SessionHeader, read_headers, session_path


@dataclass(frozen=True, slots=True)
class NewTags:
    """The tags to give; None leaves what is there."""

    subject: str | None = None
    condition: str | None = None
    visit: int | None = None
    take: int | None = None

    def of(self, tags: Tags) -> Tags:
        """Return the tags that a session with `tags` gets."""
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return dataclasses.replace(tags, **given)


@dataclass(frozen=True, slots=True)
class Retagged:
    """What `ecgkit retag` did, or would do.

    Attributes
    ----------
    moves
        (old key, new key) of each session.
    done
        Whether it was done, and not only asked about.
    next_steps
        What must be done anew, one sentence each.
    """

    study: Path
    moves: tuple[tuple[str, str], ...]
    done: bool
    next_steps: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "retagged": [{"session": old, "to": new} for old, new in self.moves],
            "done": self.done,
            "next_steps": list(self.next_steps),
        }


def run(
    study_folder: Path,
    session: str | None,
    new: NewTags,
    *,
    all_of: str | None = None,
    swap: bool = False,
    reason: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Retagged:
    """Give a session other tags, or all sessions of a subject another id; samples and all else are kept.

    Parameters
    ----------
    session
        Its key, or whole words of it; None with `all_of`.
    all_of
        A subject, whose sessions all go to ``new.subject``.
    swap
        Give the sessions that have the new tags the old ones.

    Raises
    ------
    StudyError, ProtocolError
        Nothing has been written then: there is no such session, another one has these tags, or the tags are
        none that the study may have.
    """
    study, why = open_study(study_folder), checked_reason(reason)
    if dry_run:
        moves = _plan(study, read_headers(study), session, new, all_of=all_of, swap=swap)
        return _summary(study, moves, done=False)
    with changing(study) as change:
        headers = read_headers(study)
        moves = _plan(study, headers, session, new, all_of=all_of, swap=swap)
        if moves:
            _move(change, study, headers, moves, reason=why, progress=progress or Silent())
    return _summary(study, moves, done=True)


def _summary(study: Study, moves: dict[Tags, Tags], *, done: bool) -> Retagged:
    keys = tuple((old.key, new.key) for old, new in moves.items())
    if not done or not moves:
        return Retagged(study.folder, keys, done, ())
    concerned: set[About] = set()
    for old, new in moves.items():
        concerned |= rows_about([old]) ^ rows_about([new])
    return Retagged(study.folder, keys, done, (*labels_to_correct(study, concerned), *what_next(study)))


def _plan(
    study: Study,
    headers: Sequence[SessionHeader],
    session: str | None,
    new: NewTags,
    *,
    all_of: str | None,
    swap: bool,
) -> dict[Tags, Tags]:
    """Return old tags -> new ones, of the sessions that get others."""
    if new.condition is not None:
        new = dataclasses.replace(new, condition=protocol_of(study).condition_key(new.condition))
    chosen = _chosen(study, headers, session, new, all_of=all_of)
    moves = {tags: new.of(tags) for tags in chosen if new.of(tags) != tags}
    if swap:
        moves |= _way_back(study, headers, moves, all_of=all_of)
    _refuse_conflicts(study, headers, moves)
    return moves


def _chosen(
    study: Study, headers: Sequence[SessionHeader], session: str | None, new: NewTags, *, all_of: str | None
) -> list[Tags]:
    """Return the tags of the sessions that are meant."""
    if new == NewTags():
        raise StudyError("no new tag given: --subject, --condition, --visit or --take")
    if session is not None and all_of is None:
        return [find_session(study, headers, session).tags]
    if all_of is None or session is not None:
        raise StudyError("expected a SESSION, or --all-of and a subject, and not both")
    if new.subject is None or new != NewTags(subject=new.subject):
        raise StudyError("--all-of gives a subject's sessions another id: with --subject, no other new tag")
    chosen = [header.tags for header in headers if header.tags.subject == all_of]
    if not chosen:
        raise StudyError(
            f"{study.folder}: no session of subject {all_of!r}; ecgkit status shows who is there"
        )
    return chosen


def _way_back(
    study: Study, headers: Sequence[SessionHeader], moves: dict[Tags, Tags], *, all_of: str | None
) -> dict[Tags, Tags]:
    """Return the moves of the sessions that others exchange their tags with."""
    there = {header.tags for header in headers}
    if all_of is not None:
        other = {new.subject for new in moves.values()}
        back = {tags: dataclasses.replace(tags, subject=all_of) for tags in there if tags.subject in other}
    else:
        back = {new: old for old, new in moves.items() if new in there}
    if moves and not back:
        new = next(iter(moves.values()))
        what = new.key if all_of is None else f"of subject {new.subject!r}"
        raise StudyError(f"{study.folder}: no session {what} to swap with; leave --swap out")
    return back


def _refuse_conflicts(study: Study, headers: Sequence[SessionHeader], moves: dict[Tags, Tags]) -> None:
    """Refuse tags that another session has, or that the study may not have."""
    rules, staying = protocol_of(study), {header.tags for header in headers} - moves.keys()
    for old, new in moves.items():
        if new in staying:
            free = next(
                take for take in range(1, 10_000) if dataclasses.replace(new, take=take) not in staying
            )
            raise StudyError(
                f"{study.folder}: {new.key} is there already. Give --swap to exchange the two, --take {free} "
                "for a repetition, or remove it first"
            )
        if new.subject != old.subject and new.subject not in subjects_of(headers):
            subjects = {tags.subject for tags in (*staying, *moves.values())}
            refuse_look_alike(study.folder, new.subject, subjects)
            check_new_subject(study, rules, new.subject)


def _move(
    change: Change,
    study: Study,
    headers: Sequence[SessionHeader],
    moves: dict[Tags, Tags],
    *,
    reason: str | None,
    progress: Progress,
) -> None:
    """Stage the sessions under their new tags, the participants, and what the log says."""
    known = {header.tags: header for header in headers}
    progress.start("retag", len(moves))
    for old in sorted(moves.keys() - set(moves.values())):
        change.remove(session_path(study, old))
    for old, new in moves.items():
        put_retagged(change, study, known[old], new)
        change.note("retag", **facts_of(known[old], to=new.key, reason=reason))
        progress.advance("retag", new.key)
    subjects = {moves.get(tags, tags).subject for tags in known}
    heirs = {
        old: {moves[t].subject for t in moves if t.subject == old} for old in subjects_of(headers) - subjects
    }
    successors = {old: news.pop() if len(news) == 1 else None for old, news in heirs.items()}
    put_participants(change, study, subjects=subjects, successors=successors)
