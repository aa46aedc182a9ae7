"""What the stages that change a study's sessions share."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgkit.dataset.read import open_dataset
from ecgkit.dataset.schema import refused_labels
from ecgkit.errors import ConfigError, DatasetError, StudyError
from ecgkit.protocol.model import Protocol
from ecgkit.records import Session, Tags
from ecgkit.stages.staleness import stale
from ecgkit.study.changing import Change
from ecgkit.study.folder import NOT_KNOWN, PARTICIPANTS_FILE, Study, read_table, table_text
from ecgkit.study.labels import About, read_label_table
from ecgkit.study.pseudonym import LETTERS
from ecgkit.study.session_file import (
    Observations,
    SessionHeader,
    read_observations,
    read_session,
    session_path,
    write_session,
)

PSEUDONYM = re.compile(rf"p[a-z2-7]{{{LETTERS}}}")
KEY_SUBJECT = re.compile(r"sub-([A-Za-z0-9]{1,32})_visit-")  # how a session's key begins
MAX_REASON = 500
SHOWN = 5


def find_session(study: Study, headers: Sequence[SessionHeader], name: str) -> SessionHeader:
    """Return the session that a key, its file's name, or whole words of its key mean.

    Where 07 has one recording at rest, ``sub-07_visit-1_cond-rest_take-1``, ``sub-07_visit-1_cond-rest`` and
    ``07_visit-1_cond-rest`` all mean it; ``7_visit-1_cond-rest`` does not.

    Raises
    ------
    StudyError
        There is none, or there are several.
    """
    wanted = Path(name).name.removesuffix(".h5")
    words = re.compile(rf"(?<![A-Za-z0-9]){re.escape(wanted)}(?![A-Za-z0-9])")
    found = [header for header in headers if header.tags.key == wanted]
    found = found or [header for header in headers if wanted and words.search(header.tags.key)]
    if len(found) == 1:
        return found[0]
    keys = [header.tags.key for header in found[:SHOWN]]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    if found:
        raise StudyError(
            f"{study.folder}: {name!r} may mean {', '.join(keys)}{more}; name one session by its whole key"
        )
    raise StudyError(
        f"{study.folder}: no session {name!r}; expected a key such as sub-07_visit-1_cond-rest_take-1. "
        "ecgkit status shows what is there"
    )


def checked_reason(reason: str | None) -> str | None:
    """Return a reason in one line, None where none was given.

    Raises
    ------
    StudyError
        It is empty, too long, or not plain text.
    """
    if reason is None:
        return None
    text = " ".join(reason.split())
    if not text or len(text) > MAX_REASON or not text.isprintable():
        raise StudyError(f"reason {reason[:40]!r}: expected 1 to {MAX_REASON} characters of text in one line")
    return text


def check_new_subject(study: Study, rules: Protocol, subject: str) -> None:
    """Check an id that is new to a study, which follows `rules`.

    Raises
    ------
    ProtocolError, StudyError
        The protocol wants another form, or the study keeps pseudonyms and this is none.
    """
    if study.settings.pseudonym_key is None:
        rules.check_subject(subject)
    elif not PSEUDONYM.fullmatch(subject):
        raise StudyError(
            f"{study.folder}: the study keeps pseudonyms, and {subject!r} is none; give the pseudonym that "
            "ecgkit ingest --pseudonymise KEYFILE made"
        )


def facts_of(header: SessionHeader, *, reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Return what the study's log says of a session: tags, hash, span, why."""
    facts = {"session": header.tags.key, **more, "sha256": header.sha256}
    if header.span_s is not None:
        facts["span_s"] = list(header.span_s)
    return facts if reason is None else {**facts, "reason": reason}


def put_session(change: Change, study: Study, session: Session, observations: Observations) -> None:
    """Let a session be in the study, in place of one with the same tags."""
    write_session(change.new(session_path(study, session.tags)), session, observations)


def put_retagged(change: Change, study: Study, header: SessionHeader, tags: Tags) -> None:
    """Let a session that lies anywhere be in the study under these tags, and all else of it be kept."""
    session = replace(read_session(header.path), tags=tags)
    put_session(change, study, session, read_observations(header.path))


def put_participants(
    change: Change, study: Study, *, subjects: Collection[str], successors: Mapping[str, str | None]
) -> None:
    """Let participants.tsv have a row for every subject.

    Parameters
    ----------
    subjects
        Who has sessions now.
    successors
        Who has none any more -> the id that these sessions have now, None where they are gone. The row goes
        to the new id, if it has none; a row that says nothing goes away; others stay.
    """
    columns, *rows = before = read_table(study)
    by_id = {row[0].removeprefix("sub-"): row for row in rows}
    for old, new in successors.items():
        row = by_id.get(old)
        if row is None:
            continue
        if new is not None and new not in by_id:
            by_id[new] = [f"sub-{new}", *by_id.pop(old)[1:]]
        elif set(row[1:]) <= {NOT_KNOWN, ""}:
            del by_id[old]
    for subject in subjects:
        by_id.setdefault(subject, [f"sub-{subject}", *[NOT_KNOWN] * (len(columns) - 1)])
    after = [columns, *by_id.values()]
    if sorted(after) != sorted(before):
        change.text(study.folder / PARTICIPANTS_FILE, table_text(columns, by_id.values()))


def subjects_of(headers: Iterable[SessionHeader]) -> set[str]:
    """Return who has sessions."""
    return {header.tags.subject for header in headers}


def labels_to_correct(study: Study, concerned: Collection[About]) -> tuple[str, ...]:
    """Say in a sentence which rows of labels.tsv a change concerns: the lab's own table is not rewritten.

    Parameters
    ----------
    concerned
        What these rows are about (`ecgkit.study.labels.rows_about`).
    """
    try:
        table = read_label_table(study, refused=refused_labels)
    except ConfigError as error:
        return (str(error),)
    lines = [row.where.rpartition(" ")[2] for row in (table.rows if table else ()) if row.about in concerned]
    if not lines:
        return ()
    listed = ", ".join(lines[:SHOWN]) + (" …" if len(lines) > SHOWN else "")
    return (
        f"{study.labels_path} was left as it is: what it says in line {listed} is of sessions that have "
        "other tags now, or are gone. Correct it before you build again",
    )


def what_next(study: Study) -> tuple[str, ...]:
    """Say in a sentence each what must be done anew now that the study has changed."""
    if not study.dataset_path.exists():
        return ()
    try:
        return tuple(stale(open_dataset(study.dataset_path)))
    except DatasetError as error:
        return (str(error),)
