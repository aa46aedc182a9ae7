"""What every recording goes through, whatever its format: texts, rates, markers and scales that can be used.

`usable` is called on what a reader returns; the rest is what readers share on the way there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.records import Channel, Marker, Recording

RATES_HZ = (1e-6, 1e7)
NAME_CHARACTERS = 200  # kept of a channel's name and unit, and of a marker's style
TEXT_CHARACTERS = 2000  # kept of a marker's text, and of a sentence
FARTHEST_SAMPLE = 1 << 53  # from there on, whole numbers are not exact as floats, and none is a sample's
OR_SALVAGE = ", or, to take what is there: --salvage"
DAMAGED = "the file is damaged; copy it again"
# control characters, which HDF5 and terminals stumble over, and halves of UTF-16's pairs
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def usable(recording: Recording) -> Recording:
    """Clean a recording's texts, leave out markers that lie nowhere, and warn of what can't be used.

    Raises
    ------
    ReadError
        A rate is outside `RATES_HZ`.
    """
    channels = tuple(_cleaned(channel) for channel in recording.channels)
    for channel in channels:
        what = f"channel {channel.index} {channel.name!r}"
        checked_rate(recording.path, channel.fs, f"{what} has a rate of {channel.fs:g} Hz")
    markers = tuple(placed_markers(recording.markers))
    warnings = (
        *recording.warnings,
        *scale_warnings(channels),
        *marker_warnings(recording.markers, channels, fs=recording.fs),
    )
    return replace(
        recording,
        channels=channels,
        markers=markers,
        warnings=tuple(map(clean_text, warnings)),
        lost=tuple(map(clean_text, recording.lost)),
        details=tuple((name, clean_text(value)) for name, value in recording.details),
    )


def clean_text(text: str, most: int = TEXT_CHARACTERS) -> str:
    """Return a file's text with blanks for what can't be written elsewhere, and no longer than `most`."""
    return UNWRITABLE.sub(" ", text[:most])


def _cleaned(channel: Channel) -> Channel:
    name, unit = (clean_text(text, NAME_CHARACTERS) for text in (channel.name, channel.unit))
    return channel if (name, unit) == (channel.name, channel.unit) else replace(channel, name=name, unit=unit)


def placed_markers(markers: Sequence[Marker]) -> Iterator[Marker]:
    """Yield the markers that lie at a sample, their texts cleaned."""
    for marker in markers:
        if abs(marker.sample) < FARTHEST_SAMPLE:
            text, style = clean_text(marker.text), clean_text(marker.style, NAME_CHARACTERS)
            clean = (text, style) == (marker.text, marker.style)
            yield marker if clean else replace(marker, text=text, style=style)


def is_rate(fs: float) -> bool:
    """Tell whether a recording may have this sampling rate in Hz."""
    return RATES_HZ[0] <= fs <= RATES_HZ[1]


def checked_rate(path: Path, fs: float, said: str, *, advice: str = DAMAGED) -> float:
    """Return a sampling rate in Hz that is believable.

    Parameters
    ----------
    said
        Who gives the rate, and how.

    Raises
    ------
    ReadError
        It is not.
    """
    if not is_rate(fs):
        raise ReadError(
            f"{path}: {said}, expected a sampling rate of {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz; {advice}"
        )
    return fs


def counted(count: int, noun: str) -> str:
    """Return a number with what it counts: 1 cell, 2 cells."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def lost_samples(index: int, name: str, *, got: int, expected: int, fs: float) -> str:
    """Say how many samples a channel has lost at its end."""
    missing = expected - got
    samples = counted(expected, "sample")
    what = f"the last {missing / fs:.3g} s ({missing} of {samples})" if got else f"all {samples}"
    return f"channel {index} {name!r}: {what}"


def scale_warnings(channels: Sequence[Channel]) -> Iterator[str]:
    """Name the channels whose scale or offset makes no values of their counts."""
    for channel in channels:
        largest = 1.0 if channel.dtype.kind == "f" else 2.0 ** (8 * channel.dtype.itemsize - 1)
        if channel.scale == 0 or not math.isfinite(largest * channel.scale + channel.offset):
            yield (
                f"channel {channel.index} {channel.name!r}: scale {channel.scale} and offset "
                f"{channel.offset} give no usable values; only its raw samples can be used"
            )


def marker_warnings(markers: Sequence[Marker], channels: Sequence[Channel], *, fs: float) -> Iterator[str]:
    """Count the markers outside the recording; `fs` is the rate in Hz that they count in."""
    ticks = round(max((channel.n_samples * fs / channel.fs for channel in channels), default=0))
    outside = sum(not 0 <= marker.sample <= ticks for marker in markers)
    if far := sum(abs(marker.sample) >= FARTHEST_SAMPLE for marker in markers):
        yield f"{far} of {len(markers)} markers lie where no recording reaches, and are left out"
    if outside > far:
        yield (
            f"{outside - far} of {len(markers)} markers lie outside the recording of "
            f"{counted(ticks, 'sample')}; the others may be shifted too"
        )


def started(markers: Sequence[Marker]) -> datetime | None:
    """Return when a recording began, by the dates of its markers; None where these don't tell.

    That is the date of a segment's start at sample 0. Without one it is the earliest date less the marker's
    own time, of the markers before any pause, unless a marker is older: then some were set afterwards.
    """
    dated = [(marker, marker.created) for marker in markers if marker.created]
    first = [created for marker, created in dated if marker.starts_segment and marker.sample == 0]
    if first:
        return min(first)
    pause = min((m.sample for m in markers if m.starts_segment and m.sample > 0), default=FARTHEST_SAMPLE)
    try:
        starts = [
            created - timedelta(seconds=marker.time_s)
            for marker, created in dated
            if 0 <= marker.sample < pause
        ]
    except OverflowError:  # a damaged rate or date
        return None
    start = min(starts, default=None)
    return start if start and start <= min(created for _, created in dated) else None


def utc_date(text: str) -> datetime | None:
    """Return a date in ISO format as UTC; None where it is none, or gives no time zone."""
    try:
        date = datetime.fromisoformat(text)
        return date.astimezone(UTC) if date.tzinfo else None
    except (ValueError, OverflowError):
        return None
