"""The samples of WFDB signal files, formats 8 to 311 of signal(5), range by range.

https://physionet.org/physiotools/wag/signal-5.htm. wfdb decodes bytes that are read here. Its own reader of
ranges takes file names for URLs, wants the number of samples from the header, and starts the sums of format 8
anew in each range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing, require
from ecgkit.readers.wfdb_header import Signal
from ecgkit.records import RawSamples

BLOCK_SAMPLES = 1 << 18  # read at a time, of all signals in a file together


@dataclass(frozen=True, slots=True)
class Format:
    """How a signal file holds its samples.

    Attributes
    ----------
    ends
        Bytes from the start of a block to the end of each of its samples.
    stored, dtype
        Types of numpy: of what wfdb decodes, and of the counts that hold every value.
    missing
        The count that stands for no sample.
    """

    ends: tuple[int, ...]
    stored: str
    dtype: str
    missing: int | None

    def n_bytes(self, n_samples: int) -> int:
        """Return how many bytes a number of samples takes."""
        blocks, rest = divmod(n_samples, len(self.ends))
        return blocks * self.ends[-1] + (self.ends[rest - 1] if rest else 0)

    def n_samples(self, n_bytes: int) -> int:
        """Return how many whole samples a number of bytes holds."""
        blocks, rest = divmod(max(0, n_bytes), self.ends[-1])
        return blocks * len(self.ends) + sum(end <= rest for end in self.ends)


FORMATS = {
    "8": Format((1,), "<i1", "int32", None),
    "16": Format((2,), "<i2", "int16", -(1 << 15)),
    "24": Format((3,), "<u1", "int32", -(1 << 23)),
    "32": Format((4,), "<i4", "int32", -(1 << 31)),
    "61": Format((2,), ">i2", "int16", -(1 << 15)),
    "80": Format((1,), "<u1", "int16", -(1 << 7)),
    "160": Format((2,), "<u2", "int16", -(1 << 15)),
    "212": Format((2, 3), "<u1", "int16", -(1 << 11)),
    "310": Format((2, 4, 4), "<u1", "int16", -(1 << 9)),
    "311": Format((2, 3, 4), "<u1", "int16", -(1 << 9)),
}
DIFFERENCES = "8"


@dataclass(frozen=True, slots=True)
class SignalFile:
    """A file of samples: its bytes, the frames of it that can be read, and whose samples they are."""

    path: Path
    size: int
    n_frames: int
    signals: tuple[Signal, ...]

    @property
    def format(self) -> Format:
        """How it holds its samples."""
        return FORMATS[self.signals[0].format]

    @property
    def per_frame(self) -> int:
        """Samples of all its signals in a frame."""
        return sum(signal.per_frame for signal in self.signals)

    def bytes_of(self, n_frames: int) -> int:
        """Return how many bytes of the file are taken up to a frame, for one that starts a block."""
        return self.signals[0].offset + self.format.n_bytes(n_frames * self.per_frame)


def read_stretch(file: SignalFile, position: int, start: int, stop: int) -> RawSamples:
    """Read the raw samples ``[start, stop)`` of the signal at a position in the file."""
    samples = np.empty(stop - start, dtype=file.format.dtype)
    done = 0
    for piece in _pieces(file, position, start, stop):
        samples[done : done + len(piece)] = piece
        done += len(piece)
    return samples


def read_on(file: SignalFile, position: int, start: int, stop: int, size: int) -> Iterator[RawSamples]:
    """Yield the raw samples ``[start, stop)`` of a signal, `size` at a time, in one pass through the file."""
    waiting: list[RawSamples] = []
    for piece in _pieces(file, position, start, stop):
        waiting.append(piece)
        if sum(map(len, waiting)) >= size:
            samples = np.concatenate(waiting)
            whole = len(samples) - len(samples) % size
            yield from (samples[first : first + size].copy() for first in range(0, whole, size))
            waiting = [samples[whole:]]
    rest = np.concatenate(waiting) if waiting else np.empty(0)
    if len(rest):
        yield rest


def _pieces(file: SignalFile, position: int, start: int, stop: int) -> Iterator[RawSamples]:
    """Yield the raw samples [start, stop) of a signal, as they come out of blocks of frames."""
    if start == stop:
        return
    signal, block = file.signals[position], len(file.format.ends)
    start, stop = (index + signal.skew * signal.per_frame for index in (start, stop))
    first, last = start // signal.per_frame, -(-stop // signal.per_frame)
    step = max(1, BLOCK_SAMPLES // file.per_frame // block) * block
    values = [other.first for other in file.signals]
    # differences add up from the file's start; the others are read from the start of a block of samples
    at = 0 if signal.format == DIFFERENCES else first - first % block
    for frame in range(at, last, step):
        n_frames = min(step, last - frame)
        decoded = _decoded(file, frame, n_frames, values)
        values = [int(samples[-1]) for samples in decoded]
        begin = frame * signal.per_frame
        if begin + len(decoded[position]) > start:
            piece = decoded[position][max(0, start - begin) : stop - begin]
            yield piece.astype(file.format.dtype)


def _decoded(file: SignalFile, frame: int, n_frames: int, values: list[int]) -> list[RawSamples]:
    """Read frames, the first at the start of a block; return the samples of each signal.

    Parameters
    ----------
    values
        Of each signal the value before the first difference.
    """
    _signal = require(file.path, "wfdb.io._signal")
    with parsing(file.path, "samples"):
        content = _bytes(file.path, file.bytes_of(frame), file.format.n_bytes(n_frames * file.per_frame))
        decoded: list[RawSamples] = _signal._rd_dat_signals(
            file_name=file.path.name,
            dir_name="",
            pn_dir=None,
            fmt=file.signals[0].format,
            n_sig=len(file.signals),
            sig_len=n_frames,
            byte_offset=0,
            samps_per_frame=[signal.per_frame for signal in file.signals],
            skew=[0] * len(file.signals),
            init_value=values,
            sampfrom=0,
            sampto=n_frames,
            no_file=True,
            sig_data=np.frombuffer(content, dtype=file.format.stored),
        )
        return decoded


def _bytes(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        content = stream.read(length)
    if len(content) != length:
        raise ReadError(
            f"{path}: ends inside its samples: expected {length} bytes at {offset}, got {len(content)}; it "
            "has changed since the header was read"
        )
    return content
