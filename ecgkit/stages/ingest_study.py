"""What becomes of a session in a study: refused, there already, or put in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.files import temporary_name, writing_in
from ecgkit.protocol.model import Protocol
from ecgkit.records import Tags
from ecgkit.stages.ingest_plan import Span, overlap
from ecgkit.stages.ingest_session import difference
from ecgkit.stages.study_sessions import facts_of, put_participants, subjects_of
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.changing import LOCK_FILE, Change, changing, locked
from ecgkit.study.folder import Study, describe_study, is_study
from ecgkit.study.rules import refuse_look_alike
from ecgkit.study.session_file import SessionHeader, read_header, read_session, session_path

Outcome = Literal["ingested", "replaced", "already there"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where sessions go.

    Attributes
    ----------
    files
        What makes the study, path -> text, where it is not there yet: it comes with its first session.
    replace
        Whether a session may take the place of others.
    strict
        Whether one whose verdict is fail is refused.
    """

    study: Study
    protocol: Protocol
    files: Mapping[Path, str] = field(default_factory=dict)
    replace: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a session.

    Attributes
    ----------
    old
        The sessions whose place it takes.
    excluded
        What an old session of the same samples says is not to be used: it stays so. None without such one.
    """

    outcome: Outcome
    old: tuple[SessionHeader, ...] = ()
    excluded: tuple[Exclusion, ...] | None = None


class KnownSessions:
    """The headers of a study's sessions; each file is read again only when it has changed."""

    def __init__(self, study: Study) -> None:
        self._folder = study.sessions_folder
        self._read: dict[str, tuple[tuple[int, int, int], SessionHeader]] = {}
        self.headers: tuple[SessionHeader, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        """Bring the headers up to date with the folder.

        Raises
        ------
        StudyError
            A session file is damaged.
        """
        found = {}
        with os.scandir(self._folder) if self._folder.exists() else contextlib.nullcontext(()) as entries:
            for entry in entries:
                if not entry.name.startswith("sub-") or not entry.name.endswith(".h5"):
                    continue
                stat = entry.stat()
                stamp = stat.st_ino, stat.st_size, stat.st_mtime_ns
                known = self._read.get(entry.name)
                found[entry.name] = (
                    known if known and known[0] == stamp else (stamp, read_header(Path(entry)))
                )
        self._read = found
        self.headers = tuple(found[name][1] for name in sorted(found))

    @property
    def subjects(self) -> set[str]:
        """Ids of the subjects that have sessions."""
        return subjects_of(self.headers)


def decide(
    known: KnownSessions, where: Path, tags: Tags, sha256: str, span_s: Span | None, *, replace: bool
) -> Decision:
    """Decide what becomes of a session of these tags, from this part of this file.

    Raises
    ------
    StudyError
        It would overwrite or double another one, or split a person in two.
    """
    refuse_look_alike(where, tags.subject, known.subjects)
    there = next((header for header in known.headers if header.tags == tags), None)
    same = [h for h in known.headers if h.sha256 == sha256 and overlap(h.span_s, span_s)]
    others = [header for header in same if header.tags != tags]
    if replace:
        excluded = next((header.excluded for header in same if header.span_s == span_s), None)
        old = (*([there] if there else []), *others)
        return Decision("replaced" if old else "ingested", old, excluded)
    if others:
        of_it = "" if others[0].span_s == span_s else f"{_seconds(span_s)} of it overlap that and are "
        raise StudyError(
            f"{where}: {_part(others[0].span_s)} in the study as {others[0].tags.key}, {of_it}now tagged "
            f"{tags.key}. If the new tags are the right ones, repeat with --replace"
        )
    if there is None:
        return Decision("ingested")
    if there.sha256 != sha256 or there.span_s != span_s:
        source = (
            f"from another file (sha256 {there.sha256[:12]}…, this one {sha256[:12]}…)"
            if there.sha256 != sha256
            else f"from {_seconds(there.span_s)} of this very file, now from {_seconds(span_s)}"
        )
        raise StudyError(
            f"{where}: {tags.key} is there already, {source}. Give --take {tags.take + 1} for a repetition, "
            "or --replace"
        )
    return Decision("already there", (there,), there.excluded)


def put_in(
    destination: Destination, known: KnownSessions, header: SessionHeader
) -> tuple[Outcome, SessionHeader] | StudyError:
    """Put a prepared session into the study; return its outcome and header, or why it is refused.

    Parameters
    ----------
    header
        Of the file that was written for it, or of the one that was there when it was compared.

    Raises
    ------
    StudyError
        Another process has the study, or nothing can be put in place: no session can be put in then.
    """
    study = destination.study
    with changing(study) as change:
        is_new = not is_study(study.folder)
        if not is_new and destination.files and describe_study(study.folder).settings != study.settings:
            raise StudyError(f"{study.folder}: was made by another ecgkit meanwhile, with other settings")
        known.refresh()
        try:
            decision = _final_decision(destination, known, header)
        except StudyError as error:
            return error
        if decision.outcome != "already there":
            for path, text in destination.files.items() if is_new else ():
                change.text(path, text)
            header = _place(study, change, header, decision)
        left = subjects_of([*(h for h in known.headers if h not in decision.old), header])
        put_participants(change, study, subjects=left, successors=dict.fromkeys(known.subjects - left))
    return decision.outcome, header


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a folder in the study's for what is not in place yet; take it away, and a study that got nothing.

    What a killed process left there is removed.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with writing_in(folder):
            place = folder / temporary_name()
            place.mkdir()
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        if not is_study(folder):
            with contextlib.suppress(OSError, StudyError):  # another process may be at work in it
                with locked(folder, wait_s=0):
                    (folder / LOCK_FILE).unlink()
                if is_new:
                    folder.rmdir()


def _final_decision(destination: Destination, known: KnownSessions, header: SessionHeader) -> Decision:
    """Decide again, with the study to ourselves; another process may have changed it since the first time."""
    decision = decide(
        known,
        destination.study.folder,
        header.tags,
        header.sha256,
        header.span_s,
        replace=destination.replace,
    )
    for old in decision.old:
        same = (old.sha256, old.span_s) == (header.sha256, header.span_s)
        if same and old.excluded != header.excluded:
            raise StudyError(f"{old.path}: was excluded, or included, meanwhile; run the same command again")
    if decision.outcome == "already there":
        (there,) = decision.old
        is_it = there.path == header.path  # compared with what would be written, when it was prepared
        if not is_it and (changed := difference(read_session(there.path), read_session(header.path))):
            raise StudyError(f"{there.path}: was put there meanwhile, read in another way: {changed}")
    elif destination.strict:
        _refuse_failed(destination.protocol, header, [h for h in known.headers if h not in decision.old])
    return decision


def _place(study: Study, change: Change, header: SessionHeader, decision: Decision) -> SessionHeader:
    target = session_path(study, header.tags)
    header.path.replace(change.new(target))
    for old in decision.old:
        if old.path != target:
            change.remove(old.path)
        if old.path != target or old.content_sha256 != header.content_sha256:
            change.note("replace", **facts_of(old, to=header.tags.key, new_sha256=header.sha256))
    return header


def _refuse_failed(protocol: Protocol, header: SessionHeader, others: list[SessionHeader]) -> None:
    """Refuse a session that is not what its tags say, judged with what else there is of its visit."""
    tags = header.tags
    visit = [h for h in others if (h.tags.subject, h.tags.visit) == (tags.subject, tags.visit)]
    compliance = judge_sessions(protocol, [*visit, header]).get(tags.key)
    if compliance is not None and compliance.verdict == "fail":
        raise StudyError(f"{tags.key}: {compliance.text}; refused by --strict")


def _part(span_s: Span | None) -> str:
    return "this very file is" if span_s is None else f"{_seconds(span_s)} of this very file are"


def _seconds(span_s: Span | None) -> str:
    return "all" if span_s is None else f"seconds {span_s[0]:.10g} to {span_s[1]:.10g}"
