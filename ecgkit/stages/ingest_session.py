"""What is done with one recording on its way into a study; runs in any process, and decides nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
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
from ecgkit.records import Channel, Recording, Session
from ecgkit.stages.ingest_plan import Failure, FileFacts, Placed, Stamp
from ecgkit.stages.leads import choose_leads
from ecgkit.stages.measuring import observe
from ecgkit.study.session_file import SessionHeader, read_header, read_session, write_session

FAILURES = (EcgkitError, OSError, ImportError)  # as `Failure` names them


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of a recording though it can tell who was recorded: nothing, unless a lab asks for it."""

    source_name: bool = False
    dates: bool = False
    journal: bool = False
    marker_texts: bool = False


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
    keep: Keep = Keep()


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
        What an older session of these very samples says is not to be used; None where there is none.
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
        return FileFacts(
            stamp=_stamp(recording),
            sha256=recording.sha256(),
            duration_s=recording.duration_s,
            spans=() if task.protocol is None else tag_recording(task.protocol, recording),
        )
    except FAILURES as error:
        return error


def prepare(task: SessionTask) -> Prepared | Failure:
    """Choose the leads, look at the signal and write the session file; return what went wrong.

    Where the session is there already, it is only compared with what would be written.
    """
    try:
        recording = read_with(task.placed.planned.file, task.options.reading)
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


def without_identity(recording: Recording, keep: Keep) -> Recording:
    """Take away what can tell who was recorded, but for what is asked to be kept."""
    return dataclasses.replace(
        recording,
        markers=tuple(
            dataclasses.replace(
                marker,
                text=marker.text if keep.marker_texts else "",
                created=marker.created if keep.dates else None,
            )
            for marker in recording.markers
        ),
        journal=recording.journal if keep.journal else None,
        start_time=recording.start_time if keep.dates else None,
    )


def difference(there: Session, now: Session) -> str:
    """Say how two sessions of one source differ, "" if they do not; what identifies anyone is not named."""
    before, after = _kept(there), _kept(now)
    changed = [name for name in (*before, *after) if before.get(name) != after.get(name)]
    if not changed:
        return ""
    return f"{changed[0]} is {before.get(changed[0], 'none')} there, {after.get(changed[0], 'none')} now"


def _session(task: SessionTask, chosen: EcgLeads, said: Told | None) -> Session:
    """Return the session to be; one that ecgkit exported has its exclusions with it."""
    recording = without_identity(chosen.recording, task.options.keep)
    excluded = task.excluded if task.excluded is not None else said.excluded if said else ()
    name = said.source_name if said else task.placed.planned.file.name
    return Session(
        tags=task.placed.planned.tags,
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
    seen = observe(session)
    warnings = (*task.placed.planned.warnings, *seen.warnings, *beside_protocol(session, task.protocol))
    write_session(task.target, session, dataclasses.replace(seen, warnings=warnings))
    return read_header(task.target)


def beside_protocol(session: Session, protocol: Protocol) -> Iterator[str]:
    """Say where the recording is not what the protocol wants."""
    channel: Channel = session.recording.channels[session.ecg[0]]
    condition = protocol.condition(session.tags.condition)
    if channel.duration_s < condition.least_duration_s:
        yield (
            f"{channel.duration_s:.0f} s long; the protocol wants at least "
            f"{condition.least_duration_s:.0f} s of {condition.label}"
        )
    if protocol.least_fs_hz is not None and channel.fs < protocol.least_fs_hz:
        yield f"{channel.fs:g} Hz; the protocol wants at least {protocol.least_fs_hz:g} Hz"


def _kept(session: Session) -> dict[str, str]:
    """Return what a study keeps of a session, but for its samples and what follows from the file alone."""
    recording = session.recording
    kept = {"ECG": ", ".join(recording.channels[index].name for index in session.ecg)}
    kept |= {"leads": ", ".join(session.leads), "lost": "; ".join(recording.lost)}
    for channel in recording.channels:
        for name in ("name", "unit", "fs", "n_samples", "scale", "offset", "missing"):
            kept[f"{name} of channel {channel.index}"] = str(getattr(channel, name))
    identity = {
        "the source's name": session.source_name,
        "the journal": recording.journal,
        "the start time": recording.start_time,
        "the text of a marker": next((marker.text for marker in recording.markers if marker.text), None),
    }
    return kept | {name: "left out" if value is None else "kept" for name, value in identity.items()}


def _stamp(recording: Recording) -> Stamp:
    found = (path.stat() for path in recording.files or (recording.path,))
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in found)
