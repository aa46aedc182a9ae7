"""What is done with one recording on its way into a study; runs in any process, and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from ecgkit.errors import EcgkitError, ReadError, StudyError
from ecgkit.exclusions import Exclusion
from ecgkit.protocol.model import Protocol
from ecgkit.protocol.tag import tag_recording
from ecgkit.readers import read_with
from ecgkit.readers.bids_reader import Told, told
from ecgkit.readers.leads import EcgLeads
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Recording, Session
from ecgkit.stages.ingest.plan import Failure, FileFacts, Placed, Stamp
from ecgkit.stages.leads import choose_leads
from ecgkit.stages.measuring import observe
from ecgkit.study.kept import Keep, difference, without_identity
from ecgkit.study.session_file import SessionHeader, read_header, read_session, write_session

FAILURES = (EcgkitError, OSError, ImportError)  # as `Failure` names them


@dataclass(frozen=True, slots=True)
class TakeOptions:
    """How all recordings of a call are taken in.

    Attributes
    ----------
    leads
        Names, positions or standard leads of the ECG channels; none to have one found by its name.
    reading
        What the files themselves do not say, and whether to salvage them.
    """

    leads: tuple[str, ...] = ()
    reading: ReadOptions = AS_STATED
    keep: Keep = field(default_factory=Keep)


@dataclass(frozen=True, slots=True)
class FileTask:
    """A file to look at; with a protocol, its markers are to say the conditions."""

    file: Path
    reading: ReadOptions
    protocol: Protocol | None


@dataclass(frozen=True, slots=True)
class SessionTask:
    """A session to prepare.

    Attributes
    ----------
    excluded
        What older sessions of its samples say is not to be used of it; None where there are none.
    there
        The session of these tags and this source that the study has, None where it has none.
    target
        Where the new session file is to be written, beside the study's; None to write nothing.
    """

    placed: Placed
    options: TakeOptions
    protocol: Protocol
    excluded: tuple[Exclusion, ...] | None = None
    there: Path | None = None
    target: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A session that can go into the study, or is there already.

    Attributes
    ----------
    channels
        Names of the ECG channels, in lead order; `reason` is why these.
    respiration
        Name of the respiration channel, None where there is none.
    header
        Of the file that was written, or of the one that is there; None where nothing was to be written.
    """

    channels: tuple[str, ...]
    reason: str
    respiration: str | None
    header: SessionHeader | None


def look_at(task: FileTask) -> FileFacts | Failure:
    """Open a file, hash it, and find what its markers say; return what went wrong rather than raise it."""
    try:
        recording = read_with(task.file, task.reading)
        said = told(recording.path) if recording.format == "bids" else None
        return FileFacts(
            stamp=_stamp(recording),
            sha256=recording.sha256(),
            duration_s=recording.duration_s,
            spans=() if task.protocol is None else tag_recording(task.protocol, recording),
            exported_from=said.source_sha256 if said else "",
        )
    except FAILURES as error:
        return error


def prepare(task: SessionTask) -> Prepared | Failure:
    """Choose the leads, look at the signal and write the session file; return what went wrong.

    Where the session is there already, it is only compared with what would be written.
    """
    try:
        recording = read_with(task.placed.file, task.options.reading)
        said = told(recording.path) if recording.format == "bids" else None
        chosen = choose_leads(recording, task.options.leads or (said.leads if said else ()))
        session = _session(task, chosen, said)
        header = _header(task, session)
        if _stamp(recording) != task.placed.source.stamp:
            raise ReadError(
                f"{recording.path}: was changed while it was read; wait until it is recorded or copied whole"
            )
    except FAILURES as error:
        return error
    respiration = session.respiration
    return Prepared(
        channels=tuple(channel.name for channel in chosen.channels),
        reason=chosen.reason,
        respiration=None if respiration is None else recording.channels[respiration].name,
        header=header,
    )


def _session(task: SessionTask, chosen: EcgLeads, said: Told | None) -> Session:
    """Return the session to be; one that ecgkit exported has its exclusions with it."""
    recording = without_identity(chosen.recording, task.options.keep)
    excluded = task.excluded if task.excluded is not None else said.excluded if said else ()
    name = said.source_name if said else task.placed.file.name
    return Session(
        tags=task.placed.tags,
        recording=recording if task.placed.span_s is None else recording.stretch(*task.placed.span_s),
        ecg=chosen.indexes,
        leads=chosen.names,
        respiration=find_respiration(recording.channels),
        sha256=task.placed.source.sha256,
        span_s=task.placed.span_s,
        excluded=excluded,
        source_name=name if task.options.keep.source_name else None,
    )


def _header(task: SessionTask, session: Session) -> SessionHeader | None:
    """Return the header of the session that is there, or write the new one and return its."""
    if task.there is not None:
        if changed := difference(read_session(task.there), session):
            raise StudyError(
                f"{task.there}: is there, from this very file read in another way: {changed}. If the new way "
                "is right, repeat with --replace"
            )
        return read_header(task.there)
    if task.target is None:
        return None
    seen, fs = observe(session), session.recording.channels[session.ecg[0]].fs
    warnings = (*task.placed.warnings, *seen.warnings, *task.protocol.rate_warnings(fs))
    write_session(task.target, session, replace(seen, warnings=warnings))
    return read_header(task.target)


def _stamp(recording: Recording) -> Stamp:
    found = (path.stat() for path in recording.files or (recording.path,))
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in found)
