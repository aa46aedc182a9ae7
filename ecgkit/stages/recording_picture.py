"""The picture of a recording: read what it shows, in little memory whatever the recording's length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import RR_RANGE_S, heart_rates_bpm
from ecgkit.analysis.spectrum import mean_density
from ecgkit.errors import ConfigError
from ecgkit.files import atomic_path, refuse_special
from ecgkit.lookup import unknown
from ecgkit.progress import Progress
from ecgkit.readers.ecg_channel import millivolts_per_unit, physical_unit
from ecgkit.readers.leads import EcgLeads
from ecgkit.records import CHUNK_SAMPLES, Channel, Recording
from ecgkit.report.ecg_paper import STRIP_S, StripLead
from ecgkit.report.recording import PICTURES, Fault, LeadPicture, RecordingPicture, Respiration, Spectrum
from ecgkit.report.traces import Trace, overview, reduced
from ecgkit.stages.signal_check import SignalCheck

OVERVIEW_COLUMNS = 1500  # of 0.17 mm
STRIP_COLUMNS = 2500  # of 0.1 mm
LARGEST = 1e30  # what is beyond is no signal, and would overflow in the drawing
BEFORE_FIRST_BEAT_S = 0.4

Samples = NDArray[np.float64]


def refuse_picture(path: Path, recording: Recording) -> None:
    """Refuse a path that no picture can be written to, before the work of making one.

    Raises
    ------
    ConfigError
        The suffix is none of a picture's, or the file is the recording itself.
    OSError
        There is a folder or a device.
    """
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"--plot {path}: {unknown('suffix', path.suffix, PICTURES)}")
    refuse_special(path)
    sources = [source for source in (recording.path, *recording.files) if source.exists()]
    if path.exists() and any(path.samefile(source) for source in sources):
        raise ConfigError(f"--plot {path}: this is the recording itself; give the picture another name")


def write_picture(path: Path, picture: RecordingPicture) -> None:
    """Write a picture in the form that the file's suffix says, whole or not at all.

    Raises
    ------
    OSError
        The file can't be written.
    """
    content = PICTURES[path.suffix.lower()](picture)
    with atomic_path(path) as part:
        part.write_bytes(content)


def picture_of(
    leads: EcgLeads, checks: Sequence[SignalCheck], *, respiration: int | None, progress: Progress
) -> RecordingPicture:
    """Read what the picture of a recording shows.

    Parameters
    ----------
    checks
        Of the leads, in their order.
    respiration
        Index of the respiration channel.
    """
    recording, checked = leads.recording, list(zip(leads.names, checks, strict=True))
    start_s = strip_start_s(leads, checks)
    progress.start("draw", len(checks))
    drawn = []
    for channel, (name, check) in zip(leads.channels, checked, strict=True):
        drawn.append(_lead(recording, channel, check, name=name, start_s=start_s))
        progress.advance("draw")
    longest = max(leads.channels, key=lambda channel: channel.duration_s)
    return RecordingPicture(
        title=", ".join(channel.name for channel in leads.channels),
        summary=_summary(leads, checks),
        simulated=recording.simulated,
        duration_s=longest.duration_s,
        leads=tuple(drawn),
        respiration=None if respiration is None else _respiration(recording.channels[respiration]),
        strip_start_s=start_s,
        pauses_s=tuple(start / longest.fs for start, _ in recording.segments(longest)[1:]),
        markers=tuple((m.time_s, m.text) for m in recording.markers if not m.starts_segment),
        faults=_faults(checked),
        skipped=tuple((name, what, why) for name, check in checked for what, why in check.skipped.items()),
        facts=_facts(recording, leads),
        channels=tuple(map(_channel_row, leads.recording.channels)),
        notes=(*recording.lost, *recording.warnings),
    )


def strip_start_s(leads: EcgLeads, checks: Sequence[SignalCheck]) -> float:
    """Choose 10 seconds that show the heart: the first with beats throughout, no pause and no finding.

    Returns
    -------
    Their start in seconds; 0 where there are none.
    """
    duration_s = min(channel.duration_s for channel in leads.channels)
    begins_s, ends_s = _merged([s for check in checks for finding in check.findings for s in finding.spans_s])
    for peaks_s in next((check.peaks_s for check in checks if any(map(len, check.peaks_s))), ()):
        starts_s = np.maximum(peaks_s - BEFORE_FIRST_BEAT_S, 0.0)
        for first, start_s in enumerate(starts_s):
            stop_s = start_s + STRIP_S
            inside_s = peaks_s[first : np.searchsorted(peaks_s, stop_s)]
            beats_throughout = np.diff(inside_s, append=stop_s).max() <= RR_RANGE_S[1]
            sound = np.searchsorted(ends_s, start_s, side="right") == np.searchsorted(begins_s, stop_s)
            if stop_s <= duration_s and beats_throughout and sound:
                return float(start_s)
    return 0.0


def _merged(spans_s: Sequence[tuple[float, float]]) -> tuple[Samples, Samples]:
    """Join spans that overlap; return where they begin and where they end, ascending."""
    joined: list[list[float]] = []
    for start_s, stop_s in sorted(spans_s):
        if joined and start_s <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop_s)
        else:
            joined.append([start_s, stop_s])
    begins_s, ends_s = np.array(joined, dtype=np.float64).reshape(-1, 2).T
    return begins_s, ends_s


def _lead(
    recording: Recording, channel: Channel, check: SignalCheck, *, name: str, start_s: float
) -> LeadPicture:
    pauses = [start for start, _ in recording.segments(channel)[1:]]
    start = min(round(start_s * channel.fs), channel.n_samples)
    stop = min(start + round(STRIP_S * channel.fs), channel.n_samples)
    factor = millivolts_per_unit(channel.unit) or 1.0
    samples = _drawable(channel.read(start, stop), factor)
    peaks_s = np.concatenate([np.empty(0), *check.peaks_s]) - start / channel.fs
    peaks_s = peaks_s[(peaks_s >= 0) & (peaks_s < (stop - start) / channel.fs)]
    density = mean_density(_chunks(channel, factor), channel.fs, pauses=pauses)
    rates = heart_rates_bpm(check.peaks_s)
    line = reduced(np.arange(len(samples)) / channel.fs, samples, columns=STRIP_COLUMNS)
    return LeadPicture(
        name=name,
        unit=physical_unit(channel.unit),
        fs=channel.fs,
        overview=_overview(channel, factor),
        strip=StripLead(name, physical_unit(channel.unit), line, peaks_s),
        spectrum=None if density is None else Spectrum(*density),
        heart_rate=reduced(*rates, columns=OVERVIEW_COLUMNS) if np.isfinite(rates[1]).any() else None,
    )


def _respiration(channel: Channel) -> Respiration:
    return Respiration(channel.name, channel.unit.strip(), _overview(channel, 1.0))


def _overview(channel: Channel, factor: float) -> Trace:
    chunks = _chunks(channel, factor)
    return overview(chunks, channel.fs, n_samples=channel.n_samples, columns=OVERVIEW_COLUMNS)


def _chunks(channel: Channel, factor: float) -> Iterator[Samples]:
    return (_drawable(chunk, factor) for chunk in channel.chunks(CHUNK_SAMPLES))


def _drawable(samples: Samples, factor: float) -> Samples:
    """Return samples times a factor, NaN for what is no number or too large for a drawing."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = samples * factor
        return np.where(np.abs(scaled) < LARGEST, scaled, np.nan)


def _faults(checked: Sequence[tuple[str, SignalCheck]]) -> tuple[Fault, ...]:
    found = [
        Fault(name, finding.name, finding.severity, finding.text, finding.spans_s)
        for name, check in checked
        for finding in check.findings
    ]
    return tuple(sorted(found, key=lambda fault: fault.severity != "unusable"))


def _summary(leads: EcgLeads, checks: Sequence[SignalCheck]) -> str:
    recording, channel = leads.recording, leads.channels[0]
    rate = next((check.heart_rate_bpm for check in checks if check.heart_rate_bpm is not None), None)
    height = next((check.r_amplitude_mv for check in checks if check.r_amplitude_mv is not None), None)
    parts = [
        f"{recording.format} ({recording.version})",
        f"{channel.fs:g} Hz",
        clock(recording.duration_s),
        "no heart beats found" if rate is None else f"{rate:.0f} beats/min",
        "" if height is None else f"R waves {float(f'{height:.3g}'):g} mV",
    ]
    return " · ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """Write a duration as people read it: 0.500 s, 0:01:02.

    Examples
    --------
    >>> clock(62.2), clock(0.5)
    ('0:01:02', '0.500 s')
    """
    if seconds < 10:
        return f"{seconds:.3f} s"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02}:{int(seconds % 60):02}"


def _facts(recording: Recording, leads: EcgLeads) -> tuple[tuple[str, str], ...]:
    named = ", ".join(
        f"channel {index} as {name}" for index, name in zip(leads.indexes, leads.names, strict=True)
    )
    return (
        ("format", f"{recording.format} ({recording.version})"),
        *recording.details,
        ("base rate", f"{recording.fs:g} Hz"),
        ("duration", f"{recording.duration_s:.3f} s ({clock(recording.duration_s)})"),
        ("channels", str(len(recording.channels))),
        ("markers", str(len(recording.markers))),
        ("ECG", f"{named} ({leads.reason})"),
    )


def _channel_row(channel: Channel) -> tuple[str, ...]:
    return (
        str(channel.index),
        channel.name,
        channel.unit,
        f"{channel.fs:g}",
        str(channel.n_samples),
        f"{channel.duration_s:.3f}",
        channel.dtype.name,
    )
