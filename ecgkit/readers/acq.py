"""AcqKnowledge `.acq` files, every revision: headers, markers and journal into a `Recording`.

bioread's tables of fields say what lies where in each revision. The walk from block to block is our own:
each block is checked against the file's size before it is read, so that a damaged file is answered with
the name of the block at fault, and damage behind the samples costs markers or journal, not the samples.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from bioread import file_revisions
from bioread import headers as bh

from ecgkit.errors import ReadError
from ecgkit.readers.acq_blocks import DAMAGED, Source, end_of, read_block, require
from ecgkit.readers.acq_samples import Compressed, Interleaved, read_compressed, read_interleaved
from ecgkit.readers.acq_tail import Tail, read_tail
from ecgkit.readers.options import ReadOptions
from ecgkit.records import SEGMENT_STYLE, SIMULATED_MARK, Channel, Marker, Recording, SampleReader

REVISIONS = range(file_revisions.V_20a, 1000)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BELIEVABLE = (datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

SAMPLE_TYPES = {(8, 0): "f8", (8, 1): "f8", (2, 2): "i2"}
TYPE_SCAN_BYTES = 4096  # how far past the foreign data the sample types may begin, as bioread has it
SHORTEST_CHANNEL_HEADER = 100
HIGHEST_ZLIB_RATIO = 1032
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
            return _read(_source(path, file))
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error


def _read(source: Source) -> Recording:
    graph = read_block(source, bh.GraphHeader, 0, "graph header")
    fs = _base_rate(source, graph)
    heads, offset = _channel_heads(source, graph)
    dtypes, data_start = _sample_types(source, offset, len(heads), compressed=graph.compressed)
    readers: Sequence[SampleReader]
    if graph.compressed:
        tail = read_tail(source, data_start)
        readers = _compressed_readers(source, tail, heads, dtypes)
    else:
        readers, data_end = _interleaved_readers(source, data_start, heads, dtypes)
        tail = read_tail(source, data_end)
    channels = tuple(map(partial(_channel, fs), range(len(heads)), heads, dtypes, readers))
    markers = tuple(_marker(item, text, fs, channels) for item, text in tail.markers)
    order = "little-endian" if source.order == "<" else "big-endian"
    return Recording(
        path=source.path,
        format="acq",
        version=f"AcqKnowledge {file_revisions.version_string_guess(source.revision)}, "
        f"revision {source.revision}",
        fs=fs,
        channels=channels,
        markers=markers,
        start_time=_start_time(markers),
        journal=tail.journal,
        simulated=(tail.journal or "").startswith(SIMULATED_MARK),
        warnings=(*tail.warnings, *_marker_warnings(tail, markers, channels, fs), *_scale_warnings(channels)),
        details=(("byte order", order), ("compressed", "yes" if graph.compressed else "no")),
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
    fs = 1000 / interval_ms if interval_ms > 0 else math.nan
    if not 0 < fs < math.inf:
        raise ReadError(
            f"{source.path}: the graph header gives {interval_ms} ms per sample, expected a number "
            f"above 0; {DAMAGED}"
        )
    return float(fs)


def _channel_heads(source: Source, graph: Any) -> tuple[list[Any], int]:
    """Read the channel headers and check their numbers; return them and where they end."""
    if graph.channel_count < 1:
        raise ReadError(f"{source.path}: the graph header gives {graph.channel_count} channels; {DAMAGED}")
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
                raise ReadError(f"{source.path}: the {what} gives a {field_name} of {value}; {DAMAGED}")
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


def _interleaved_readers(
    source: Source, data_start: int, heads: list[Any], dtypes: list[str]
) -> tuple[list[SampleReader], int]:
    """Return the channels' readers, and where the samples end."""
    layout = Interleaved(
        path=source.path,
        data_start=data_start,
        dtypes=tuple(dtypes),
        dividers=tuple(head.frequency_divider for head in heads),
        counts=tuple(head.point_count for head in heads),
    )
    require(source, data_start, layout.data_bytes, "samples")
    return [partial(read_interleaved, layout, i) for i in range(len(heads))], data_start + layout.data_bytes


def _compressed_readers(
    source: Source, tail: Tail, heads: list[Any], dtypes: list[str]
) -> list[SampleReader]:
    if tail.end is None:
        raise ReadError(
            f"{source.path}: {tail.warnings[-1]}; the compressed samples behind it can't be found. Copy or "
            "save the file again"
        )
    main = read_block(source, bh.MainCompressionHeader, tail.end, "compression header")
    offset = end_of(source, tail.end, main.effective_len_bytes, "compression header")
    readers: list[SampleReader] = []
    for index, (head, dtype) in enumerate(zip(heads, dtypes, strict=True)):
        what = f"compressed samples of channel {index}"
        block = read_block(source, bh.ChannelCompressionHeader, offset, f"header of the {what}")
        start = end_of(source, offset, block.header_only_len_bytes, f"header of the {what}")
        offset = end_of(source, start, block.compressed_data_len, what, at_least=0)
        n_bytes, expected = block.compressed_data_len, head.point_count * np.dtype(dtype).itemsize
        if block.uncompressed_data_len != expected or expected > HIGHEST_ZLIB_RATIO * (n_bytes + 1):
            raise ReadError(
                f"{source.path}: the {what} are {n_bytes} bytes that should inflate to "
                f"{block.uncompressed_data_len}, the channel's header says {expected}; {DAMAGED}"
            )
        stream = Compressed(source.path, head.name, start, n_bytes, dtype, head.point_count)
        readers.append(partial(read_compressed, stream))
    return readers


def _channel(fs: float, index: int, head: Any, dtype: str, reader: SampleReader) -> Channel:
    stored_as_float = dtype.endswith("f8")
    return Channel(
        index=index,
        number=head.order_num,
        name=head.name,
        unit=head.units,
        fs=fs / head.frequency_divider,
        n_samples=head.point_count,
        dtype=np.dtype(np.float64) if stored_as_float else np.dtype(np.int16),
        # the header's scale and offset are meaningless for floats
        scale=1.0 if stored_as_float else head.raw_scale,
        offset=0.0 if stored_as_float else head.raw_offset,
        sample_reader=reader,
    )


def _marker(item: Any, text: str, fs: float, channels: Sequence[Channel]) -> Marker:
    # a marker names its channel by order number; bioread leaves that unresolved
    found = [channel.index for channel in channels if channel.number == item.channel_number]
    return Marker(
        sample=item.sample_index,
        time_s=item.sample_index / fs,
        text=text,
        style=item.type_code or "",
        channel=found[0] if len(found) == 1 else None,
        created=_created(item.date_created_ms),
    )


def _created(milliseconds: int | None) -> datetime | None:
    """Return a marker's date, None where it can't be true."""
    first, last = ((limit - EPOCH) // timedelta(milliseconds=1) for limit in BELIEVABLE)
    if milliseconds is None or not first <= milliseconds < last:
        return None
    return EPOCH + timedelta(milliseconds=milliseconds)


def _start_time(markers: Sequence[Marker]) -> datetime | None:
    """Return the earliest date of a segment's start, or else of any marker."""
    dates = [(marker.style != SEGMENT_STYLE, marker.created) for marker in markers if marker.created]
    return min(dates)[1] if dates else None


def _marker_warnings(
    tail: Tail, markers: Sequence[Marker], channels: Sequence[Channel], fs: float
) -> list[str]:
    ticks = round(max(channel.n_samples * fs / channel.fs for channel in channels))
    faults = Counter[str]()
    for (item, _), marker in zip(tail.markers, markers, strict=True):
        faults[f"outside the recording of {ticks} samples; the others may be shifted too"] += (
            marker.sample > ticks
        )
        faults["on a channel number that no channel has, or several have"] += (
            item.channel_number is not None and marker.channel is None
        )
        # 0 is "never set"
        faults["with a date outside 1990 to 2099, which is left out"] += (
            bool(item.date_created_ms) and marker.created is None
        )
    return [f"{n} of {len(markers)} markers {fault}" for fault, n in faults.items() if n]


def _scale_warnings(channels: Sequence[Channel]) -> list[str]:
    return [
        f"channel {channel.index} {channel.name!r}: scale {channel.scale} and offset {channel.offset} give "
        "no usable values; only its raw samples can be used"
        for channel in channels
        if not (math.isfinite(channel.scale) and math.isfinite(channel.offset) and channel.scale != 0)
    ]
