"""What is in a recording's file: its headers, the channel taken for ECG, and what is wrong with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgkit.errors import ChannelError
from ecgkit.readers import read
from ecgkit.readers.ecg_channel import EcgChoice, find_ecg
from ecgkit.records import Channel, Marker, Recording


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A recording, and which of its channels would be taken for ECG.

    Attributes
    ----------
    ecg
        The choice, None where it can't be made.
    ecg_problem
        Why it can't be made, "" where it can.
    """

    recording: Recording
    ecg: EcgChoice | None
    ecg_problem: str = ""

    @property
    def segments_s(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each stretch without a pause, in seconds, on the longest channel."""
        longest = max(self.recording.channels, key=lambda channel: channel.duration_s)
        return tuple(
            (start / longest.fs, stop / longest.fs) for start, stop in self.recording.segments(longest)
        )


def run(path: Path) -> FileInfo:
    """Read a file's headers, no samples, and choose the ECG channel.

    Raises
    ------
    ReadError
        The file can't be read.
    """
    recording = read(path)
    try:
        return FileInfo(recording, find_ecg(recording.channels))
    except ChannelError as error:
        return FileInfo(recording, None, str(error))


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
        "ecg": {"index": info.ecg.index, "reason": info.ecg.reason} if info.ecg else None,
        "ecg_problem": info.ecg_problem or None,
        "segments_s": [list(segment) for segment in info.segments_s],
        "markers": [_marker(marker) for marker in recording.markers],
        "journal_characters": len(recording.journal or ""),
        "warnings": list(recording.warnings),
    }


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
