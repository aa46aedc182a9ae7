"""What becomes of a session in a study: refused, there already, or put in its place."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ecgkit.errors import StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.files import temporary_name, writing_in
from ecgkit.protocol.model import Protocol
from ecgkit.records import Tags
from ecgkit.stages.study_sessions import facts_of, put_participants, subjects_of
from ecgkit.stages.verdicts import judge_sessions
from ecgkit.study.changing import LOCK_FILE, Change, changing, locked
from ecgkit.study.folder import Study, describe_study, is_study
from ecgkit.study.kept import difference
from ecgkit.study.rules import Span, overlap, refuse_look_alike
from ecgkit.study.session_file import SessionHeader, read_header, read_session, session_path

Outcome = Literal["ingested", "replaced", "already there"]
DECIMALS = 9  # of seconds, where what is excluded is counted from another start


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
        Whether one that is not what its tags say is refused.
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
        The sessions whose place it takes, or itself where it is there.
    excluded
        What old sessions that have samples of it say is not to be used: it stays so. None without such ones.
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
    destination: Destination,
    known: KnownSessions,
    tags: Tags,
    sha256: str,
    span_s: Span | None,
    *,
    exported_from: str = "",
) -> Decision:
    """Decide what becomes of a session of these tags, from this part of this file.

    Raises
    ------
    StudyError
        It would overwrite or double another one, or split a person in two.
    """
    where = destination.study.folder
    refuse_look_alike(where, tags.subject, known.subjects)
    there = next((header for header in known.headers if header.tags == tags), None)
    same = [h for h in known.headers if h.sha256 == sha256 and overlap(h.span_s, span_s)]
    others = [header for header in same if header.tags != tags]
    if destination.replace:
        old = (*([there] if there else []), *others)
        return Decision("replaced" if old else "ingested", old, _carried(same, tags, span_s))
    if others:
        of_it = "" if others[0].span_s == span_s else f"{_seconds(span_s)} of it overlap that and are "
        raise StudyError(
            f"{where}: {_part(others[0].span_s)} in the study as {others[0].tags.key}, {of_it}now tagged "
            f"{tags.key}. If the new tags are the right ones, repeat with --replace"
        )
    if there is None:
        return Decision("ingested")
    if there.sha256 == exported_from:
        raise StudyError(
            f"{where}: {tags.key} is there already; this is an export of it. To take it back, use another "
            "study folder, or --replace"
        )
    if there.sha256 != sha256 or there.span_s != span_s:
        source = (
            f"from another file (sha256 {there.sha256[:12]}…, this one {sha256[:12]}…)"
            if there.sha256 != sha256
            else f"from {_seconds(there.span_s)} of this very file, now from {_seconds(span_s)}"
        )
        again = f"Give --take {tags.take + 1} for a repetition, or --replace"
        raise StudyError(
            f"{where}: {tags.key} is there already, {source}. {'To replace it: --replace' if same else again}"
        )
    return Decision("already there", (there,), there.excluded)


def put_in(
    destination: Destination, known: KnownSessions, header: SessionHeader, first: Decision
) -> tuple[Decision, SessionHeader] | StudyError:
    """Put a prepared session into the study; return what became of it and its header, or why it is refused.

    Parameters
    ----------
    header
        Of the file that was written for it, or of the one that was there when it was compared.
    first
        What was decided before it was prepared.

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
            decision = _final_decision(destination, known, header, first)
        except StudyError as error:
            return error
        if decision.outcome != "already there":
            for path, text in destination.files.items() if is_new else ():
                change.text(path, text)
            header = _place(study, change, header, decision)
        left = subjects_of([*(h for h in known.headers if h not in decision.old), header])
        put_participants(change, study, subjects=left, successors=dict.fromkeys(known.subjects - left))
    return decision, header


def try_out(
    destination: Destination, known: KnownSessions, header: SessionHeader, decision: Decision
) -> tuple[Decision, SessionHeader] | StudyError:
    """Return what `put_in` would; later sessions are judged beside this one, but nothing is put in.

    The file that was written for it is removed.
    """
    if decision.outcome != "already there":
        header.path.unlink()
        others = [other for other in known.headers if other not in decision.old]
        try:
            _refuse_doubtful(destination, header, others)
        except StudyError as error:
            return error
        known.headers = (*others, header)
    return decision, header


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


def _carried(same: Sequence[SessionHeader], tags: Tags, span_s: Span | None) -> tuple[Exclusion, ...] | None:
    """Return what is excluded of old sessions as it stands in a new one that has samples of theirs.

    In a session whose edges only moved, the same tags, all of it stays all, and to the end stays to the end.
    """
    if not same:
        return None
    start_s, stop_s = span_s or (0.0, math.inf)
    found = set()
    for old in same:
        first_s, last_s = old.span_s or (0.0, math.inf)
        for item in old.excluded:
            begin_s = max(first_s + item.start_s, start_s)
            end_s = min(first_s + item.stop_s, last_s, stop_s)
            if old.span_s == span_s or (item.is_whole and old.tags == tags):
                found.add(item)
            elif begin_s < end_s:
                to_end = end_s == stop_s or (old.tags == tags and item.stop_s == math.inf)
                end_s = math.inf if to_end else round(end_s - start_s, DECIMALS)
                found.add(Exclusion(round(begin_s - start_s, DECIMALS), end_s, item.reason))
    return tuple(sorted(found, key=lambda item: (item.start_s, item.stop_s, item.reason)))


def _final_decision(
    destination: Destination, known: KnownSessions, header: SessionHeader, first: Decision
) -> Decision:
    """Decide again, with the study to ourselves; another process may have changed it since the first time."""
    decision = decide(destination, known, header.tags, header.sha256, header.span_s)
    if decision.outcome == "already there":
        (there,) = decision.old
        is_it = there.path == header.path  # compared with what would be written, when it was prepared
        if not is_it and (changed := difference(read_session(there.path), read_session(header.path))):
            raise StudyError(f"{there.path}: was put there meanwhile, read in another way: {changed}")
        return decision
    before = {old.path: old.excluded for old in first.old}
    for old in decision.old:
        if old.sha256 == header.sha256 and old.excluded != before.get(old.path, ()):
            raise StudyError(f"{old.path}: was excluded, or included, meanwhile; run the same command again")
    _refuse_doubtful(destination, header, [h for h in known.headers if h not in decision.old])
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


def _refuse_doubtful(destination: Destination, header: SessionHeader, others: list[SessionHeader]) -> None:
    """Refuse, if asked, a session that is not what its tags say, judged with what else is of its visit."""
    if not destination.strict:
        return
    tags = header.tags
    visit = [h for h in others if (h.tags.subject, h.tags.visit) == (tags.subject, tags.visit)]
    compliance = judge_sessions(destination.protocol, [*visit, header]).get(tags.key)
    if compliance is not None and (compliance.verdict == "fail" or compliance.looks_like is not None):
        raise StudyError(f"{tags.key}: {compliance.text}; refused by --strict")


def _part(span_s: Span | None) -> str:
    return "this very file is" if span_s is None else f"{_seconds(span_s)} of this very file are"


def _seconds(span_s: Span | None) -> str:
    return "all" if span_s is None else f"seconds {span_s[0]:.10g} to {span_s[1]:.10g}"
