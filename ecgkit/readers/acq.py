"""AcqKnowledge `.acq` files, every revision: headers, markers and journal into a `Recording`.

bioread's tables of fields say what lies where in each revision. The walk from block to block is our own:
each block is checked against the file's size before it is read, so that a damaged file is answered with
the name of the block at fault, and damage behind the samples costs markers or journal, not the samples.
"""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from bioread import file_revisions
from bioread import headers as bh

from ecgkit.errors import ReadError
from ecgkit.readers.acq_blocks import (
    DAMAGED,
    Heads,
    Source,
    end_of,
    read_block,
    read_stream_block,
    require,
    stream_start,
)
from ecgkit.readers.acq_salvage import HIGHEST_ZLIB_RATIO, Found, salvage_interleaved, salvage_streams
from ecgkit.readers.acq_samples import (
    Compressed,
    Interleaved,
    read_compressed,
    read_compressed_chunks,
    read_interleaved,
)
from ecgkit.readers.acq_tail import Tail, read_tail
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, checked_rate, started
from ecgkit.records import SIMULATED_MARK, Channel, ChunkReader, Marker, Recording, SampleReader

REVISIONS = range(file_revisions.V_20a, 1000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BELIEVABLE_MS = tuple(
    (datetime(year, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) for year in (1990, 2100)
)

SAMPLE_TYPES = {(8, 0): "f8", (8, 1): "f8", (2, 2): "i2"}
TYPE_SCAN_BYTES = 4096  # how far past the foreign data the sample types may begin, as bioread has it
SHORTEST_CHANNEL_HEADER = 100
MOST_CHANNELS = 512  # several times what AcqKnowledge can hold
TAKES = ()


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is an `.acq` file: a leading zero and a revision."""
    return len(head) >= 6 and head[:2] == b"\0\0" and _order_and_revision(head)[1] in REVISIONS


def read(path: Path, options: ReadOptions) -> Recording:
    """Read the headers, markers and journal of an `.acq` file.

    Parameters
    ----------
    path
        The file; one that `matches`.
    options
        Whether to salvage.

    Raises
    ------
    ReadError
        A header or samples are missing or impossible; the message names the block.
    """
    try:
        with path.open("rb") as file:
            return _read(_source(path, file), salvage=options.salvage)
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error


def _read(source: Source, *, salvage: bool) -> Recording:
    try:
        heads = _heads(source)
    except ReadError as error:
        if salvage:
            raise ReadError(
                f"{error}. Without the headers before them, no samples can be salvaged"
            ) from error
        raise
    found = _salvaged(source, heads) if salvage else None
    if found is None or not any(found.counts):
        found = _whole(source, heads)
    return _recording(source, heads, found, salvage=salvage)


def _heads(source: Source) -> Heads:
    graph = read_block(source, bh.GraphHeader, 0, "graph header")
    fs = _base_rate(source, graph)
    channels, offset = _channel_heads(source, graph)
    dtypes, end = _sample_types(source, offset, len(channels), compressed=graph.compressed)
    return Heads(fs, graph.compressed, tuple(channels), tuple(dtypes), end)


def _whole(source: Source, heads: Heads) -> Found:
    """Find everything where the headers say; the error says whether salvage would give something."""
    try:
        return _streams(source, heads) if heads.compressed else _interleaved(source, heads)
    except ReadError as error:
        some = any(_salvaged(source, heads, most=1).counts)
        hint = OR_SALVAGE if some else ". No sample of it can be salvaged"
        raise ReadError(f"{error}{hint}") from error


def _salvaged(source: Source, heads: Heads, *, most: int | None = None) -> Found:
    """Find what is there; of compressed samples no more than `most` per channel."""
    if heads.compressed:
        return salvage_streams(source, heads, most=most)
    return salvage_interleaved(source, heads, _layout(source, heads))


def _recording(source: Source, heads: Heads, found: Found, *, salvage: bool) -> Recording:
    tail, fs = found.tail, heads.fs
    channels = tuple(
        map(
            partial(_channel, fs),
            itertools.count(),
            heads.channels,
            heads.dtypes,
            found.counts,
            _readers(found),
        )
    )
    markers = tuple(_markers(tail, fs, channels))
    order = "little-endian" if source.order == "<" else "big-endian"
    return Recording(
        path=source.path,
        format="acq",
        version=f"AcqKnowledge {file_revisions.version_string_guess(source.revision)}, "
        f"revision {source.revision}",
        fs=fs,
        channels=channels,
        markers=markers,
        start_time=started(markers),
        journal=tail.journal,
        simulated=(tail.journal or "").startswith(SIMULATED_MARK),
        warnings=(*tail.warnings, *_marker_warnings(tail, markers)),
        lost=(*found.lost, *tail.lost) if salvage else (),
        details=(("byte order", order), ("compressed", "yes" if heads.compressed else "no")),
    )


def _order_and_revision(head: bytes) -> tuple[str, int]:
    """Read the revision in both byte orders; the right one is the smaller number."""
    little, big = struct.unpack("<I", head[2:6])[0], struct.unpack(">I", head[2:6])[0]
    return ("<", little) if little < big else (">", big)


def _source(path: Path, file: BinaryIO) -> Source:
    head = file.read(6)
    size = file.seek(0, 2)
    if not matches(head):
        raise ReadError(f"{path}: no AcqKnowledge revision at its start; {DAMAGED}")
    order, revision = _order_and_revision(head)
    encoding = "latin1" if revision < file_revisions.V_400B else "utf-8"
    return Source(path, file, size, revision, order, encoding)


def _base_rate(source: Source, graph: Any) -> float:
    interval_ms = graph.sample_time
    fs = 1000 / interval_ms if interval_ms else 0.0
    said = f"the graph header at 0 gives {interval_ms} ms per sample"
    return checked_rate(source.path, fs, said, advice=DAMAGED)


def _channel_heads(source: Source, graph: Any) -> tuple[list[Any], int]:
    """Read the channel headers and check their numbers; return them and where they end."""
    if not 1 <= graph.channel_count <= MOST_CHANNELS:
        raise ReadError(
            f"{source.path}: the graph header at 0 gives {graph.channel_count} channels, expected 1 to "
            f"{MOST_CHANNELS}; {DAMAGED}"
        )
    offset = end_of(source, 0, graph.effective_len_bytes, "graph header")
    for _ in range(graph.expected_padding_headers):
        padding = read_block(source, bh.UnknownPaddingHeader, offset, "padding header")
        offset = end_of(source, offset, padding.effective_len_bytes, "padding header")
    first, heads = offset, []
    for index in range(graph.channel_count):
        what = f"header of channel {index} of {graph.channel_count}"
        head = read_block(source, bh.ChannelHeader, offset, what)
        offset = end_of(source, offset, head.effective_len_bytes, what, at_least=SHORTEST_CHANNEL_HEADER)
        for field_name, value, least in (
            ("sample count", head.point_count, 0),
            ("divider", head.frequency_divider, 1),
        ):
            if value < least:
                raise ReadError(
                    f"{source.path}: the {what} at {head.offset} gives a {field_name} of {value}, expected "
                    f"at least {least}; {DAMAGED}"
                )
        heads.append(head)
    # the first header's length counts for all, as in bioread
    return heads, first + len(heads) * heads[0].effective_len_bytes


def _sample_types(source: Source, offset: int, count: int, *, compressed: bool) -> tuple[list[str], int]:
    """Find the channels' sample types; return numpy's names for them and where they end."""
    foreign = read_block(source, bh.ForeignHeader, offset, "foreign data header")
    offset = end_of(source, offset, foreign.effective_len_bytes, "foreign data", at_least=0)
    require(source, offset, 4 * count, "sample types")
    source.file.seek(offset)
    data = source.file.read(TYPE_SCAN_BYTES + 4 * count)
    order = "<" if compressed else source.order  # compressed samples are always little-endian
    for shift in range(min(TYPE_SCAN_BYTES, len(data) - 4 * count + 1)):
        pairs = struct.iter_unpack(f"{source.order}hh", data[shift : shift + 4 * count])
        codes = list(itertools.takewhile(bool, map(SAMPLE_TYPES.get, pairs)))
        if len(codes) == count:
            return [f"{order}{code}" for code in codes], offset + shift + 4 * count
    raise ReadError(
        f"{source.path}: the sample types of {count} channels are not where they should be, in the "
        f"{len(data)} bytes read at {offset}; {DAMAGED}"
    )


def _layout(source: Source, heads: Heads) -> Interleaved:
    return Interleaved(
        path=source.path,
        data_start=heads.end,
        dtypes=heads.dtypes,
        dividers=tuple(head.frequency_divider for head in heads.channels),
        counts=tuple(head.point_count for head in heads.channels),
    )


def _interleaved(source: Source, heads: Heads) -> Found:
    """Find the samples of an uncompressed file, and what lies behind them."""
    layout = _layout(source, heads)
    require(source, heads.end, layout.data_bytes, "samples")
    tail = read_tail(source, heads.end + layout.data_bytes)
    if not any(layout.counts) and tail.end is None:
        raise ReadError(
            f"{source.path}: the headers give every channel a sample count of 0, but the "
            f"{source.size - heads.end} bytes behind them, at {heads.end}, are no markers "
            f"({tail.warnings[-1]})"
        )
    return Found(layout, tail, [])


def _streams(source: Source, heads: Heads) -> Found:
    """Find the samples of a compressed file, which lie behind its markers and journal."""
    tail = read_tail(source, heads.end)
    if tail.end is None:
        raise ReadError(
            f"{source.path}: {tail.warnings[-1]}; the compressed samples behind it can't be found. Copy or "
            "save the file again"
        )
    offset = stream_start(source, tail.end)
    streams = []
    for index, (head, dtype) in enumerate(zip(heads.channels, heads.dtypes, strict=True)):
        what = f"compressed samples of channel {index}"
        block = read_stream_block(source, offset, index)
        offset = end_of(source, block.start, block.n_bytes, what, at_least=0)
        expected = head.point_count * np.dtype(dtype).itemsize
        if block.raw_bytes != expected or expected > HIGHEST_ZLIB_RATIO * (block.n_bytes + 1):
            raise ReadError(
                f"{source.path}: the {what} at {block.start} are {block.n_bytes} bytes that should inflate "
                f"to {block.raw_bytes}, the channel's header says {expected}; {DAMAGED}"
            )
        streams.append(
            Compressed(source.path, head.name, block.start, block.n_bytes, dtype, head.point_count)
        )
    return Found(tuple(streams), tail, [])


def _readers(found: Found) -> list[tuple[SampleReader, ChunkReader | None]]:
    """Return the ways to each channel's samples."""
    if isinstance(found.samples, Interleaved):
        return [(partial(read_interleaved, found.samples, index), None) for index in range(len(found.counts))]
    return [
        (partial(read_compressed, stream), partial(read_compressed_chunks, stream))
        for stream in found.samples
    ]


def _channel(
    fs: float,
    index: int,
    head: Any,
    dtype: str,
    count: int,
    readers: tuple[SampleReader, ChunkReader | None],
) -> Channel:
    stored_as_float = dtype.endswith("f8")
    return Channel(
        index=index,
        number=head.order_num,
        name=head.name,
        unit=head.units,
        fs=fs / head.frequency_divider,
        n_samples=count,
        dtype=np.dtype(np.float64) if stored_as_float else np.dtype(np.int16),
        # the header's scale and offset are meaningless for floats
        scale=1.0 if stored_as_float else head.raw_scale,
        offset=0.0 if stored_as_float else head.raw_offset,
        sample_reader=readers[0],
        chunk_reader=readers[1],
    )


def _markers(tail: Tail, fs: float, channels: Sequence[Channel]) -> Iterator[Marker]:
    # a marker names its channel by order number; bioread leaves that unresolved
    uses = Counter(channel.number for channel in channels)
    by_number = {channel.number: channel.index for channel in channels if uses[channel.number] == 1}
    for item in tail.markers:
        yield Marker(
            sample=item.sample,
            time_s=item.sample / fs,
            text=item.text,
            style=item.style,
            channel=None if item.channel_number is None else by_number.get(item.channel_number),
            created=_created(item.created_ms),
        )


def _created(milliseconds: int | None) -> datetime | None:
    """Return a marker's date, None where it can't be true."""
    first, last = BELIEVABLE_MS
    if milliseconds is None or not first <= milliseconds < last:
        return None
    return EPOCH + timedelta(milliseconds=milliseconds)


def _marker_warnings(tail: Tail, markers: Sequence[Marker]) -> list[str]:
    faults = Counter[str]()
    for item, marker in zip(tail.markers, markers, strict=True):
        faults["on a channel number that no channel has, or several have"] += (
            item.channel_number is not None and marker.channel is None
        )
        # 0 is "never set"
        faults["with a date outside 1990 to 2099, which is left out"] += (
            bool(item.created_ms) and marker.created is None
        )
    return [f"{n} of {len(markers)} markers {fault}" for fault, n in faults.items() if n]
