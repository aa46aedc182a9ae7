"""`ecgkit ingest`: one recording, tagged, into the study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import mean_heart_rate_bpm
from ecgkit.analysis.quality import finite_runs
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.errors import SignalError, StudyError
from ecgkit.protocol.model import Condition, Protocol, load_protocol, shipped_protocols
from ecgkit.readers import read
from ecgkit.readers.ecg_channel import choose_ecg, millivolts_per_unit
from ecgkit.records import Channel, Recording, Session, Tags
from ecgkit.stages.study_protocol import protocol_of
from ecgkit.stages.windows import read_physical
from ecgkit.study.folder import (
    Study,
    add_participant,
    create_study,
    is_study,
    open_study,
    read_participants,
    remove_empty_study,
)
from ecgkit.study.session_file import SessionHeader, read_headers, write_session

DEFAULT_PROTOCOL = "dt4ecg"
R_RANGE_MV = (0.1, 5.0)
AMPLIFIER_GAINS = (500, 1000, 2000, 5000)  # of BIOPAC's ECG100C
FLAT_S = 1.0


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What `ecgkit ingest` took."""

    study: Path
    tags: Tags
    outcome: Literal["ingested", "replaced", "already there"]
    channel: str
    reason: str
    fs: float
    duration_s: float
    heart_rate_bpm: float | None
    sha256: str
    simulated: bool
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "study": str(self.study),
            "session": self.tags.key,
            "outcome": self.outcome,
            "channel": self.channel,
            "channel_reason": self.reason,
            "fs": self.fs,
            "duration_s": self.duration_s,
            "heart_rate_bpm": self.heart_rate_bpm,
            "sha256": self.sha256,
            "simulated": self.simulated,
            "warnings": list(self.warnings),
        }


def run(
    file: Path,
    tags: Tags,
    *,
    study_folder: Path,
    protocol: str | None = None,
    channel: str | None = None,
    replace: bool = False,
) -> IngestSummary:
    """Take one recording into a study, losslessly; the same call again changes nothing.

    Raises
    ------
    ReadError, ChannelError, ProtocolError, SignalError, StudyError
        Nothing has been written then, and what was there is still there.
    """
    recording = read(file)
    rules = _protocol_of(study_folder, protocol)
    condition = rules.condition(tags.condition)
    indexes, reason = choose_ecg(recording, [] if channel is None else [channel])
    ecg = recording.channels[indexes[0]]
    rate_bpm, warnings = look_at_signal(recording, ecg, condition)
    sha256 = recording.sha256()
    is_new = not is_study(study_folder)
    study = create_study(study_folder, protocol=_protocol_source(protocol))
    known = read_headers(study)
    read_participants(study)  # refused here, before anything is written
    session = Session(tags, recording, indexes, sha256)
    outcome = _outcome(study, known, session, replace=replace)
    if outcome != "already there":
        _write(study, session, heart_rate_bpm=rate_bpm, warnings=warnings, is_new=is_new)
        _remove_older(known, tags, sha256)
    for subject in sorted({tags.subject, *(header.tags.subject for header in known)}):
        add_participant(study, subject)  # also those that an interrupted call left out
    return IngestSummary(
        study=study_folder,
        tags=tags,
        outcome=outcome,
        channel=ecg.name,
        reason=reason,
        fs=ecg.fs,
        duration_s=ecg.duration_s,
        heart_rate_bpm=rate_bpm,
        sha256=sha256,
        simulated=recording.simulated,
        warnings=warnings,
    )


def look_at_signal(
    recording: Recording, channel: Channel, condition: Condition
) -> tuple[float | None, tuple[str, ...]]:
    """Return the mean heart rate, and one sentence for each thing a lab should know before it trusts this.

    Raises
    ------
    SignalError
        There is nothing in the channel: flat, no numbers, or no samples.
    """
    signal = read_physical(channel)
    where = f"{recording.path}, channel {channel.name!r}"
    finite = np.isfinite(signal)
    if not finite.any():
        raise SignalError(f"{where}: not one sample is a number ({len(signal)} samples); nothing to ingest")
    if np.ptp(signal[finite]) == 0:
        raise SignalError(
            f"{where}: flat from start to end; an electrode or the wrong channel? Name another with --channel"
        )
    stretches = _peaks_between_gaps(recording, channel, signal)
    rate = mean_heart_rate_bpm([peaks / channel.fs for peaks in stretches])
    rate_bpm = None if np.isnan(rate) else rate
    warnings = [*recording.warnings, *_warnings(signal, channel, condition, np.concatenate(stretches))]
    if rate_bpm is None:
        warnings.append("no heart beats were found; is this the ECG channel?")
    return rate_bpm, tuple(warnings)


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
    if same_tags.ecg != session.ecg:
        raise StudyError(
            f"{where}: {tags.key} is there with channel {same_tags.ecg[0]} as its ECG, now channel "
            f"{session.ecg[0]} is asked for. If this one is right, repeat with --replace"
        )
    return "already there"


def _refuse_look_alike(where: Path, known: tuple[SessionHeader, ...], subject: str) -> None:
    """Refuse an id that differs from a known one by case or leading zeros only: it is the same person."""
    for other in {header.tags.subject for header in known} - {subject}:
        if other.lstrip("0").casefold() == subject.lstrip("0").casefold():
            raise StudyError(
                f"{where}: subject {subject!r} looks like {other!r}, which is in the study. Use that "
                "id if it is the same person, else one that differs by more than case or leading zeros"
            )


def _write(
    study: Study,
    session: Session,
    *,
    heart_rate_bpm: float | None,
    warnings: tuple[str, ...],
    is_new: bool,
) -> None:
    """Write the session; if that fails, take a study that was made for it away again."""
    try:
        write_session(study, session, heart_rate_bpm=heart_rate_bpm, warnings=warnings)
    except BaseException:
        if is_new:
            remove_empty_study(study)
        raise


def _remove_older(known: tuple[SessionHeader, ...], tags: Tags, sha256: str) -> None:
    """Remove the sessions that the same file stood in under other tags, now that the new one is written."""
    for header in known:
        if header.sha256 == sha256 and header.tags != tags:
            header.path.unlink(missing_ok=True)


def _peaks_between_gaps(
    recording: Recording, channel: Channel, signal: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Find the R peaks, indexes into the signal, of each stretch without a pause or a NaN."""
    return [
        first + start + find_r_peaks(signal[first + start : first + stop], channel.fs)
        for first, last in recording.segments(channel)
        for start, stop in finite_runs(signal[None, first:last])
    ]


def _warnings(
    signal: NDArray[np.float64], channel: Channel, condition: Condition, peaks: NDArray[np.int64]
) -> Iterator[str]:
    if channel.duration_s < condition.least_duration_s:
        yield (
            f"{channel.duration_s:.0f} s long; the protocol wants at least "
            f"{condition.least_duration_s:.0f} s of {condition.label}"
        )
    n_bad = int(np.count_nonzero(~np.isfinite(signal)))
    if n_bad:
        yield f"{n_bad} samples are not numbers; no window will cross them"
    flat_s = _longest_flat_s(signal, channel.fs)
    if flat_s > FLAT_S:
        yield f"a flat stretch of {flat_s:.1f} s: a detached electrode?"
    yield from _amplitude_warning(signal, channel, peaks)


def _longest_flat_s(signal: NDArray[np.float64], fs: float) -> float:
    changes = np.flatnonzero(np.diff(signal) != 0)
    edges = np.concatenate([[-1], changes, [len(signal) - 1]])
    return float(np.diff(edges).max() / fs)


def _amplitude_warning(
    signal: NDArray[np.float64], channel: Channel, peaks: NDArray[np.int64]
) -> Iterator[str]:
    if millivolts_per_unit(channel.unit) is None:
        yield f"unit {channel.unit!r} is no voltage that ecgkit knows: amplitudes are kept as they are"
        return
    if len(peaks) == 0:
        return
    r_mv = float(np.median(np.abs(signal[peaks] - np.nanmedian(signal))))
    low, high = R_RANGE_MV
    if low <= r_mv <= high:
        return
    gains = [gain for gain in AMPLIFIER_GAINS if low <= r_mv / gain <= high]
    hint = f" as if an amplifier's gain of {gains[0]} had not been undone" if gains else ""
    yield f"R waves of {r_mv:.3g} mV, expected {low:g} to {high:g} mV{hint}: check the gain in AcqKnowledge"
