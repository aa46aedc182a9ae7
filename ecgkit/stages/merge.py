"""`ecgkit merge`: all that another study holds, into this one."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ecgkit.dataset.schema import refused_labels
from ecgkit.errors import ConfigError, EcgkitError, StudyError
from ecgkit.progress import Progress, Silent
from ecgkit.records import Tags
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.study_sessions import (
    KEY_SUBJECT,
    check_new_subject,
    facts_of,
    put_retagged,
    subjects_of,
    what_next,
)
from ecgkit.study.changing import LOCK_FILE, Change, changing, locked, read_log
from ecgkit.study.folder import NOT_KNOWN, PARTICIPANTS_FILE, Study, open_study, read_table, table_text
from ecgkit.study.kept import difference
from ecgkit.study.labels import (
    LabelTable,
    join_tables,
    labels_of,
    labels_text,
    read_label_table,
    rename_subjects,
)
from ecgkit.study.rules import look_alikes, overlap
from ecgkit.study.session_file import (
    SessionHeader,
    content_sha256_of,
    read_headers,
    read_session,
    session_path,
)

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Merged:
    """What `ecgkit merge` took, or would take.

    Attributes
    ----------
    taken
        Keys of the sessions that are new here.
    already_there
        How many sessions of the other study were here.
    in_both
        Subjects of sessions that are new here who had others here: taken for the same persons.
    done
        Whether it was done, and not only asked about.
    next_steps
        What must be done anew, one sentence each.
    """

    study: Path
    other: Path
    taken: tuple[str, ...]
    already_there: int
    in_both: tuple[str, ...]
    done: bool
    next_steps: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "other": str(self.other),
            "taken": list(self.taken),
            "already_there": self.already_there,
            "in_both": list(self.in_both),
            "done": self.done,
            "next_steps": list(self.next_steps),
        }


@dataclass(slots=True)
class _Plan:
    """What comes over, under which tags; and why it can't.

    Attributes
    ----------
    labels
        What labels.tsv is to be, None where it stays as it is.
    """

    new: dict[Tags, SessionHeader] = field(default_factory=dict)
    n_there: int = 0
    in_both: set[str] = field(default_factory=set)
    participants: str = ""
    labels: str | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)


def run(
    other_folder: Path,
    study_folder: Path,
    *,
    renamed: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Merged:
    """Take sessions, participants, exclusions and the log of another study into this one.

    The other study is only read, and nobody may change it meanwhile; only where it can't be written, it is
    read without its lock. A session that is here already, the same in all, is passed over.

    Parameters
    ----------
    renamed
        Ids of the other study -> the ids that they get here.

    Raises
    ------
    StudyError
        The two don't fit together; all that stands against it is listed, and nothing has been written.
    """
    study, other = open_study(study_folder), open_study(other_folder)
    if study.folder.resolve() == other.folder.resolve():
        raise StudyError(f"{other.folder}: this is the study itself; name another one to take in")
    ids = dict(renamed or {})
    if dry_run:
        plan = _plan(study, other, ids, progress or Silent())
        return _summary(study, other, plan, done=False)
    lock = other.folder / LOCK_FILE
    alone = locked(other.folder) if os.access(lock, os.W_OK) else contextlib.nullcontext()
    with changing(study) as change, alone:
        plan = _plan(study, other, ids, progress or Silent())
        if plan.new or plan.labels or plan.participants != _participants_text(read_table(study)):
            _take(change, study, other, plan, progress or Silent())
    return _summary(study, other, plan, done=True)


def _summary(study: Study, other: Study, plan: _Plan, *, done: bool) -> Merged:
    return Merged(
        study=study.folder,
        other=other.folder,
        taken=tuple(tags.key for tags in sorted(plan.new)),
        already_there=plan.n_there,
        in_both=tuple(sorted(plan.in_both)),
        done=done,
        next_steps=what_next(study) if done and plan.new else (),
    )


def _plan(study: Study, other: Study, ids: Mapping[str, str], progress: Progress) -> _Plan:
    """Find what comes over; raise with every reason if any stands against it."""
    here, there = read_headers(study), read_headers(other)
    plan = _Plan()
    plan.conflicts += _studies_differ(study, other)
    bad = _bad_names(study, subjects_of(there), ids)
    plan.conflicts += bad.values()
    ids = {old: new for old, new in ids.items() if old not in bad}
    plan.conflicts += _alike(here, there, ids)
    after: set[Tags] = set()
    progress.start("look", len(there))
    for header in there:
        tags = replace(header.tags, subject=ids.get(header.tags.subject, header.tags.subject))
        after.add(tags)
        plan.conflicts += _place(plan, here, header, tags)
        progress.advance("look", tags.key)
    plan.in_both = {tags.subject for tags in plan.new} & subjects_of(here)
    table, faults = _joined_tables(study, other, ids)
    plan.participants = _participants_text(table)
    plan.conflicts += faults
    plan.labels, faults = _joined_labels(study, other, {h.tags for h in here}, after, ids)
    plan.conflicts += faults
    known = read_log(study)
    plan.log = [entry for entry in (_renamed(e, ids) for e in read_log(other)) if entry not in known]
    if plan.conflicts:
        shown = plan.conflicts[:SHOWN]
        if len(plan.conflicts) > SHOWN:
            shown.append(f"and {len(plan.conflicts) - SHOWN} more")
        raise StudyError(
            f"{other.folder} does not fit into {study.folder}; nothing was written:\n"
            + "\n".join(f"  - {sentence}" for sentence in shown)
        )
    return plan


def _studies_differ(study: Study, other: Study) -> Iterator[str]:
    """Say what of the two studies as a whole must be the same and is not."""
    rules, others = protocol_of(study), protocol_of(other)
    if rules != others:
        what = "another content" if rules.name == others.name else "another protocol"
        yield f"protocol {others.name!r} there, {rules.name!r} here: {what}"
    mains = [s.settings.mains_hz or protocol_of(s).mains_hz for s in (other, study)]
    if mains[0] != mains[1]:
        yield f"mains of {mains[0]:g} Hz there, {mains[1]:g} Hz here: one data set is cleaned of one of them"
    if study.settings.pseudonym_key != other.settings.pseudonym_key:
        yield "the ids are not pseudonyms of the same key, so that one person would have two"


def _bad_names(study: Study, subjects: set[str], ids: Mapping[str, str]) -> dict[str, str]:
    """Say which of the new ids can't be, and why."""
    rules, bad = protocol_of(study), {}
    after = [ids.get(subject, subject) for subject in subjects]
    for old, new in ids.items():
        try:
            Tags(new, "rest")
            check_new_subject(study, rules, new)
        except EcgkitError as error:
            bad[old] = f"--rename-subjects {old}={new}: {error}"
        if old not in subjects:
            bad[old] = f"--rename-subjects {old}={new}: the other study has no subject {old!r}"
        elif after.count(new) > 1:
            bad[old] = f"--rename-subjects {old}={new}: two subjects of the other study would both be {new!r}"
    return bad


def _alike(
    here: Sequence[SessionHeader], there: Sequence[SessionHeader], ids: Mapping[str, str]
) -> Iterator[str]:
    """Say which ids differ by case or leading zeros only."""
    after = {ids.get(subject, subject) for subject in subjects_of(there)}
    for group in look_alikes(subjects_of(here) | after):
        yield (
            f"subjects {' and '.join(map(repr, group))} differ by case or leading zeros only; if they are "
            "one person, give one id with --rename-subjects"
        )


def _place(plan: _Plan, here: Sequence[SessionHeader], header: SessionHeader, tags: Tags) -> Iterator[str]:
    """Plan a session of the other study; say what stands against it."""
    same_tags = next((known for known in here if known.tags == tags), None)
    same_bytes = [k for k in here if k.sha256 == header.sha256 and overlap(k.span_s, header.span_s)]
    elsewhere = [known.tags.key for known in same_bytes if known.tags != tags]
    if elsewhere:
        yield f"{tags.key} there is the same recording as {elsewhere[0]} here; retag one of them"
    elif same_tags is not None and (not same_bytes or same_tags.span_s != header.span_s):
        yield (
            f"{tags.key} is here from another recording (sha256 {same_tags.sha256[:12]}… here, "
            f"{header.sha256[:12]}… there); if it is another person: --rename-subjects "
            f"{header.tags.subject}=NEW"
        )
    elif same_tags is not None and (unlike := _unlike(same_tags, header)):
        yield f"{tags.key}, the same recording: {unlike}"
    elif content_sha256_of(header.path) != header.content_sha256:
        yield f"{header.path} is damaged; ecgkit verify --study on the other study says more"
    elif same_tags is not None:
        plan.n_there += 1
    else:
        plan.new[tags] = header


def _unlike(here: SessionHeader, there: SessionHeader) -> str:
    """Say how two sessions of one recording differ, "" if they do not."""
    if here.excluded != there.excluded:
        return "not the same is excluded here and there; make it the same with ecgkit exclude or include"
    return difference(read_session(there.path), read_session(here.path))


def _joined_tables(study: Study, other: Study, ids: Mapping[str, str]) -> tuple[list[list[str]], list[str]]:
    """Return the participants of both, columns first, and what of them contradicts."""
    (columns, *rows), (more, *others) = read_table(study), read_table(other)
    names = [*columns, *(name for name in more if name not in columns)]
    joined = {row[0].removeprefix("sub-"): dict(zip(columns, row, strict=True)) for row in rows}
    faults = []
    for row in others:
        old = row[0].removeprefix("sub-")
        subject = ids.get(old, old)
        known = joined.setdefault(subject, {})
        for name, value in list(zip(more, row, strict=True))[1:]:
            before = known.get(name, NOT_KNOWN)
            if before in (NOT_KNOWN, ""):
                known[name] = value
            elif value not in (NOT_KNOWN, "", before):
                faults.append(f"participants.tsv: {name} of {subject} is {before!r} here, {value!r} there")
        known[columns[0]] = f"sub-{subject}"
    return [names, *([known.get(name, NOT_KNOWN) for name in names] for known in joined.values())], faults


def _joined_labels(
    study: Study, other: Study, here: set[Tags], there: set[Tags], ids: Mapping[str, str]
) -> tuple[str | None, list[str]]:
    """Return labels.tsv with the rows of both, None if it stays as it is, and what of them contradicts.

    A row holds for every session that it fits, so that one of here might say something of a session of
    there, of which nobody has said it.
    """
    nothing = LabelTable((), ())
    try:
        own = read_label_table(study, refused=refused_labels) or nothing
        others = rename_subjects(read_label_table(other, refused=refused_labels) or nothing, ids)
        joined = join_tables(own, others)
        if fault := refused_labels(joined.names):
            return None, [f"labels.tsv: of both studies: {fault}"]
        said, said_there = labels_of(own, here), labels_of(others, there)
        after = labels_of(joined, sorted(here | there))
    except ConfigError as error:
        return None, [str(error)]
    faults = []
    for key, values in after.items():
        known = {name for each in (said, said_there) for name, text in each.get(key, {}).items() if text}
        faults += [
            f"labels.tsv: nobody has said {name} of {key}, and it would be {text!r} by a row about other "
            "sessions; name condition, visit or take in it"
            for name, text in values.items()
            if text and name not in known
        ]
    return None if joined == own else labels_text(joined), faults


def _renamed(content: Any, ids: Mapping[str, str]) -> Any:
    """Return a log entry with the ids that its sessions get here."""
    if isinstance(content, dict):
        return {name: _renamed(value, ids) for name, value in content.items()}
    if isinstance(content, str) and (key := KEY_SUBJECT.match(content)):
        return f"sub-{ids.get(key[1], key[1])}{content[key.end(1) :]}"
    return content


def _participants_text(table: list[list[str]]) -> str:
    columns, *rows = table
    return table_text(columns, rows)


def _take(change: Change, study: Study, other: Study, plan: _Plan, progress: Progress) -> None:
    """Stage all that comes over."""
    progress.start("take", len(plan.new))
    change.note_again(plan.log)
    for tags, header in plan.new.items():
        if tags == header.tags:
            shutil.copyfile(header.path, change.new(session_path(study, tags)))
        else:
            put_retagged(change, study, header, tags)
        change.note("merge", **{**facts_of(header, study=other.settings.name), "session": tags.key})
        progress.advance("take", tags.key)
    change.text(study.folder / PARTICIPANTS_FILE, plan.participants)
    if plan.labels is not None:
        change.text(study.labels_path, plan.labels)
