"""What is in a recording's file: its headers, its ECG, and on request what is wrong with the signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgkit.errors import ChannelError
from ecgkit.progress import Progress, Silent
from ecgkit.readers import read_with
from ecgkit.readers.leads import EcgLeads, choose_ecg
from ecgkit.readers.options import AS_STATED, ReadOptions
from ecgkit.readers.respiration_channel import find_respiration
from ecgkit.records import Channel, Marker, Recording
from ecgkit.stages.leads import choose_leads

if TYPE_CHECKING:
    from ecgkit.stages.signal_check import SignalCheck

LONG_SAMPLES = 5_000_000  # what takes seconds to check, so that a bar is worth it


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A recording, and which of its channels would be taken for ECG.

    Attributes
    ----------
    ecg
        The leads, None where they can't be chosen.
    ecg_problem
        Why they can't be chosen, "" where they can.
    respiration
        Index of the respiration channel.
    checks
        Of each lead, in their order; None where they were not asked for.
    plot
        Where the picture is.
    """

    recording: Recording
    ecg: EcgLeads | None
    ecg_problem: str
    respiration: int | None
    checks: tuple[SignalCheck, ...] | None = None
    plot: Path | None = None

    @property
    def segments_s(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each stretch without a pause, in seconds, on the longest channel."""
        longest = max(self.recording.channels, key=lambda channel: channel.duration_s)
        return tuple(
            (start / longest.fs, stop / longest.fs) for start, stop in self.recording.segments(longest)
        )

    @property
    def n_findings(self) -> int:
        """How many findings the checks of all leads have."""
        return sum(len(check.findings) for check in self.checks or ())

    @property
    def n_skipped(self) -> int:
        """How many checks could not be made, over all leads."""
        return sum(len(check.skipped) for check in self.checks or ())


def run(
    path: Path,
    *,
    reading: ReadOptions = AS_STATED,
    leads: Sequence[str] = (),
    check: bool = False,
    plot: Path | None = None,
    progress: Progress | None = None,
) -> FileInfo:
    """Read a file's headers and choose the ECG; read samples only to check or to draw them.

    Parameters
    ----------
    reading
        How the file is read.
    leads
        What a user named the ECG channels by; none to have one found.
    check
        Whether the leads are checked.
    plot
        Where to draw a picture, which shows what the checks found.

    Raises
    ------
    ReadError
        The file can't be read.
    ChannelError
        A named channel is not there; or the ECG can't be told, and there is something to check or to draw.
    ConfigError, OSError
        The picture can't be written there.
    """
    recording = read_with(path, reading)
    respiration = find_respiration(recording.channels)
    if not check and plot is None:
        return _headers(recording, leads, respiration=respiration)
    ecg = choose_leads(recording, leads)
    listening = progress if progress is not None and _is_long(ecg) else Silent()
    checks = _check(ecg, plot, respiration=respiration, progress=listening)
    return FileInfo(recording, ecg, "", respiration, checks, plot)


def _headers(recording: Recording, leads: Sequence[str], *, respiration: int | None) -> FileInfo:
    """Choose the ECG by names alone; that it can't be told is a fact of the file, but not of a wrong name."""
    try:
        return FileInfo(recording, choose_ecg(recording, leads), "", respiration)
    except ChannelError as error:
        if leads:
            raise
        return FileInfo(recording, None, str(error).removeprefix(f"{recording.path}: "), respiration)


def _is_long(ecg: EcgLeads) -> bool:
    return sum(channel.n_samples for channel in ecg.channels) > LONG_SAMPLES


def _check(
    ecg: EcgLeads, plot: Path | None, *, respiration: int | None, progress: Progress
) -> tuple[SignalCheck, ...]:
    """Check the leads and draw them; what takes scipy or matplotlib is imported here."""
    from ecgkit.stages.recording_picture import picture_of, refuse_picture, write_picture
    from ecgkit.stages.signal_check import check_channel

    if plot is not None:
        refuse_picture(plot, ecg.recording)
    progress.start("check", len(ecg.indexes))
    checks = []
    for channel in ecg.channels:
        checks.append(check_channel(ecg.recording, channel))
        progress.advance("check")
    if plot is not None:
        write_picture(plot, picture_of(ecg, checks, respiration=respiration, progress=progress))
    return tuple(checks)


def as_dict(info: FileInfo) -> dict[str, Any]:
    """Return what `ecgkit info --json` prints: plain values only; units are in the names."""
    recording = info.recording
    return {
        "path": str(recording.path),
        "format": recording.format,
        "version": recording.version,
        "simulated": recording.simulated,
        **{name.replace(" ", "_"): value for name, value in recording.details},
        "fs": recording.fs,
        "duration_s": recording.duration_s,
        "start_time": recording.start_time.isoformat() if recording.start_time else None,
        "channels": [_channel(channel) for channel in recording.channels],
        "ecg": _ecg(info.ecg) if info.ecg else None,
        "ecg_problem": info.ecg_problem or None,
        "respiration": info.respiration,
        "segments_s": [list(segment) for segment in info.segments_s],
        "markers": [_marker(marker) for marker in recording.markers],
        "journal_characters": len(recording.journal or ""),
        "warnings": list(recording.warnings),
        "lost": list(recording.lost),
        "checks": None if info.checks is None else [check.as_json() for check in info.checks],
        "plot": None if info.plot is None else str(info.plot),
    }


def _ecg(ecg: EcgLeads) -> dict[str, Any]:
    leads = [
        {"name": name, "channel": channel.index, "channel_name": channel.name}
        for name, channel in zip(ecg.names, ecg.channels, strict=True)
    ]
    return {"leads": leads, "reason": ecg.reason}


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "index": channel.index,
        "number": channel.number,
        "name": channel.name,
        "unit": channel.unit,
        "fs": channel.fs,
        "n_samples": channel.n_samples,
        "duration_s": channel.duration_s,
        "stored_as": channel.dtype.name,
        # JSON has no word for a number that is none
        "scale": channel.scale if math.isfinite(channel.scale) else None,
        "offset": channel.offset if math.isfinite(channel.offset) else None,
    }


def _marker(marker: Marker) -> dict[str, Any]:
    return {
        "sample": marker.sample,
        "time_s": marker.time_s,
        "text": marker.text,
        "style": marker.style,
        "channel": marker.channel,
        "created": marker.created.isoformat() if marker.created else None,
    }
