"""The records that packages hand each other: recordings, channels, markers, tags.

Frozen, with units in their names. They hold no file open: samples come through a channel's
`read`, which goes back to the source each time.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ChannelError, StudyError
from ecgkit.exclusions import ROUNDING, Exclusion, used_spans
from ecgkit.files import sha256_of
from ecgkit.lookup import unknown

RawSamples = NDArray[Any]  # of one of these types, native byte order
RAW_TYPES = ("int16", "int32", "float32", "float64")
CHUNK_SAMPLES = 1 << 20

SUBJECT_PATTERN = re.compile(r"[A-Za-z0-9]{1,32}")
CONDITION_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,31}")
SEGMENT_STYLE = "apnd"
SIMULATED_MARK = "SIMULATED"  # a journal that begins so says that nobody was recorded


class SampleReader(Protocol):
    """Return the raw samples ``[start, stop)`` of one channel, native byte order, a new array."""

    def __call__(self, start: int, stop: int) -> RawSamples: ...


class ChunkReader(Protocol):
    """Yield the raw samples ``[start, stop)`` in arrays of `size`, the last one shorter."""

    def __call__(self, start: int, stop: int, size: int) -> Iterator[RawSamples]: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a recording: what its header says, and the way to its samples.

    Attributes
    ----------
    index
        Position in the file, from 0.
    number
        The number the file itself gives the channel (AcqKnowledge's order number); not an index.
    fs
        Sampling rate of this channel, Hz.
    dtype
        Type of the raw samples, one of `RAW_TYPES`, native byte order.
    scale, offset
        Physical value = raw * scale + offset; 1 and 0 for channels that hold physical values.
    missing
        The count that stands for "no sample", which `read` gives as NaN; None where there is none.
    chunk_reader
        Reads on from chunk to chunk, where a format can do this faster than stretch by stretch.

    Examples
    --------
    >>> ecg = recording.channel("ECG")              # doctest: +SKIP
    >>> ecg[0:2000]                                 # doctest: +SKIP
    >>> sum(chunk.sum() for chunk in ecg.chunks())  # doctest: +SKIP
    """

    index: int
    number: int
    name: str
    unit: str
    fs: float
    n_samples: int
    dtype: np.dtype[Any]
    scale: float
    offset: float
    sample_reader: SampleReader = field(repr=False, compare=False)
    missing: int | None = None
    chunk_reader: ChunkReader | None = field(default=None, repr=False, compare=False)

    @property
    def duration_s(self) -> float:
        """Length of the channel in seconds."""
        return self.n_samples / self.fs

    def read_raw(self, start: int = 0, stop: int | None = None) -> RawSamples:
        """Read raw samples ``[start, stop)``: integer counts, or floats where the file stores them.

        Raises
        ------
        ChannelError
            The range is not inside the channel.
        ReadError
            The file no longer holds what its header says.
        """
        start, stop = self._span(start, stop)
        return self.sample_reader(start, stop)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Read samples ``[start, stop)`` in the channel's unit, float64, shape (stop - start,)."""
        start, stop = self._span(start, stop)
        if self.dtype == np.float64 and (self.scale, self.offset, self.missing) == (1.0, 0.0, None):
            return self.sample_reader(start, stop)
        samples = np.empty(stop - start)
        done = 0
        for raw in self.raw_chunks(start=start, stop=stop):
            self._to_physical(raw, samples[done : done + len(raw)])
            done += len(raw)
        return samples

    def chunks(
        self, size: int = CHUNK_SAMPLES, *, start: int = 0, stop: int | None = None
    ) -> Iterator[NDArray[np.float64]]:
        """Read samples ``[start, stop)`` in the channel's unit, `size` at a time, to spare memory.

        Yields
        ------
        NDArray
            float64, shape (size,), the last one shorter.
        """
        for raw in self.raw_chunks(size, start=start, stop=stop):
            samples = np.empty(len(raw))
            self._to_physical(raw, samples)
            yield samples

    def raw_chunks(
        self, size: int = CHUNK_SAMPLES, *, start: int = 0, stop: int | None = None
    ) -> Iterator[RawSamples]:
        """Read raw samples ``[start, stop)``, `size` at a time."""
        start, stop = self._span(start, stop)
        if size < 1:
            raise ChannelError(f"channel {self.name!r}: chunks of {size} samples, expected at least 1")
        if self.chunk_reader is not None:
            yield from self.chunk_reader(start, stop, size)
        else:
            at_once = size * max(1, CHUNK_SAMPLES // size)  # small chunks are cut from larger reads
            for first in range(start, stop, at_once):
                block = self.sample_reader(first, min(first + at_once, stop))
                yield from (block[i : i + size] for i in range(0, len(block), size))

    def __getitem__(self, span: slice) -> NDArray[np.float64]:
        """Read ``channel[start:stop]`` in the channel's unit; indexes count as in any Python sequence."""
        if not isinstance(span, slice) or span.step not in (None, 1):
            raise ChannelError(f"channel {self.name!r}: asked for [{span}], expected [start:stop]")
        start, stop, _ = span.indices(self.n_samples)
        return self.read(start, max(start, stop))

    def _span(self, start: int, stop: int | None) -> tuple[int, int]:
        stop = self.n_samples if stop is None else stop
        if not 0 <= start <= stop <= self.n_samples:
            raise ChannelError(
                f"channel {self.name!r}: samples [{start}, {stop}) asked for, it has [0, {self.n_samples})"
            )
        return start, stop

    def _to_physical(self, raw: RawSamples, samples: NDArray[np.float64]) -> None:
        """Fill `samples` with the values of raw ones, in place: temporary arrays would cost more."""
        with np.errstate(invalid="ignore", over="ignore"):  # in a damaged file they can be anything
            samples[:] = raw
            if raw.dtype.kind != "f" or (self.scale, self.offset) != (1.0, 0.0):
                samples *= self.scale
                samples += self.offset
        if self.missing is not None:
            samples[raw == self.missing] = np.nan


@dataclass(frozen=True, slots=True)
class Marker:
    """An event in a recording.

    Attributes
    ----------
    sample
        Index at the recording's base rate.
    time_s
        Seconds from the start of the recording.
    style
        The file's code for the kind of marker ("apnd", "defl", "flag"), "" where it has none.
    channel
        Index into `Recording.channels`, None for a marker that concerns all.
    created
        When it was set (UTC), where the file says so believably.
    """

    sample: int
    time_s: float
    text: str
    style: str = ""
    channel: int | None = None
    created: datetime | None = None

    @property
    def starts_segment(self) -> bool:
        """Whether the recording was resumed here."""
        return self.style == SEGMENT_STYLE


@dataclass(frozen=True, slots=True)
class Recording:
    """What one file holds. Nothing lost, nothing filtered; samples are read when asked for.

    Attributes
    ----------
    format
        Name of the format ("acq", "session").
    version
        The format's version as people know it ("AcqKnowledge 5.0.1, revision 132").
    fs
        Base rate in Hz, which markers count in.
    start_time
        Start of the recording, where known. In UTC where the format says so (.acq, XDF, MAT-files of
        bioread); without a time zone where it gives the clock of the place (EDF, WFDB). Of XDF it is when
        the recorder opened the file, which is before the first sample.
    simulated
        Whether the file says that it was made by a simulator.
    files
        The files that it was read from, where these are not `path` alone (a header and its data).
    warnings
        What was wrong with the file, though not with its samples; one sentence each.
    lost
        What a damaged file no longer holds and was read without (``salvage``); one sentence each.
    details
        Facts of the format worth showing (byte order, compression).
    """

    path: Path
    format: str
    version: str
    fs: float
    channels: tuple[Channel, ...]
    markers: tuple[Marker, ...] = ()
    start_time: datetime | None = None
    journal: str | None = None
    simulated: bool = False
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()

    @property
    def duration_s(self) -> float:
        """Length of the longest channel in seconds."""
        return max((channel.duration_s for channel in self.channels), default=0.0)

    def channel(self, key: str | int) -> Channel:
        """Return a channel by name, or by its position from 0 (as text where no channel has this name).

        Raises
        ------
        ChannelError
            No channel, or more than one, has this name.
        """
        found = [channel for channel in self.channels if key in (channel.name, channel.index)]
        found = found or [channel for channel in self.channels if key == str(channel.index)]
        if not found:
            names = [channel.name for channel in self.channels]
            raise ChannelError(
                f"{self.path}: {unknown('channel', str(key), names)} By position: 0 to {len(names) - 1}"
            )
        if len(found) > 1:
            positions = ", ".join(str(channel.index) for channel in found)
            raise ChannelError(
                f"{self.path}: {len(found)} channels are named {key!r}; give the position: {positions}"
            )
        return found[0]

    def sha256(self) -> str:
        """Hash the source file's bytes (reads all of it); of several files, hash their hashes."""
        hashes = [sha256_of(path) for path in self.files or (self.path,)]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def segments(self, channel: Channel) -> tuple[tuple[int, int], ...]:
        """Return the stretches of a channel without a pause, as (start, stop) sample indexes.

        AcqKnowledge marks where a stopped recording was resumed: time jumps there.
        """
        ratio = channel.fs / self.fs
        starts = {0} | {math.ceil(m.sample * ratio - ROUNDING) for m in self.markers if m.starts_segment}
        edges = [*sorted(s for s in starts if 0 <= s < channel.n_samples), channel.n_samples]
        return tuple(itertools.pairwise(edges))

    def stretch(self, start_s: float, stop_s: float) -> Recording:
        """Return the part of the recording from `start_s` to before `stop_s`, as a recording of its own.

        Each channel begins with its first sample at or after `start_s`. Markers inside come along. When it
        began is only known where the recording was not paused before.

        Raises
        ------
        ChannelError
            There is no such stretch in the recording.
        """
        if not 0 <= start_s < stop_s <= self.duration_s + ROUNDING / self.fs:
            raise ChannelError(
                f"{self.path}: seconds {start_s:g} to {stop_s:g} asked for, it has 0 to {self.duration_s:g}"
            )
        markers = [marker for marker in self.markers if start_s <= marker.time_s < stop_s]
        first = math.ceil(start_s * self.fs - ROUNDING)
        paused = any(m.starts_segment and 0 < m.time_s <= start_s for m in self.markers)
        later = timedelta(seconds=start_s)
        return replace(
            self,
            channels=tuple(_stretch(channel, start_s, stop_s) for channel in self.channels),
            markers=tuple(
                replace(m, sample=max(m.sample - first, 0), time_s=m.time_s - start_s) for m in markers
            ),
            start_time=None if self.start_time is None or paused else self.start_time + later,
        )


def _stretch(channel: Channel, start_s: float, stop_s: float) -> Channel:
    first, last = (
        min(math.ceil(edge_s * channel.fs - ROUNDING), channel.n_samples) for edge_s in (start_s, stop_s)
    )
    chunks = channel.chunk_reader
    return replace(
        channel,
        n_samples=last - first,
        sample_reader=partial(_read_later, channel.sample_reader, first),
        chunk_reader=None if chunks is None else partial(_read_later, chunks, first),
    )


def _read_later(reader: Any, first: int, start: int, stop: int, *size: int) -> Any:
    """Read what lies [start, stop) from sample `first` on."""
    return reader(start + first, stop + first, *size)


def condition_key(text: str) -> str:
    """Return a condition as its key is written: in small letters, with _ for - and spaces.

    Examples
    --------
    >>> condition_key(" Deep breathing")
    'deep_breathing'
    """
    return re.sub(r"[-\s]+", "_", text.strip()).casefold()


@dataclass(frozen=True, slots=True, order=True)
class Tags:
    """Who, in which condition, on which visit, in which take: what makes a session.

    Raises
    ------
    StudyError
        A subject id is not 1 to 32 letters and digits, or a number is below 1.
    """

    subject: str
    condition: str
    visit: int = 1
    take: int = 1

    def __post_init__(self) -> None:
        if not SUBJECT_PATTERN.fullmatch(self.subject):
            raise StudyError(
                f"subject id {self.subject!r}: expected 1 to 32 letters and digits, such as 07 or S07"
            )
        if not CONDITION_PATTERN.fullmatch(self.condition):
            raise StudyError(
                f"condition {self.condition!r}: expected a protocol's key, lower-case letters, digits and _"
            )
        for name in ("visit", "take"):
            number = getattr(self, name)
            if not 1 <= number <= 9999:
                raise StudyError(f"{name} {number}: expected a number from 1 to 9999")

    @property
    def key(self) -> str:
        """The name that files and tables know the session by."""
        return f"sub-{self.subject}_visit-{self.visit}_cond-{self.condition}_take-{self.take}"


@dataclass(frozen=True, slots=True)
class Session:
    """One tagged stretch of a recording, as a study keeps it.

    Attributes
    ----------
    recording
        Its channels and markers; samples are read from the study's file. What it says of the source (texts
        of markers, journal, start time) is what a lab asked to keep.
    ecg
        Indexes of the ECG channels, in lead order.
    leads
        What these leads are called, as many.
    respiration
        Index of the respiration channel, None where there is none.
    sha256
        Hash of the source file it was ingested from.
    span_s
        Where in the source file it lies, from and to, seconds; None for all of it.
    excluded
        What is not to be used of it, and why.
    source_name
        Name of the source file, where a lab asked to keep it.
    """

    tags: Tags
    recording: Recording
    ecg: tuple[int, ...]
    leads: tuple[str, ...]
    respiration: int | None
    sha256: str
    span_s: tuple[float, float] | None = None
    excluded: tuple[Exclusion, ...] = ()
    source_name: str | None = None

    @property
    def is_excluded(self) -> bool:
        """Whether nothing of it is to be used."""
        return not used_spans(self.excluded, duration_s=self.recording.duration_s)
