"""Samples of `.acq` files: one channel's stretch, picked out of interleaved or compressed data.

Nothing is kept between calls: each opens the file, reads what it needs in bounded pieces, and closes it.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.usable import OR_SALVAGE
from ecgkit.records import RawSamples

CHUNK_BYTES = 1 << 20  # what is read at a time: about what a core's cache holds
DAMAGED = f"the file is damaged; save it again from AcqKnowledge{OR_SALVAGE}"
PACKED_BYTES = 1 << 17  # what of a stream is inflated at a time
WALKED_SAMPLES = 1 << 16  # what is placed at a time by the offset rule

# A frame is what the samples' order repeats after. Dividers are powers of two in AcqKnowledge, 16 bits wide,
# so that its longest frame has 2**15 ticks. What others may write, and what lies in no whole frame, is placed
# sample by sample: exact as well, but slower.
MAX_FRAME_TICKS, MAX_FRAME_BYTES = 1 << 16, 1 << 22
FEW_SAMPLES = 64  # not worth finding their frame
FEW_COPIES = 16  # up to so many samples a frame, strided copies are faster than indexing


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
    def sizes(self) -> tuple[int, ...]:
        """Bytes of a sample, per channel."""
        return tuple(np.dtype(dtype).itemsize for dtype in self.dtypes)

    @property
    def grain(self) -> int:
        """Bytes that every sample's place is a multiple of."""
        return math.gcd(*self.sizes)

    @property
    def data_bytes(self) -> int:
        """Length of the whole block of samples."""
        return sum(size * n for size, n in zip(self.sizes, self.counts, strict=True))


@dataclass(frozen=True, slots=True)
class Compressed:
    """Where the samples of one channel of a compressed file lie: a zlib stream of their own.

    Attributes
    ----------
    offset, n_bytes
        Where the stream lies, and its length.
    dtype
        As stored ("<i2", "<f8").
    count
        How many samples it holds, or how many of them to take if it is not `whole`.
    whole
        Whether the stream must be undamaged and hold `count` samples exactly. Otherwise the `count` samples
        are taken from a stream that may break off behind them.
    """

    path: Path
    name: str
    offset: int
    n_bytes: int
    dtype: str
    count: int
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Frames:
    """A stretch in which the order of samples repeats.

    Attributes
    ----------
    start, stop
        The channel's samples in it, a whole number of frames.
    offset
        Byte of the first frame, from the start of the data.
    n_bytes
        Length of one frame.
    offsets
        Where the channel's samples of one frame lie in it.
    """

    start: int
    stop: int
    offset: int
    n_bytes: int
    offsets: NDArray[np.int64]


def sample_offsets(layout: Interleaved, channel: int, start: int, stop: int) -> NDArray[np.int64]:
    """Return the bytes, from the start of the data, at which a channel's samples ``[start, stop)`` lie.

    The file holds, for tick t = 0, 1, 2 ..., one sample of each channel in turn for which t is a multiple
    of the divider and t // divider is below its count. So what lies before a sample of tick t is, for each
    other channel, its samples of the ticks before t, and its sample of tick t if it comes first.
    """
    ticks = np.arange(start, stop, dtype=np.int64) * layout.dividers[channel]
    offsets = np.zeros_like(ticks)
    first = np.arange(len(layout.counts)) < channel
    alike = Counter(zip(layout.sizes, layout.dividers, layout.counts, first, strict=True))
    for (size, divider, count, comes_first), n in alike.items():
        # ceil(t / divider) before tick t; floor + 1 counts tick t itself where it is due
        before = ticks // divider + 1 if comes_first else -(-ticks // divider)
        offsets += n * size * np.minimum(before, count)
    return offsets


def read_interleaved(layout: Interleaved, channel: int, start: int, stop: int) -> RawSamples:
    """Read raw samples ``[start, stop)`` of one channel, shape (stop - start,), native byte order.

    Only the part of the file that holds them is read, through a small buffer.

    Raises
    ------
    ReadError
        The file has gone, or ends before these samples.
    """
    samples: RawSamples = np.empty(stop - start, dtype=np.dtype(layout.dtypes[channel]).newbyteorder("="))
    done = start
    with _opened(layout.path) as file:
        for frames in _whole_frames(layout, channel, start, stop):
            _walk(file, layout, channel, done, samples[done - start : frames.start - start])
            _copy(file, layout, channel, frames, samples[frames.start - start : frames.stop - start])
            done = frames.stop
        _walk(file, layout, channel, done, samples[done - start :])
    return samples


def _whole_frames(layout: Interleaved, channel: int, start: int, stop: int) -> Iterator[_Frames]:
    """Yield the stretches of whole frames in a channel's samples ``[start, stop)``.

    From one channel's end to the next one's, those that still have samples follow each other in an order
    that repeats every lcm(their dividers) ticks.
    """
    own, dividers = layout.dividers[channel], np.array(layout.dividers, dtype=np.int64)
    ends = dividers * np.array(layout.counts, dtype=np.int64)  # ticks at which a sample is missing first
    edges = [0, *np.unique(ends[(ends > 0) & (ends <= ends[channel])]).tolist()]
    for begin, end in itertools.pairwise(edges):
        first, last = max(start, -(-begin // own)), min(stop, -(-end // own))
        if last - first < FEW_SAMPLES:
            continue
        live = np.flatnonzero(ends > begin).tolist()
        frame = _frame(layout, live)
        if frame is None:
            continue
        length = frame.counts[live.index(channel)]
        first, last = -(-first // length) * length, min(last // length, end // (own * length)) * length
        if first < last:
            offsets = sample_offsets(frame, live.index(channel), 0, length)
            position = sample_offsets(layout, channel, first, first + 1) - offsets[0]
            yield _Frames(first, last, int(position[0]), frame.data_bytes, offsets)


def _frame(layout: Interleaved, live: list[int]) -> Interleaved | None:
    """Return the layout of one frame of these channels, None if it is too long to be of use."""
    dividers = [layout.dividers[i] for i in live]
    ticks = 1
    for divider in set(dividers):
        ticks = math.lcm(ticks, divider)
        if ticks > MAX_FRAME_TICKS:
            return None
    dtypes, counts = tuple(layout.dtypes[i] for i in live), tuple(ticks // divider for divider in dividers)
    frame = Interleaved(layout.path, 0, dtypes, tuple(dividers), counts)
    return frame if frame.data_bytes <= MAX_FRAME_BYTES else None


def _copy(file: FileIO, layout: Interleaved, channel: int, frames: _Frames, target: RawSamples) -> None:
    """Copy the channel's samples of a stretch of frames into `target`, (frames.stop - frames.start,)."""
    if frames.n_bytes == target.itemsize:  # nothing else lies here
        _fill(file, layout, frames.offset, target.view(np.uint8))
        if not np.dtype(layout.dtypes[channel]).isnative:
            target.byteswap(inplace=True)
        return
    target = target.reshape(-1, len(frames.offsets))  # (frames, samples of one)
    columns = frames.offsets // layout.grain
    at_once = min(max(1, CHUNK_BYTES // frames.n_bytes), len(target))
    data = np.empty((at_once, frames.n_bytes), dtype=np.uint8)
    everywhere = _everywhere(layout, channel, data)
    for first in range(0, len(target), at_once):
        part = target[first : first + at_once]
        _fill(file, layout, frames.offset + first * frames.n_bytes, data[: len(part)])
        if len(columns) > FEW_COPIES:
            part[:] = everywhere[: len(part), columns]
        else:
            for i, column in enumerate(columns.tolist()):
                part[:, i] = everywhere[: len(part), column]


def _walk(file: FileIO, layout: Interleaved, channel: int, start: int, target: RawSamples) -> None:
    """Read the channel's samples from `start` into `target`, each placed by the offset rule."""
    step = _samples_per_chunk(layout, channel)
    for first in range(0, len(target), step):
        part = target[first : first + step]
        offsets = sample_offsets(layout, channel, start + first, start + first + len(part))
        data = np.empty((1, int(offsets[-1] - offsets[0]) + part.itemsize), dtype=np.uint8)
        _fill(file, layout, int(offsets[0]), data)
        part[:] = _everywhere(layout, channel, data)[0, (offsets - offsets[0]) // layout.grain]


def _everywhere(layout: Interleaved, channel: int, data: NDArray[np.uint8]) -> RawSamples:
    """View rows of data as a sample of this channel at every place one may have, each grain of the layout.

    They overlap where samples are larger than the grain.
    """
    stored, (n, n_bytes) = np.dtype(layout.dtypes[channel]), data.shape
    places = (n_bytes - stored.itemsize) // layout.grain + 1
    return np.ndarray((n, places), stored, data, 0, (n_bytes, layout.grain))


def _samples_per_chunk(layout: Interleaved, channel: int) -> int:
    """Return how many of a channel's samples to walk at a time: those in about `CHUNK_BYTES`."""
    bytes_per_tick = sum(size / divider for size, divider in zip(layout.sizes, layout.dividers, strict=True))
    fitting = int(CHUNK_BYTES / (bytes_per_tick * layout.dividers[channel]))
    return min(max(1, fitting), WALKED_SAMPLES)


def _fill(file: FileIO, layout: Interleaved, offset: int, data: NDArray[np.uint8]) -> None:
    """Fill `data` with the bytes from `offset` on, counted from the start of the samples."""
    start, gap = layout.data_start + offset, data.reshape(-1).data
    file.seek(start)
    while n := file.readinto(gap):
        gap = gap[n:]
    if gap:
        raise ReadError(
            f"{layout.path}: ends inside its samples: expected {data.size} bytes at {start}, "
            f"got {data.size - len(gap)}; it has changed since its headers were read"
        )


def read_compressed(stream: Compressed, start: int, stop: int) -> RawSamples:
    """Read raw samples ``[start, stop)`` of a channel's stream, shape (stop - start,), native byte order.

    The whole stream is inflated and checked, whatever the range: only its end tells damage from samples.

    Raises
    ------
    ReadError
        The file has gone, or the stream does not inflate to exactly what the header says.
    """
    if start == stop:
        return np.empty(0, dtype=np.dtype(stream.dtype).newbyteorder("="))
    return next(read_compressed_chunks(stream, start, stop, stop - start))


def read_compressed_chunks(stream: Compressed, start: int, stop: int, size: int) -> Iterator[RawSamples]:
    """Yield raw samples ``[start, stop)`` of a channel's stream in arrays of `size`, inflating it once.

    The stream is inflated as the chunks are asked for; the last one comes after all of it was checked.

    Raises
    ------
    ReadError
        As `read_compressed`.
    """
    stored, left = np.dtype(stream.dtype), stop - start
    samples: RawSamples = np.empty(min(size, left), dtype=stored)
    gap = samples.view(np.uint8).data
    for piece in _stretch(stream, start * stored.itemsize, stop * stored.itemsize):
        rest = piece
        while rest:
            n = min(len(gap), len(rest))
            gap[:n] = rest[:n]
            gap, rest = gap[n:], rest[n:]
            if not gap:
                yield samples.astype(stored.newbyteorder("="), copy=False)
                left -= len(samples)
                samples = np.empty(min(size, left), dtype=stored)
                gap = samples.view(np.uint8).data


def count_inflatable(stream: Compressed) -> int:
    """Return how many samples can be taken from a stream that may be damaged or cut off: at most `count`.

    All samples before a cut are as recorded. Of a stream damaged inside, zlib notices the damage only some
    way behind it, or at the very end: samples before the break may be wrong.

    Raises
    ------
    ReadError
        The file has gone.
    """
    itemsize = np.dtype(stream.dtype).itemsize
    inflated = 0
    for piece in _inflate(replace(stream, whole=False)):
        inflated += len(piece)
        if inflated >= stream.count * itemsize:
            return stream.count
    return inflated // itemsize


def _stretch(stream: Compressed, start: int, stop: int) -> Iterator[memoryview]:
    """Yield the inflated bytes ``[start, stop)``, the last of them after the stream was checked."""
    expected = stream.count * np.dtype(stream.dtype).itemsize
    inflated, held = 0, memoryview(b"")
    for piece in _inflate(stream):
        wanted = memoryview(piece)[max(0, start - inflated) : max(0, stop - inflated)]
        inflated += len(piece)
        if wanted:
            yield held
            held = wanted
        if inflated > expected or (inflated >= stop and not stream.whole):
            break
    if inflated < stop or (inflated != expected and stream.whole):
        got = "more" if inflated > expected else inflated
        raise ReadError(
            f"{stream.path}: the compressed samples of channel {stream.name!r} at {stream.offset} inflate to "
            f"{got} bytes, its header says {expected}; {DAMAGED}"
        )
    yield held


def _inflate(stream: Compressed) -> Iterator[bytes]:
    """Yield the inflated stream in small pieces; check its end and its checksum if it is `whole`."""
    inflater = zlib.decompressobj()
    position = 0
    while not inflater.eof:
        data = inflater.unconsumed_tail
        if not data:
            data = _packed(stream, position)
            position += len(data)
        before = None if stream.whole else inflater.copy()
        try:
            piece = inflater.decompress(data, CHUNK_BYTES)
            if not data and not piece:
                raise zlib.error("incomplete stream")
        except zlib.error as error:
            if before is not None:
                yield from _until_damage(before, data)
                return
            raise ReadError(
                f"{stream.path}: the compressed samples of channel {stream.name!r} at {stream.offset} can't "
                f"be inflated ({error}); {DAMAGED}"
            ) from error
        yield piece


def _until_damage(inflater: Any, data: bytes) -> Iterator[bytes]:
    """Yield what comes out before the damage, byte by byte: zlib gives nothing of a call that fails."""
    with suppress(zlib.error):
        for i in range(len(data)):
            yield inflater.decompress(data[i : i + 1])


def _packed(stream: Compressed, position: int) -> bytes:
    """Read the stream on from a position in it."""
    with _opened(stream.path) as file:
        file.seek(stream.offset + position)
        return file.read(min(PACKED_BYTES, stream.n_bytes - position))


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    """Open the file for reads straight into a buffer of ours; answer what the system refuses."""
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise ReadError(
            f"{path}: can't be opened for its samples ({error.strerror or error}); it was there when its "
            "headers were read"
        ) from error
    with file:
        try:
            yield file
        except OSError as error:
            raise ReadError(f"{path}: its samples can't be read ({error.strerror or error})") from error
