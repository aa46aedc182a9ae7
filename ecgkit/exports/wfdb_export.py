"""Sessions as WFDB records: counts as recorded, R peaks and markers as annotations.

header(5), signal(5) and annot(5) of the WFDB manual, https://physionet.org/physiotools/wag/. Channels of one
rate are a record. Integer counts go out as they are; ``value = (count - baseline) / gain``.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.exports.bids_session import by_rate
from ecgkit.exports.formats import SessionFormat, StudySession, Written
from ecgkit.records import SIMULATED_MARK, Channel, RawSamples, Session

CHUNK_SAMPLES = 1 << 18
NORMAL, NOTE, SKIP, AUX = 1, 22, 59, 63  # codes of annotations
LONGEST_STEP, LONGEST_NOTE = 1023, 255
LARGEST_BASELINE = 1 << 31
POWERS = (-40, 60)  # of two: gains that take few digits
LARGEST = 1e21  # what a gain can bring into 32 bits
DESCRIPTION_CHARACTERS = 60
NO_UNIT = "NU"  # header(5)'s word
# format -> its type, and the count that stands for "no sample"
TYPES = {16: ("<i2", -(1 << 15)), 32: ("<i4", -(1 << 31))}


@dataclass(slots=True)
class _Signal:
    """How a channel goes into a record, and what was seen on the way.

    Attributes
    ----------
    gain, baseline
        Counts per unit, and the count at 0.
    is_count
        Whether the counts are those that were recorded.
    bits
        The smallest format that holds them.
    largest_error
        In the channel's unit.
    """

    channel: Channel
    gain: float
    baseline: int
    is_count: bool
    bits: int
    first: int = 0
    total: int = 0
    n_missing: int = 0
    largest_error: float = field(default=0.0)


def write(folder: Path, given: StudySession) -> Written:
    """Write a session as one record for each rate, samples some at a time."""
    session = given.session
    key, n_files = session.tags.key, 0
    notes: list[str] = []
    errors: dict[str, tuple[float, str]] = {}
    for label, channels in by_rate(session.recording.channels).items():
        name = f"{key}_{label}" if label else key
        signals = [_planned(channel) for channel in channels]
        n_samples = _write_samples(folder / f"{name}.dat", signals)
        header = "\n".join(_header(name, session, signals, n_samples)) + "\n"
        (folder / f"{name}.hea").write_text(header, encoding="ascii", newline="\n")
        n_files += 2
        for signal in signals:  # of channels of one name the worst
            if signal.largest_error > errors.get(signal.channel.name, (0.0,))[0]:
                errors[signal.channel.name] = signal.largest_error, signal.channel.unit
        notes += _notes(signals, n_samples)
        if any(channel.index == session.ecg[0] for channel in channels):
            n_files += _write_annotations(folder, name, given, fs=channels[0].fs)
    return Written(key, n_files, errors, tuple(notes))


def finish(folder: Path) -> None:
    """Write RECORDS and ANNOTATORS, as PhysioNet's databases have them."""
    names = sorted(path.stem for path in folder.glob("*.hea"))
    annotators = ["qrs\tR peaks, found by a program"]
    if any(folder.glob("*.atr")):
        annotators.append("atr\tmarkers of the recording")
    for name, lines in (("RECORDS", names), ("ANNOTATORS", annotators)):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def _planned(channel: Channel) -> _Signal:
    """Choose gain and baseline: those of the recording if it has counts, else the finest for its range."""
    if channel.dtype.kind == "i":
        baseline = -channel.offset / channel.scale if channel.scale else math.inf
        if abs(baseline) < LARGEST_BASELINE and 1 / LARGEST < abs(channel.scale) < 2.0 ** -POWERS[0]:
            lowest, highest = _edges(raw[raw != channel.missing] for raw in channel.raw_chunks(CHUNK_SAMPLES))
            bits = 16 if lowest > -(1 << 15) and highest < 1 << 15 else 32
            return _Signal(channel, 1 / channel.scale, round(baseline), is_count=True, bits=bits)
    peak = max(map(abs, _edges(channel.chunks(CHUNK_SAMPLES))))
    power = math.floor(math.log2((2.0**31 - 2) / peak)) if peak > 0 else 20
    return _Signal(channel, 2.0 ** max(POWERS[0], min(power, POWERS[1])), 0, is_count=False, bits=32)


def _edges(chunks: Iterable[NDArray[Any]]) -> tuple[float, float]:
    """Return the lowest and the highest of the usable values, 0 of nothing."""
    lowest, highest = math.inf, -math.inf
    for chunk in chunks:
        finite = chunk[np.abs(chunk) < LARGEST]
        if len(finite):
            lowest, highest = min(lowest, finite.min()), max(highest, finite.max())
    return (float(lowest), float(highest)) if lowest <= highest else (0.0, 0.0)


def _write_samples(path: Path, signals: Sequence[_Signal]) -> int:
    """Write signals side by side, all in the format of the widest; return how long the longest is."""
    dtype, missing = TYPES[max(signal.bits for signal in signals)]
    n_samples = 0
    with path.open("wb") as file:
        for chunks in itertools.zip_longest(*(_chunks(signal, missing) for signal in signals)):
            size = max(len(chunk) for chunk in chunks if chunk is not None)
            frames = np.full((size, len(signals)), missing, dtype=dtype)  # (time, signal)
            for column, chunk in enumerate(chunks):
                if chunk is not None:
                    frames[: len(chunk), column] = chunk
            for signal, column_of in zip(signals, frames.T, strict=True):
                signal.first = signal.first if n_samples else int(column_of[0])
                signal.total += int(column_of.sum(dtype=np.int64))
            file.write(frames.tobytes())
            n_samples += size
    return n_samples


def _chunks(signal: _Signal, missing: int) -> Iterator[NDArray[np.int64]]:
    channel = signal.channel
    for raw in channel.raw_chunks(CHUNK_SAMPLES):
        counts, is_missing, error = _counts(signal, raw, missing)
        signal.largest_error = max(signal.largest_error, error)
        signal.n_missing += int(np.count_nonzero(is_missing))
        counts[is_missing] = missing
        yield counts


def _counts(
    signal: _Signal, raw: RawSamples, missing: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], float]:
    """Return the counts of samples, which of them are missing, and the largest error of a value."""
    channel = signal.channel
    if signal.is_count:
        is_missing = np.zeros(len(raw), dtype=bool) if channel.missing is None else raw == channel.missing
        counts = raw.astype(np.int64)
        at_edge = (counts == missing) & ~is_missing  # it would be read as "no sample"
        counts[at_edge] += 1
        shift = abs(channel.offset + signal.baseline * channel.scale)
        rounding = 1e-12 * (abs(channel.offset) + abs(channel.scale))
        off = shift if shift > rounding else 0.0
        return counts, is_missing, off + (abs(channel.scale) if at_edge.any() else 0.0)
    values = raw.astype(np.float64) * channel.scale + channel.offset
    is_missing = ~(np.abs(values) < LARGEST)
    if channel.missing is not None:
        is_missing |= raw == channel.missing
    counts = np.rint(np.where(is_missing, 0.0, values) * signal.gain).astype(np.int64)
    errors = np.abs(counts / signal.gain - values)[~is_missing]
    return counts, is_missing, float(errors.max(initial=0.0))


def _header(name: str, session: Session, signals: Sequence[_Signal], n_samples: int) -> Iterator[str]:
    start = session.recording.start_time
    clock = f" {start:%H:%M:%S} {start:%d/%m/%Y}" if start else ""
    yield f"{name} {len(signals)} {_decimal(signals[0].channel.fs)} {n_samples}{clock}"
    bits = max(signal.bits for signal in signals)
    for signal in signals:
        channel = signal.channel
        unit = re.sub(r"[^\w^\-?%/]", "_", _ascii(channel.unit.strip())) or NO_UNIT
        checksum = (signal.total + (1 << 15)) % (1 << 16) - (1 << 15)
        label = _ascii(channel.name).strip()[:DESCRIPTION_CHARACTERS] or f"channel {channel.index}"
        yield (
            f"{name}.dat {bits} {_decimal(signal.gain)}({signal.baseline})/{unit} {bits} 0 {signal.first} "
            f"{checksum} 0 {label}"
        )
    yield from (f"#{_ascii(line)}" for line in _comments(session))


def _comments(session: Session) -> Iterator[str]:
    tags = session.tags
    if session.recording.simulated:
        yield f"{SIMULATED_MARK}: made by a program, nobody was recorded"
    yield f"subject: {tags.subject}, condition: {tags.condition}, visit: {tags.visit}, take: {tags.take}"
    yield f"ECG leads: {', '.join(session.leads)}"
    yield f"source (SHA-256): {session.sha256}"
    for span in session.excluded:
        until = f"{span.stop_s:g} s" if math.isfinite(span.stop_s) else "the end"
        yield f"not to be used: {span.start_s:g} s to {until}: {span.reason}"


def _notes(signals: Sequence[_Signal], n_samples: int) -> Iterator[str]:
    for signal in signals:
        short = n_samples - signal.channel.n_samples
        if short:
            yield f"{signal.channel.name}: {short} samples shorter than the others, filled with 'no sample'"
        if signal.n_missing and signal.channel.missing is None:
            what = f"{signal.n_missing} samples that are no numbers, or beyond {LARGEST:g}"
            yield f"{signal.channel.name}: {what}, are 'no sample'"


def _write_annotations(folder: Path, name: str, given: StudySession, *, fs: float) -> int:
    """Write R peaks, and markers if there are any, in samples of the record; return how many files."""
    peaks = np.rint(given.beats_s * fs).astype(np.int64)
    (folder / f"{name}.qrs").write_bytes(_annotations((int(peak), NORMAL, "") for peak in peaks))
    markers = given.session.recording.markers
    if not markers:
        return 1
    # notes at 0 are taken for definitions
    notes = ((max(1, round(m.time_s * fs)), NOTE, f"{m.style} {m.text}".strip() or "marker") for m in markers)
    (folder / f"{name}.atr").write_bytes(_annotations(sorted(notes)))
    return 2


def _annotations(rows: Iterable[tuple[int, int, str]]) -> bytes:
    """Encode annotations (sample, code, note), in order of time, as MIT's format has them (annot(5))."""
    encoded, at = bytearray(), 0
    for sample, code, note in rows:
        step, at = sample - at, sample
        if step > LONGEST_STEP:
            high, low = divmod(step, 1 << 16)
            encoded += struct.pack("<HHH", SKIP << 10, high, low)
            step = 0
        encoded += struct.pack("<H", code << 10 | step)
        if note:
            text = _ascii(note).encode()[:LONGEST_NOTE]
            encoded += struct.pack("<H", AUX << 10 | len(text)) + text + b"\0" * (len(text) % 2)
    return bytes(encoded + b"\0\0")


def _ascii(text: str) -> str:
    """Return a text as one line of ASCII: a micro sign is a u, and what has no letter is ?."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable.replace("µ", "u").replace("μ", "u").encode("ascii", "replace").decode()


def _decimal(value: float) -> str:
    """Return a number without an exponent, which not every program reads."""
    return np.format_float_positional(value, unique=True, trim="-")


FORMAT = SessionFormat(
    write=write, finish=finish, reads='wfdb.rdrecord("{out}/NAME"), wfdb.rdann("{out}/NAME", "qrs")'
)
