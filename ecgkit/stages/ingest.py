"""`ecgkit ingest`: one recording, tagged, into the study."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ecgkit.errors import StudyError
from ecgkit.protocol.model import Condition, Protocol, load_protocol, shipped_protocols
from ecgkit.readers import read_with
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Channel, Recording, Session, Tags
from ecgkit.stages.leads import choose_leads
from ecgkit.stages.measuring import observe
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.study.folder import (
    Study,
    add_participant,
    create_study,
    is_study,
    open_study,
    read_participants,
    remove_empty_study,
)
from ecgkit.study.session_file import (
    Observations,
    SessionHeader,
    read_headers,
    read_session,
    session_path,
    write_session,
)

DEFAULT_PROTOCOL = "dt4ecg"


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What `ecgkit ingest` took.

    Attributes
    ----------
    channels, leads
        Names of the ECG channels, and which leads they are.
    respiration
        Name of the respiration channel, None where there is none.
    lost
        What a salvaged file no longer holds.
    """

    study: Path
    tags: Tags
    outcome: Literal["ingested", "replaced", "already there"]
    channels: tuple[str, ...]
    leads: tuple[str, ...]
    reason: str
    respiration: str | None
    fs: float
    duration_s: float
    heart_rate_bpm: float | None
    sha256: str
    simulated: bool
    lost: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "session": self.tags.key,
            "outcome": self.outcome,
            "channels": list(self.channels),
            "leads": list(self.leads),
            "channel_reason": self.reason,
            "respiration": self.respiration,
            "fs": self.fs,
            "duration_s": self.duration_s,
            "heart_rate_bpm": self.heart_rate_bpm,
            "sha256": self.sha256,
            "simulated": self.simulated,
            "lost": list(self.lost),
            "warnings": list(self.warnings),
        }


def run(
    file: Path,
    tags: Tags,
    *,
    study_folder: Path,
    protocol: str | None = None,
    leads: Sequence[str] = (),
    reading: ReadOptions = AS_STATED,
    replace: bool = False,
) -> IngestSummary:
    """Take one recording into a study, losslessly; the same call again changes nothing.

    Parameters
    ----------
    leads
        Names, positions or standard leads of the ECG channels; by default the one that is named like an ECG.
    reading
        What the file itself does not say, and whether to salvage it.

    Raises
    ------
    ReadError, ChannelError, ProtocolError, SignalError, StudyError
        Nothing has been written then, and what was there is still there.
    """
    recording = read_with(file, reading)
    rules = _protocol_of(study_folder, protocol)
    condition = rules.condition(tags.condition)
    rules.check_subject(tags.subject)
    chosen = choose_leads(recording, leads)
    sha256 = recording.sha256()
    respiration = find_respiration(recording.channels)
    session = Session(
        tags, without_identity(chosen.recording), chosen.indexes, chosen.names, respiration, sha256
    )
    seen = observe(session)
    seen = dataclasses.replace(
        seen, warnings=(*seen.warnings, *_beside_protocol(chosen.channels[0], condition, rules.least_fs_hz))
    )
    is_new = not is_study(study_folder)
    study = create_study(study_folder, protocol=_protocol_source(protocol))
    known = read_headers(study)
    read_participants(study)  # refused here, before anything is written
    outcome = _outcome(study, known, session, replace=replace)
    if outcome != "already there":
        _write(study, session, seen, is_new=is_new)
        _remove_older(known, tags, sha256)
    for subject in sorted({tags.subject, *(header.tags.subject for header in known)}):
        add_participant(study, subject)  # also those that an interrupted call left out
    return IngestSummary(
        study=study_folder,
        tags=tags,
        outcome=outcome,
        channels=tuple(channel.name for channel in chosen.channels),
        leads=chosen.names,
        reason=chosen.reason,
        respiration=None if respiration is None else recording.channels[respiration].name,
        fs=chosen.channels[0].fs,
        duration_s=chosen.channels[0].duration_s,
        heart_rate_bpm=seen.measures.as_json()["rhythm"]["heart_rate_bpm"],
        sha256=sha256,
        simulated=recording.simulated,
        lost=recording.lost,
        warnings=seen.warnings,
    )


def without_identity(recording: Recording) -> Recording:
    """Take away what can tell who was recorded: texts of markers, journal, start time."""
    markers = tuple(dataclasses.replace(marker, text="", created=None) for marker in recording.markers)
    return dataclasses.replace(recording, markers=markers, journal=None, start_time=None)


def _beside_protocol(channel: Channel, condition: Condition, least_fs_hz: float | None) -> list[str]:
    """Say where the recording is not what the protocol wants."""
    found = []
    if channel.duration_s < condition.least_duration_s:
        found.append(
            f"{channel.duration_s:.0f} s long; the protocol wants at least "
            f"{condition.least_duration_s:.0f} s of {condition.label}"
        )
    if least_fs_hz is not None and channel.fs < least_fs_hz:
        found.append(f"{channel.fs:g} Hz; the protocol wants at least {least_fs_hz:g} Hz")
    return found


def _protocol_of(study_folder: Path, protocol: str | None) -> Protocol:
    """Load the protocol of a study that is there, or the one that a new study shall have."""
    if not is_study(study_folder):
        return load_protocol(DEFAULT_PROTOCOL if protocol is None else protocol)
    rules = protocol_of(open_study(study_folder))
    if protocol is not None and load_protocol(protocol) != rules:
        raise StudyError(
            f"{study_folder}: the study follows protocol {rules.name!r}, which is not the same as "
            f"--protocol {protocol!r}; leave the option out, or choose another study folder"
        )
    return rules


def _protocol_source(protocol: str | None) -> str | Path:
    """Return the name of a shipped protocol, or the path of a file of one's own."""
    if protocol is None:
        return DEFAULT_PROTOCOL
    return protocol if protocol in shipped_protocols() else Path(protocol)


def _outcome(
    study: Study, known: tuple[SessionHeader, ...], session: Session, *, replace: bool
) -> Literal["ingested", "replaced", "already there"]:
    """Decide what becomes of a session; refuse what would lose or double one, or split a person in two."""
    tags, where = session.tags, study.folder
    _refuse_look_alike(where, known, tags.subject)
    same_tags = next((header for header in known if header.tags == tags), None)
    same_bytes = [h.tags.key for h in known if h.sha256 == session.sha256 and h.tags != tags]
    if replace:
        return "replaced" if same_tags or same_bytes else "ingested"
    if same_bytes:
        raise StudyError(
            f"{where}: this very file is in the study as {same_bytes[0]}, now tagged {tags.key}. "
            "If the new tags are the right ones, repeat with --replace"
        )
    if same_tags is None:
        return "ingested"
    if same_tags.sha256 != session.sha256:
        raise StudyError(
            f"{where}: {tags.key} is there already, from another file (sha256 "
            f"{same_tags.sha256[:12]}…, this one {session.sha256[:12]}…). Give --take {tags.take + 1} "
            "for a repetition, or --replace"
        )
    if difference := _difference(read_session(same_tags.path), session):
        raise StudyError(
            f"{where}: {tags.key} is there, from this very file read in another way: {difference}. If the "
            "new way is right, repeat with --replace"
        )
    return "already there"


def _difference(there: Session, now: Session) -> str:
    """Say how two sessions of one file differ, "" if they do not."""
    before, after = _kept(there), _kept(now)
    changed = [name for name in (*before, *after) if before.get(name) != after.get(name)]
    if not changed:
        return ""
    return f"{changed[0]} is {before.get(changed[0], 'none')} there, {after.get(changed[0], 'none')} now"


def _kept(session: Session) -> dict[str, str]:
    """Return what a study keeps of a session, but for its samples and what follows from the file alone."""
    recording = session.recording
    kept = {"ECG": ", ".join(recording.channels[index].name for index in session.ecg)}
    kept |= {"leads": ", ".join(session.leads), "lost": "; ".join(recording.lost)}
    for channel in recording.channels:
        for name in ("name", "unit", "fs", "n_samples", "scale", "offset", "missing"):
            kept[f"{name} of channel {channel.index}"] = str(getattr(channel, name))
    return kept


def _refuse_look_alike(where: Path, known: tuple[SessionHeader, ...], subject: str) -> None:
    """Refuse an id that differs from a known one by case or leading zeros only: it is the same person."""
    for other in {header.tags.subject for header in known} - {subject}:
        if other.lstrip("0").casefold() == subject.lstrip("0").casefold():
            raise StudyError(
                f"{where}: subject {subject!r} looks like {other!r}, which is in the study. Use that "
                "id if it is the same person, else one that differs by more than case or leading zeros"
            )


def _write(study: Study, session: Session, seen: Observations, *, is_new: bool) -> None:
    """Write the session; if that fails, take a study that was made for it away again."""
    try:
        write_session(session_path(study, session.tags), session, seen)
    except BaseException:
        if is_new:
            remove_empty_study(study)
        raise


def _remove_older(known: tuple[SessionHeader, ...], tags: Tags, sha256: str) -> None:
    """Remove the sessions that the same file stood in under other tags, now that the new one is written."""
    for header in known:
        if header.sha256 == sha256 and header.tags != tags:
            header.path.unlink(missing_ok=True)
