"""Channels of one rate as a BIDS table: text without a header in gzip, values that read back exactly."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.readers.bids_events import NOT_KNOWN
from ecgkit.records import Channel, RawSamples

CHUNK_ROWS = 1 << 16
LEVEL = 6
# between these, rounding moves a value by far less than half a count
SMALLEST_SCALE, LARGEST_VALUE, LARGEST_OFFSET_COUNTS = 1e-290, 1e290, 1e14


def tells_raw(channel: Channel) -> bool:
    """Tell whether a channel's raw samples follow from its values, so that the values can be written.

    Values of counts are ``raw * scale + offset``; the count is the nearest to ``(value - offset) / scale``
    as long as the offset is not so large that neighbouring counts have one value.
    """
    scale, offset = abs(channel.scale), abs(channel.offset)
    if channel.dtype.kind == "f":
        return (channel.scale, channel.offset, channel.missing) == (1.0, 0.0, None)
    return (
        scale > SMALLEST_SCALE
        and scale * 2.0**31 + offset < LARGEST_VALUE
        and offset < LARGEST_OFFSET_COUNTS * scale
    )


def write_table(path: Path, channels: Sequence[Channel]) -> None:
    """Write channels side by side, the ends of shorter ones as "n/a"; the same bytes each time.

    Missing and infinite samples, which BIDS has no sign for, are "n/a" too.
    """
    chunks = (channel.raw_chunks(CHUNK_ROWS) for channel in channels)
    with path.open("wb") as file, gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as packed:
        for pieces in itertools.zip_longest(*chunks):
            columns = [
                _texts(channel, raw) if raw is not None else []
                for channel, raw in zip(channels, pieces, strict=True)
            ]
            rows = itertools.zip_longest(*columns, fillvalue=NOT_KNOWN)
            packed.write(("\n".join(map("\t".join, rows)) + "\n").encode("ascii"))


def _texts(channel: Channel, raw: RawSamples) -> list[str]:
    """Return samples as text: the shortest that reads back as the same number."""
    if raw.dtype.kind == "f":
        return list(_numbers(raw.astype(np.float64)))
    counts, places = np.unique(raw, return_inverse=True)  # there are far fewer of them than samples
    if tells_raw(channel):
        values = counts.astype(np.float64)
        values *= channel.scale  # the same steps as in `Channel.read`
        values += channel.offset
        if channel.missing is not None:
            values[counts == channel.missing] = np.nan
        texts = _numbers(values)
    else:
        texts = map(str, counts.tolist())
    found: list[str] = np.array([*texts], dtype=object)[places].tolist()
    return found


def _numbers(values: NDArray[np.float64]) -> Iterator[str]:
    finite = np.isfinite(values).tolist()
    return (
        repr(value) if is_finite else NOT_KNOWN
        for value, is_finite in zip(values.tolist(), finite, strict=True)
    )
