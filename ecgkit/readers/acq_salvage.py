"""What is there of a damaged `.acq` file: the samples that can be told for sure, and what is lost."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from struct import pack
from typing import Any

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.acq_blocks import Heads, Source, StreamBlock, pieces, read_stream_block, stream_start
from ecgkit.readers.acq_samples import Compressed, Interleaved, count_inflatable
from ecgkit.readers.acq_tail import Tail, read_tail
from ecgkit.readers.usable import lost_samples

HIGHEST_ZLIB_RATIO = 1032
SEARCH_BYTES, SEARCH_OVERLAP = 1 << 22, 128
RAW_LENGTH_AT = 52  # where the header of compressed samples has the length that they inflate to
MOST_CANDIDATES = 256


@dataclass(slots=True)
class Found:
    """The samples of a file, one stream per channel or all interleaved; its tail; what is lost of them."""

    samples: Interleaved | tuple[Compressed, ...]
    tail: Tail
    lost: list[str]

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of samples of each channel."""
        if isinstance(self.samples, Interleaved):
            return self.samples.counts
        return tuple(stream.count for stream in self.samples)


def samples_within(layout: Interleaved, n_bytes: int) -> tuple[int, ...]:
    """Return how many whole samples of each channel lie in the first `n_bytes` of interleaved data.

    At tick 0, 1, 2 ... there is one sample of each channel in turn for which the tick is a multiple of the
    divider, and tick // divider is below its count.
    """
    sizes = [np.dtype(dtype).itemsize for dtype in layout.dtypes]
    channels = list(zip(sizes, layout.dividers, layout.counts, strict=True))

    def bytes_before(tick: int) -> int:
        return sum(size * min(count, -(-tick // divider)) for size, divider, count in channels)

    tick, past = 0, max(divider * count for _, divider, count in channels) + 1
    if bytes_before(past) <= n_bytes:
        return layout.counts
    while past - tick > 1:  # the last tick before which all is there
        middle = (tick + past) // 2
        tick, past = (middle, past) if bytes_before(middle) <= n_bytes else (tick, middle)
    position, within = bytes_before(tick), []
    for size, divider, count in channels:
        n = min(count, -(-tick // divider))
        if tick % divider == 0 and tick // divider < count:
            position += size
            n += position <= n_bytes
        within.append(n)
    return tuple(within)


def salvage_interleaved(source: Source, heads: Heads, layout: Interleaved) -> Found:
    """Take the samples that the file holds; where its headers count none, as many as fit into it.

    A program that is cut short while it records may leave counts of 0, which it would have written last.
    """
    room = source.size - layout.data_start
    if not any(layout.counts):
        tail = read_tail(source, layout.data_start)
        if tail.end is not None:
            return Found(layout, tail, [])
        uncounted = replace(layout, counts=(room,) * len(layout.counts))
        layout = replace(layout, counts=samples_within(uncounted, room))
        return Found(
            layout,
            Tail(),
            [
                "the sample counts: the headers give 0 for every channel, so they were told from the file's "
                "length; the last samples may be what lay behind them",
                "the markers and the journal, if there were any",
            ],
        )
    if layout.data_bytes <= room:
        return Found(layout, read_tail(source, layout.data_start + layout.data_bytes), [])
    within = replace(layout, counts=samples_within(layout, room))
    lost = _lost_samples(heads, within.counts)
    ends = [divider * count for divider, count in zip(layout.dividers, layout.counts, strict=True)]
    if max(ends) - min(ends) > max(layout.dividers):
        lost.append(
            "certainty about the samples: the channels' counts do not agree on when the recording ends, so "
            "that what lies beyond the shortest channel may be no samples"
        )
    return Found(within, Tail(), [*lost, "the markers and the journal, if there were any"])


def salvage_streams(source: Source, heads: Heads, *, most: int | None = None) -> Found:
    """Take what inflates of each channel's stream, and search for streams whose way there is damaged.

    Parameters
    ----------
    most
        Look for no more than so many samples of a channel; None for all.
    """
    tail = read_tail(source, heads.end)
    position, streams, lost = _first_stream(source, tail), [], []
    searched_to = heads.end
    for index, (head, dtype) in enumerate(zip(heads.channels, heads.dtypes, strict=True)):
        block = _stream_at(source, position, head, dtype, index) or _search(
            source, searched_to, head, dtype, index
        )
        stream = _sound_part(source, block, head, dtype, most)
        streams.append(stream)
        position = block.start + max(0, block.n_bytes) if block else None
        if block:
            searched_to = block.start
            lost += _doubts(source, block, stream, head, index)
    return Found(tuple(streams), tail, _lost_samples(heads, [stream.count for stream in streams]) + lost)


def _doubts(source: Source, block: StreamBlock, stream: Compressed, head: Any, index: int) -> list[str]:
    """Say what does not fit together in a stream that was found."""
    own_count = block.raw_bytes // np.dtype(stream.dtype).itemsize
    cut = block.start + block.n_bytes > source.size
    of_channel = f"of channel {index} {head.name!r}"
    doubts = {
        f"certainty about the last samples {of_channel} that there are: its stream is damaged, and gives "
        "wrong samples for a while before it breaks off": not cut
        and stream.count < min(head.point_count, own_count),
        f"the sample count {of_channel}: its header gives {head.point_count}, its stream {stream.count}": (
            stream.count > head.point_count or own_count == stream.count < head.point_count
        ),
    }
    return [doubt for doubt, there in doubts.items() if there]


def _lost_samples(heads: Heads, counts: Sequence[int]) -> list[str]:
    """Say for each channel how many of the samples that its header gives are not there."""
    return [
        lost_samples(
            index, head.name, got=count, expected=head.point_count, fs=heads.fs / head.frequency_divider
        )
        for index, (head, count) in enumerate(zip(heads.channels, counts, strict=True))
        if count < head.point_count
    ]


def _first_stream(source: Source, tail: Tail) -> int | None:
    """Return where the blocks lead to the first channel's stream, None where they lead nowhere."""
    try:
        return None if tail.end is None else stream_start(source, tail.end)
    except ReadError:
        return None


def _stream_at(source: Source, offset: int | None, head: Any, dtype: str, index: int) -> StreamBlock | None:
    """Return the header of a channel's stream if it is here: by the channel's name, or by its length."""
    if offset is None:
        return None
    try:
        block = read_stream_block(source, offset, index)
    except ReadError:
        return None
    source.file.seek(offset + RAW_LENGTH_AT + 8)
    name = _stored_name(head)
    named = len(name) > 0 and source.file.read(len(name)) == name
    sized = block.raw_bytes == head.point_count * np.dtype(dtype).itemsize
    return block if named or sized else None


def _search(source: Source, offset: int, head: Any, dtype: str, index: int) -> StreamBlock | None:
    """Search the file from an offset on for a channel's stream: its length, its name, a zlib header."""
    raw_bytes = head.point_count * np.dtype(dtype).itemsize
    if not 0 < raw_bytes < 1 << 31:
        return None
    pattern = re.compile(
        re.escape(pack(f"{source.order}i", raw_bytes)) + b".{4}" + re.escape(_stored_name(head)), re.DOTALL
    )
    for start, data in pieces(source, offset, size=SEARCH_BYTES, overlap=SEARCH_OVERLAP):
        for match in itertools.islice(pattern.finditer(data), MOST_CANDIDATES):
            block = _stream_at(source, start + match.start() - RAW_LENGTH_AT, head, dtype, index)
            if block and _starts_as_zlib(source, block.start):
                return block
    return None


def _stored_name(head: Any) -> bytes:
    return bytes(head.data["szCommentText"])


def _starts_as_zlib(source: Source, offset: int) -> bool:
    source.file.seek(offset)
    first = source.file.read(2)
    return len(first) == 2 and first[0] & 15 == 8 and int.from_bytes(first, "big") % 31 == 0


def _sound_part(
    source: Source, block: StreamBlock | None, head: Any, dtype: str, most: int | None
) -> Compressed:
    """Return the part of a stream that inflates, of no samples where there is none."""
    itemsize = np.dtype(dtype).itemsize
    if block is None:
        return Compressed(source.path, head.name, 0, 0, dtype, 0, whole=False)
    n_bytes = source.size - block.start  # a zlib stream knows its own end; its stored length may be damaged
    claimed = max(head.point_count, block.raw_bytes // itemsize)
    claimed = min(claimed, HIGHEST_ZLIB_RATIO * (n_bytes + 1) // itemsize)
    if most is not None:
        claimed = min(claimed, most)
    stream = Compressed(source.path, head.name, block.start, n_bytes, dtype, claimed, whole=False)
    return replace(stream, count=count_inflatable(stream))
