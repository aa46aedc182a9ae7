"""Sessions as EDF+ files: 16-bit counts, R peaks and markers as annotations.

https://www.edfplus.info/specs/edfplus.html. A header gives each signal's range in eight characters, so that
the recorded scale can't always be said exactly; the range ends where the error is smallest.
What is not 16-bit counts is rounded to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import StudyError
from ecgkit.exports.formats import SessionFormat, StudySession, Written
from ecgkit.records import SIMULATED_MARK, Channel, Session

CHUNK_SAMPLES = 1 << 18
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
LONGEST_RECORD_S = 60  # EDF counts in data records of whole samples
LABEL, UNIT = 16, 8  # characters
NONE = (0, 0)
LEAST, MOST = 1e-3, 1e7  # the values that eight characters hold well, but for 0
R_PEAK, END, EXCLUDED = "R peak", "end of the recording", "not to be used"

Rounding = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def write(folder: Path, given: StudySession) -> Written:
    """Write a session as one file; the session is in memory meanwhile, as 16-bit counts."""
    key, channels = given.session.tags.key, given.session.recording.channels
    try:
        record_s = _record_s(channels)
        n_records = max(math.ceil(Fraction(c.n_samples) / _rate(c) / record_s) for c in channels)
        signals = [
            _signal(channel, n_samples=int(n_records * record_s * _rate(channel))) for channel in channels
        ]
    except StudyError as error:
        return Written(key, refused=str(error))
    longest_s = max(channel.duration_s for channel in channels)
    padded = any(len(s.digital) > c.n_samples for s, c in zip(signals, channels, strict=True))
    _write_file(folder / f"{key}.edf", given, signals, record_s=record_s, end_s=longest_s if padded else None)
    errors = {c.name: (_largest_error(c, s), c.unit) for c, s in zip(channels, signals, strict=True)}
    note = (
        f"filled with the last values from {longest_s:g} s to the end, since EDF has whole data records only"
    )
    return Written(
        key, 1, {name: error for name, error in errors.items() if error[0] > 0}, (note,) if padded else ()
    )


def _write_file(
    path: Path, given: StudySession, signals: Sequence[Any], *, record_s: int, end_s: float | None
) -> None:
    import edfio

    session, start = given.session, given.session.recording.start_time
    edfio.Edf(
        signals,
        patient=edfio.Patient(code=session.tags.subject),
        recording=edfio.Recording(
            startdate=start.date() if start else None,
            equipment_code="ecgkit",
            additional=_additional(session),
        ),
        starttime=start.time().replace(tzinfo=None) if start else None,
        data_record_duration=record_s,
        annotations=[edfio.EdfAnnotation(*row) for row in _annotations(given, end_s=end_s)],
    ).write(path)


def _rate(channel: Channel) -> Fraction:
    return Fraction(channel.fs).limit_denominator(1000)


def _record_s(channels: Sequence[Channel]) -> int:
    """Return the shortest data record, in whole seconds, that holds whole samples of every channel."""
    record_s = math.lcm(*(_rate(channel).denominator for channel in channels))
    odd = [c.fs for c in channels if not math.isclose(_rate(c), c.fs, rel_tol=1e-9)]
    if odd or record_s > LONGEST_RECORD_S:
        rates = ", ".join(sorted({f"{channel.fs:g} Hz" for channel in channels}))
        raise StudyError(f"EDF has no data record of up to {LONGEST_RECORD_S} s for these rates: {rates}")
    return record_s


def _signal(channel: Channel, *, n_samples: int) -> Any:
    """Return a channel as a signal of so many samples, the last one repeated to the end.

    Raises
    ------
    StudyError
        EDF has no way to hold it.
    """
    import edfio

    n_missing = sum(int((~np.isfinite(chunk)).sum()) for chunk in channel.chunks(CHUNK_SAMPLES))
    if n_missing or not channel.n_samples:
        what = f"{n_missing} samples are missing" if n_missing else "no samples"
        raise StudyError(f"channel {channel.name!r}: {what}, which EDF has no sign for; export wfdb instead")
    digital = np.empty(n_samples, dtype=np.int16)
    counts, values = (
        _fill_counts(channel, digital) if channel.dtype == np.int16 and channel.scale else (NONE, (0.0, 0.0))
    )
    if not _can_be_said(values):
        counts, values = _fill_rounded(channel, digital)
    if not _can_be_said(values):
        raise StudyError(
            f"channel {channel.name!r}: {values[0]:g} to {values[1]:g} {channel.unit}, which EDF's eight "
            "characters can't say; export wfdb instead"
        )
    digital[channel.n_samples :] = digital[channel.n_samples - 1]
    return edfio.EdfSignal.from_digital(
        digital,
        float(_rate(channel)),
        label=_ascii(channel.name, LABEL) or f"channel {channel.index}",
        physical_dimension=_ascii(channel.unit, UNIT),
        physical_range=values,
        digital_range=counts,
    )


def _can_be_said(values: tuple[float, float]) -> bool:
    """Tell whether eight characters hold the ends of a range well."""
    return values[0] != values[1] and all(edge == 0 or LEAST <= abs(edge) < MOST for edge in values)


def _fill_counts(channel: Channel, digital: NDArray[np.int16]) -> tuple[tuple[int, int], tuple[float, float]]:
    """Fill in 16-bit counts as recorded; return a range of counts, and of the values that they stand for."""
    done = 0
    for raw in channel.raw_chunks(CHUNK_SAMPLES):
        digital[done : done + len(raw)] = raw
        done += len(raw)
    lowest, highest = int(digital[:done].min()), int(digital[:done].max())
    low = _best_edge(channel, np.arange(LOWEST, min(lowest, HIGHEST - 1) + 1), np.floor)
    high = _best_edge(channel, np.arange(max(highest, low + 1), HIGHEST + 1)[::-1], np.ceil)
    return (low, high), (channel.scale * low + channel.offset, channel.scale * high + channel.offset)


def _fill_rounded(
    channel: Channel, digital: NDArray[np.int16]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Fill in values rounded to 16 bits over their range; return the ranges of counts and of values."""
    edges = [(chunk.min(), chunk.max()) for chunk in channel.chunks(CHUNK_SAMPLES)]
    lowest, highest = float(min(low for low, _ in edges)), float(max(high for _, high in edges))
    highest = highest if highest > lowest else lowest + max(1.0, abs(lowest))
    first, last = (
        float(_rounded(np.array([edge]), to)[0]) if abs(edge) >= LEAST else LEAST * float(to(edge / LEAST))
        for edge, to in ((lowest, np.floor), (highest, np.ceil))
    )
    gain, done = (last - first) / (HIGHEST - LOWEST) or 1.0, 0
    for chunk in channel.chunks(CHUNK_SAMPLES):
        counts = np.rint((chunk - first) / gain) + LOWEST
        digital[done : done + len(chunk)] = np.clip(counts, LOWEST, HIGHEST)
        done += len(chunk)
    return (LOWEST, HIGHEST), (first, last)


def _best_edge(channel: Channel, counts: NDArray[np.int64], to: Rounding) -> int:
    """Return the count, the first of equals, whose value loses least by eight characters."""
    values = channel.scale * counts.astype(np.float64) + channel.offset
    lost = np.abs(_rounded(values, to) - values)
    lost[(values != 0) & (np.abs(values) < LEAST)] = np.inf
    return int(counts[np.argmin(lost)])


def _rounded(values: NDArray[np.float64], to: Rounding) -> NDArray[np.float64]:
    """Return values as edfio writes them into eight characters: rounded down, or up."""
    whole = np.trunc(values)
    width = np.char.str_len(np.char.mod("%d", np.clip(whole, -1e12, 1e12))) + ((values < 0) & (whole == 0))
    factor = 10.0 ** np.clip(7 - width, 0, 7)
    return np.where(values == whole, values, to(values * factor) / factor)


def _largest_error(channel: Channel, signal: Any) -> float:
    """Compare the values that a reader gets with those that were recorded."""
    step = (signal.physical_max - signal.physical_min) / (signal.digital_max - signal.digital_min)
    largest, done = 0.0, 0
    for chunk in channel.chunks(CHUNK_SAMPLES):
        counts = signal.digital[done : done + len(chunk)].astype(np.float64)
        read = signal.physical_min + (counts - signal.digital_min) * step
        rounding = 1e-12 * max(abs(signal.physical_min), abs(signal.physical_max))
        error = float(np.abs(read - chunk).max())
        largest, done = max(largest, error if error > rounding else 0.0), done + len(chunk)
    return largest


def _annotations(given: StudySession, *, end_s: float | None) -> Iterator[tuple[float, float | None, str]]:
    """Yield onset, duration and text, seconds from the start."""
    session = given.session
    longest_s = max(channel.duration_s for channel in session.recording.channels)
    for beat_s in given.beats_s.tolist():
        yield round(beat_s, 6), None, R_PEAK
    for marker in session.recording.markers:
        text = " ".join(f"{marker.style} {marker.text}".split())
        yield round(marker.time_s, 6), None, "".join(filter(str.isprintable, text)) or "marker"
    for span in session.excluded:
        stop_s = min(span.stop_s, longest_s)
        if span.start_s < stop_s:
            yield span.start_s, stop_s - span.start_s, f"{EXCLUDED}: {' '.join(span.reason.split())}"
    if end_s is not None:
        yield end_s, None, END


def _additional(session: Session) -> tuple[str, ...]:
    tags = session.tags
    simulated = (SIMULATED_MARK,) if session.recording.simulated else ()
    return (*simulated, tags.condition, f"visit-{tags.visit}", f"take-{tags.take}")


def _ascii(text: str, length: int) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text).strip()
    return printable.replace("µ", "u").replace("μ", "u").encode("ascii", "replace").decode()[:length]


FORMAT = SessionFormat(write=write, reads='edfio.read_edf("{out}/NAME.edf")')
