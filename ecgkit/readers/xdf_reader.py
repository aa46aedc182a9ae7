"""XDF files (LabRecorder, Lab Streaming Layer): regular streams become channels, the others markers.

They can't be read in part: the samples are held in memory. pyxdf brings the streams' clocks together; the
streams are then laid on one time axis, which begins with the earliest, each at its stated rate.
"""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing, require
from ecgkit.readers.held import held
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, utc_date
from ecgkit.readers.xdf_chunks import DAMAGED, MAGIC, StreamHead, Walk, walk
from ecgkit.records import SEGMENT_STYLE, Channel, Marker, Recording

TAKES: tuple[str, ...] = ()
GAP_SAMPLES = 1.5
# where more than this share of steps is longer, the times may jitter
JITTER_SHARE = 1e-3
# jitter comes back, a pause does not: blocks of the times around a step are compared
BLOCK_S, NEAR_BLOCKS, LEAST_BLOCKS = 0.5, 20, 4
MOST_OF_RISE = 0.9
SURE_PAUSE_S = 1.0
DRIFT_S = 0.5
LATEST_S = 1e12
FILL_GROWTH, FILL_ALLOWANCE_BYTES = 4, 50_000_000

# type of the samples -> of the channel, and of one with samples filled in, which are NaN
TYPES: dict[str, tuple[str, str]] = {
    "int8": ("int16", "float32"),
    "int16": ("int16", "float32"),
    "int32": ("int32", "float64"),
    "int64": ("float64", "float64"),
    "float32": ("float32", "float32"),
    "double64": ("float64", "float64"),
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples ``[start, stop)`` of a stream without a pause, and the time of the first and the last."""

    start: int
    stop: int
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A regular stream on the time axis.

    Attributes
    ----------
    starts
        Where each stretch begins on the axis, in samples.
    n_samples
        Length on the axis.
    """

    head: StreamHead
    stream: Mapping[str, Any]
    stretches: tuple[Stretch, ...]
    starts: tuple[int, ...]
    n_samples: int

    @property
    def n_filled(self) -> int:
        """Samples that the file does not have."""
        return self.n_samples - self.stretches[-1].stop


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is an XDF file."""
    return head.startswith(MAGIC)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read an XDF file.

    Raises
    ------
    ReadError
        A chunk is damaged or cut off, no stream has a regular rate, or a stream starts or pauses so late
        that filling up what is missing takes too much memory.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            found = walk(path, file, size)
            if found.fault and not options.salvage:
                raise ReadError(f"{path}: {found.fault}; copy it again{OR_SALVAGE}")
            file.seek(0)
            source: BinaryIO = io.BytesIO(file.read(found.end)) if found.fault else file
            streams, header = _loaded(path, source)
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error
    lost = (f"{found.fault}: from there on all is lost, {size - found.end} bytes",) if found.fault else ()
    return _recording(found, streams, header, lost, options)


def _loaded(path: Path, source: BinaryIO) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    pyxdf = require(path, "pyxdf")
    with parsing(path, "streams"), _silent("pyxdf"), np.errstate(all="ignore"):
        streams, header = pyxdf.load_xdf(source, dejitter_timestamps=False)
    return streams, header or {}


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a library from logging: what matters of it was checked before."""
    loggers = [logging.getLogger(name), logging.getLogger(f"{name}.{name}")]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _recording(
    found: Walk,
    streams: Sequence[Mapping[str, Any]],
    header: Mapping[str, Any],
    lost: tuple[str, ...],
    options: ReadOptions,
) -> Recording:
    heads = [(found.heads[stream["info"]["stream_id"]], stream) for stream in streams]
    for (number, head), (_, stream) in zip(found.heads.items(), heads, strict=True):
        times = stream["time_stamps"]
        if len(times) != found.counts[number] or not (np.abs(times) < LATEST_S).all():
            raise ReadError(f"{found.path}: stream {head.name!r} has impossible times; {DAMAGED}")
    regular = [(head, stream) for head, stream in heads if head.rate and head.kind != "string"]
    placed, begin_s = _placed([item for item in regular if len(item[1]["time_stamps"])])
    placed, left_out = _affordable(found, placed, options)
    if not placed:
        known = ", ".join(repr(head.name) for head in found.heads.values()) or "none"
        before = f"{found.fault}; before it, " if found.fault else ""
        raise ReadError(
            f"{found.path}: {before}no samples of a stream of numbers at a regular rate; its streams: "
            f"{known}. Record the device's stream too"
        )
    fs = max(item.head.rate for item in placed)
    events, warnings = _events(heads, begin_s, fs)
    channels: list[Channel] = []
    for item in placed:
        channels += _channels(item, len(channels))
    empty = [repr(head.name) for head, stream in heads if not len(stream["time_stamps"])]
    warnings += [f"streams without samples are left out: {', '.join(empty)}"] if empty else []
    open_ended = [head.name for number, head in found.heads.items() if number not in found.closed]
    if open_ended and not lost:
        warnings.append("the recorder did not close the file; samples of its end may be missing")
    return Recording(
        path=found.path,
        format="xdf",
        version="XDF 1.0",
        fs=fs,
        channels=tuple(channels),
        markers=tuple(sorted(events + _segments(placed, fs), key=lambda marker: marker.sample)),
        start_time=_start_time(header),
        warnings=(*warnings, *_drifts(placed)),
        lost=(*lost, *left_out),
        details=(("streams", ", ".join(_described(item) for item in placed)),),
    )


def _placed(regular: Sequence[tuple[StreamHead, Mapping[str, Any]]]) -> tuple[list[Placed], float]:
    """Lay the streams on one axis; return them, and the time at which it begins."""
    stretches = [_stretches(stream["time_stamps"], head.rate) for head, stream in regular]
    begin_s = min((stretch[0].first_s for stretch in stretches), default=0.0)
    placed = []
    for (head, stream), parts in zip(regular, stretches, strict=True):
        starts = [round((parts[0].first_s - begin_s) * head.rate)]
        for before, after in itertools.pairwise(parts):
            pause = max(0, round((after.first_s - before.last_s) * head.rate) - 1)
            starts.append(starts[-1] + before.stop - before.start + pause)
        n_samples = starts[-1] + parts[-1].stop - parts[-1].start
        placed.append(Placed(head, stream, parts, tuple(starts), n_samples))
    return placed, begin_s


def _stretches(times: NDArray[np.float64], rate: float) -> tuple[Stretch, ...]:
    """Cut a stream at its pauses, and put an even rate through the times of each stretch.

    A step of more than 1.5 samples is a pause, unless many are: then the times may jitter, as those of
    packets do, and it is one if they don't come back. A step back is one too.
    """
    steps = np.diff(times)
    long = steps > GAP_SAMPLES / rate
    if long.sum() > max(1.0, JITTER_SHARE * len(steps)):
        sure = np.flatnonzero(np.abs(steps) > max(SURE_PAUSE_S, GAP_SAMPLES / rate))
        breaks = np.union1d(sure, np.array(list(_lasting(times, steps, rate)), dtype=np.int64))
    else:
        breaks = np.flatnonzero(long | (steps < -GAP_SAMPLES / rate))
    edges = [0, *(breaks + 1).tolist(), len(times)]
    return tuple(Stretch(start, stop, *_ends(times[start:stop])) for start, stop in itertools.pairwise(edges))


def _lasting(times: NDArray[np.float64], steps: NDArray[np.float64], rate: float) -> Iterator[int]:
    """Yield the steps that the times don't come back from: jitter does, a pause does not.

    How late samples are, of an even rate, is taken as the median of each block. Where it rises by more than
    1.5 samples, from the latest of the blocks before to the earliest of those after (a tenth of them aside),
    the largest steps are the pauses, as many as it takes to rise so far.
    """
    length = max(1, round(BLOCK_S * rate))
    n_blocks = len(times) // length
    if n_blocks <= 2 * LEAST_BLOCKS:
        return
    late = (times - np.arange(len(times)) / rate)[: n_blocks * length]
    levels = np.median(late.reshape(n_blocks, length), axis=1)
    levels -= np.arange(n_blocks) * np.median(np.diff(levels))  # a clock that runs fast or slow is no pause
    listed = levels.tolist()
    rises = np.array([_rise(listed, block) for block in range(n_blocks)])
    rising = np.flatnonzero(rises > GAP_SAMPLES / rate)
    for blocks in np.split(rising, np.flatnonzero(np.diff(rising) > 1) + 1) if len(rising) else ():
        first = int(blocks[0]) * length - 1  # the step to the first sample of the block
        inside = first + np.flatnonzero(steps[first : (int(blocks[-1]) + 1) * length] > GAP_SAMPLES / rate)
        largest = inside[np.argsort(-steps[inside])]
        risen = np.cumsum(steps[largest] - 1 / rate)
        yield from largest[: np.searchsorted(risen, MOST_OF_RISE * rises[blocks].max()) + 1].tolist()


def _rise(levels: Sequence[float], block: int) -> float:
    """Return by how much the blocks behind one are later than those before, 0 if not from here on."""
    before = sorted(levels[max(0, block - NEAR_BLOCKS) : block])
    after = sorted(levels[block + 1 : block + 1 + NEAR_BLOCKS])
    if min(len(before), len(after)) < LEAST_BLOCKS:
        return 0.0
    low, high = before[-1 - len(before) // 10], after[len(after) // 10]
    from_here = levels[block - 1] < (low + high) / 2 <= levels[block + 1]
    return high - low if from_here else 0.0


def _ends(times: NDArray[np.float64]) -> tuple[float, float]:
    """Return the first and last time on the straight line through evenly spaced samples (least squares)."""
    n = len(times)
    if n < 3:
        return float(times[0]), float(times[-1])
    offsets = times - times[0]
    middle = (n - 1) / 2
    step = 12 * float(np.dot(np.arange(n) - middle, offsets)) / (n * (n * n - 1.0))
    centre = float(times[0]) + float(offsets.mean())
    return centre - step * middle, centre + step * middle


def _affordable(
    found: Walk, placed: Sequence[Placed], options: ReadOptions
) -> tuple[list[Placed], tuple[str, ...]]:
    """Refuse, or leave out, streams that start or pause so late that the samples to fill in are too many."""
    left = FILL_GROWTH * found.size + FILL_ALLOWANCE_BYTES
    kept, lost = [], []
    for item in placed:
        n_bytes = item.n_filled * item.head.n_channels * np.dtype(TYPES[item.head.kind][1]).itemsize
        if n_bytes <= left:
            left -= n_bytes
            kept.append(item)
            continue
        fault = (
            f"stream {item.head.name!r} lacks {item.n_filled / item.head.rate:g} s at its start or in pauses"
        )
        if not options.salvage:
            raise ReadError(f"{found.path}: {fault}, too long to fill; take the others with --salvage")
        lost.append(f"{fault}, too long to fill: it is left out")
    return kept, tuple(lost)


def _channels(item: Placed, first: int) -> Iterator[Channel]:
    series = item.stream["time_series"]
    whole, filled = TYPES[item.head.kind]
    dtype = np.dtype(filled if item.n_filled else whole)
    labels = _labels(item.stream["info"], item.head.n_channels)
    for column, (label, unit) in enumerate(labels):
        samples = np.full(item.n_samples, np.nan, dtype) if item.n_filled else np.empty(item.n_samples, dtype)
        for start, stretch in zip(item.starts, item.stretches, strict=True):
            stop = start + stretch.stop - stretch.start
            samples[start:stop] = series[stretch.start : stretch.stop, column]
        yield Channel(
            index=first + column,
            number=column + 1,
            name=f"{item.head.name}: {label}" if label else item.head.name,
            unit=unit,
            fs=item.head.rate,
            n_samples=item.n_samples,
            dtype=dtype,
            scale=1.0,
            offset=0.0,
            sample_reader=held(samples),
        )


def _labels(info: Mapping[str, Any], n_channels: int) -> list[tuple[str, str]]:
    """Return label and unit of each channel from a stream's description."""
    described = _inside(info, "desc", "channels")
    items = described.get("channel", []) if isinstance(described, dict) else []
    found = [
        tuple(str((item.get(key) or [""])[0] or "").strip() for key in ("label", "unit"))
        for item in items[:n_channels]
        if isinstance(item, dict)
    ]
    default = [f"channel {number + 1}" if n_channels > 1 else "" for number in range(n_channels)]
    pairs = [*found, *[("", "")] * (n_channels - len(found))]
    return [(label or default[number], unit) for number, (label, unit) in enumerate(pairs)]


def _inside(item: Any, *keys: str) -> Any:
    """Follow keys into pyxdf's dicts, whose values are lists."""
    for key in keys:
        values = item.get(key) if isinstance(item, dict) else None
        item = values[0] if isinstance(values, list) and values else None
    return item


def _events(
    heads: Sequence[tuple[StreamHead, Mapping[str, Any]]], begin_s: float, fs: float
) -> tuple[list[Marker], list[str]]:
    """Return what irregular streams hold as markers; those of several begin with the stream's name."""
    streams = [(head, stream) for head, stream in heads if not head.rate or head.kind == "string"]
    markers, early = [], 0
    for head, stream in streams:
        prefix = f"{head.name}: " if len(streams) > 1 else ""
        for time, values in zip(stream["time_stamps"].tolist(), stream["time_series"], strict=True):
            texts = values if head.kind == "string" else [f"{value:g}" for value in values]
            sample = round((time - begin_s) * fs)
            early += sample < 0
            sample = max(sample, 0)
            markers.append(Marker(sample, sample / fs, prefix + ", ".join(texts)))
    warnings = [f"{early} markers were set before the first sample and are put there"] if early else []
    return markers, warnings


def _segments(placed: Sequence[Placed], fs: float) -> list[Marker]:
    """Return a segment's start for each stretch that follows no gap of NaN, since time steps back there."""
    found = []
    for item in placed:
        pairs = zip(item.stretches, item.starts, item.stretches[1:], item.starts[1:], strict=False)
        for before, start, _, following in pairs:
            if following == start + before.stop - before.start:
                sample = round(following * fs / item.head.rate)
                found.append(Marker(sample, sample / fs, f"Segment of {item.head.name}", SEGMENT_STYLE))
    return found


def _drifts(placed: Sequence[Placed]) -> list[str]:
    """Say which streams ran at another rate than they state."""
    warnings = []
    for item in placed:
        n_steps = sum(part.stop - part.start - 1 for part in item.stretches)
        measured_s = sum(part.last_s - part.first_s for part in item.stretches)
        drift_s = measured_s - n_steps / item.head.rate
        if abs(drift_s) > DRIFT_S and measured_s > 0:
            warnings.append(
                f"stream {item.head.name!r} ran at {n_steps / measured_s:g} Hz by the recorder's clock, it "
                f"states {item.head.rate:g}: its end lies {drift_s:+.3g} s from where it is put"
            )
    return warnings


def _described(item: Placed) -> str:
    text = f"{item.head.name} at {item.head.rate:g} Hz"
    later_s = item.starts[0] / item.head.rate
    pauses = item.n_filled / item.head.rate - later_s
    text += f", {later_s:.3f} s after the first" if item.starts[0] else ""
    return text + (f", with pauses of {pauses:.3f} s" if item.n_filled > item.starts[0] else "")


def _start_time(header: Mapping[str, Any]) -> datetime | None:
    """Return when the recorder opened the file, where it says so with its time zone."""
    text = _inside({"info": [header.get("info")]}, "info", "datetime")
    return utc_date(text) if isinstance(text, str) else None
