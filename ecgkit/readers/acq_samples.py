"""Samples of `.acq` files: one channel's stretch, picked out of interleaved or compressed data.

Nothing is kept between calls: each opens the file, reads what it needs in bounded pieces, and closes it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.records import RawSamples

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Where the samples of an uncompressed file lie.

    Attributes
    ----------
    data_start
        Byte at which the first sample lies.
    dtypes
        Per channel, as stored ("<i2", ">f8", ...).
    dividers, counts
        Per channel: base rate over its rate, and its number of samples.
    """

    path: Path
    data_start: int
    dtypes: tuple[str, ...]
    dividers: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def data_bytes(self) -> int:
        """Length of the whole block of samples."""
        return sum(np.dtype(d).itemsize * n for d, n in zip(self.dtypes, self.counts, strict=True))


@dataclass(frozen=True, slots=True)
class Compressed:
    """Where the samples of one channel of a compressed file lie: a zlib stream of their own."""

    path: Path
    name: str
    offset: int
    n_bytes: int
    dtype: str
    count: int


def sample_offsets(layout: Interleaved, channel: int, start: int, stop: int) -> NDArray[np.int64]:
    """Return the bytes, from the start of the data, at which a channel's samples ``[start, stop)`` lie.

    The file holds, for tick t = 0, 1, 2 ..., one sample of each channel in turn for which t is a multiple
    of the divider and t // divider is below its count. So what lies before a sample of tick t is, for each
    other channel, its samples of the ticks before t, and its sample of tick t if it comes first.
    """
    ticks = np.arange(start, stop, dtype=np.int64) * layout.dividers[channel]
    offsets = np.zeros_like(ticks)
    for other, (dtype, divider, count) in enumerate(
        zip(layout.dtypes, layout.dividers, layout.counts, strict=True)
    ):
        # ceil(t / divider) before tick t; floor + 1 counts tick t itself where it is due
        before = ticks // divider + 1 if other < channel else -(-ticks // divider)
        offsets += np.dtype(dtype).itemsize * np.minimum(before, count)
    return offsets


def read_interleaved(layout: Interleaved, channel: int, start: int, stop: int) -> RawSamples:
    """Read raw samples ``[start, stop)`` of one channel, shape (stop - start,), native byte order.

    Raises
    ------
    ReadError
        The file has gone, or ends before these samples.
    """
    stored = np.dtype(layout.dtypes[channel])
    samples: RawSamples = np.empty(stop - start, dtype=stored.newbyteorder("="))
    step = _samples_per_chunk(layout, channel)
    with _open(layout.path) as file:
        for first in range(start, stop, step):
            last = min(first + step, stop)
            offsets = sample_offsets(layout, channel, first, last)
            length = int(offsets[-1] - offsets[0]) + stored.itemsize
            data = _read_exactly(file, layout.path, layout.data_start + int(offsets[0]), length)
            starts = (offsets - offsets[0])[:, None]  # (samples, 1)
            picked = data[starts + np.arange(stored.itemsize)]  # (samples, bytes of one)
            samples[first - start : last - start] = picked.view(stored)[:, 0]
    return samples


def read_compressed(stream: Compressed, start: int, stop: int) -> RawSamples:
    """Read raw samples ``[start, stop)`` of a channel's stream, shape (stop - start,), native byte order.

    The whole stream is inflated and checked, piece by piece; only what was asked for is kept.

    Raises
    ------
    ReadError
        The file has gone, or the stream does not inflate to exactly what the header says.
    """
    stored = np.dtype(stream.dtype)
    wanted = range(start * stored.itemsize, stop * stored.itemsize)
    expected = stream.count * stored.itemsize
    kept, position = bytearray(), 0
    with _open(stream.path) as file:
        for piece in _inflate(file, stream):
            kept += piece[max(0, wanted.start - position) : max(0, wanted.stop - position)]
            position += len(piece)
            if position > expected:
                break
    if position != expected:
        got = "more" if position > expected else f"{position}"
        raise ReadError(
            f"{stream.path}: the compressed samples of channel {stream.name!r} inflate to {got} bytes, "
            f"its header says {expected}; the file is damaged, save it again from AcqKnowledge"
        )
    return np.frombuffer(kept, dtype=stored).astype(stored.newbyteorder("="))


def _inflate(file: BinaryIO, stream: Compressed) -> Iterator[bytes]:
    """Yield the inflated stream in pieces of at most `CHUNK_BYTES`; check its end and its checksum."""
    inflater = zlib.decompressobj()
    file.seek(stream.offset)
    left = stream.n_bytes
    try:
        while not inflater.eof:
            data = inflater.unconsumed_tail
            if not data:
                data = file.read(min(CHUNK_BYTES, left))
                left -= len(data)
            piece = inflater.decompress(data, CHUNK_BYTES)
            if not data and not piece:
                raise zlib.error("incomplete stream")
            yield piece
    except zlib.error as error:
        raise ReadError(
            f"{stream.path}: the compressed samples of channel {stream.name!r} can't be inflated ({error}); "
            "the file is damaged, save it again from AcqKnowledge"
        ) from error


def _samples_per_chunk(layout: Interleaved, channel: int) -> int:
    """Return how many of a channel's samples lie in about `CHUNK_BYTES` of interleaved data."""
    bytes_per_tick = sum(
        np.dtype(d).itemsize / divider for d, divider in zip(layout.dtypes, layout.dividers, strict=True)
    )
    return max(1, int(CHUNK_BYTES / (bytes_per_tick * layout.dividers[channel])))


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ReadError(
            f"{path}: can't be opened for its samples ({error.strerror or error}); it was there when its "
            "headers were read"
        ) from error


def _read_exactly(file: BinaryIO, path: Path, offset: int, length: int) -> NDArray[np.uint8]:
    file.seek(offset)
    data = np.frombuffer(file.read(length), dtype=np.uint8)
    if len(data) != length:
        raise ReadError(
            f"{path}: ends inside its samples: expected {length} bytes at {offset}, got {len(data)}; "
            "it has changed since its headers were read"
        )
    return data
