"""Write `.acq` files of format revision 132, for simulated recordings and for tests.

The tables below are read next to the description of the format: each row is (byte, type, value). bioread
reads the files back exactly; AcqKnowledge itself was never tried. The same input gives the same bytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ChannelError, ConfigError
from ecgkit.files import atomic_path
from ecgkit.records import RawSamples

REVISION = 132
MAX_CHANNELS = 16
BYTE_ORDERS = {"little": "<", "big": ">"}
SAMPLE_TYPES = {"float64": (8, 1), "int16": (2, 2)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

GRAPH_BYTES, PADDING_BYTES, CHANNEL_BYTES, FOREIGN_BYTES = 2414, 40, 1828, 8
MARKER_HEADER_BYTES, MARKER_BYTES = 41, 32
JOURNAL_HEADER_BYTES, NO_JOURNAL = 594, 6
COMPRESSION_BYTES, STREAM_BYTES = 58, 60

Field = tuple[int, str, object]


@dataclass(frozen=True, slots=True, eq=False)
class AcqChannel:
    """A channel to be written.

    Attributes
    ----------
    samples
        Raw counts (int16) or values (float64), shape (n,).
    name, unit
        At most 39 and 19 bytes of UTF-8.
    scale, offset
        Value = count * scale + offset; only for int16.
    divider
        The file's base rate over this channel's rate.
    number
        Order number, which markers refer to; its position from 1 if None.
    """

    samples: RawSamples
    name: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    divider: int = 1
    number: int | None = None


@dataclass(frozen=True, slots=True)
class AcqMarker:
    """A marker to be written.

    Attributes
    ----------
    sample
        Position at the base rate.
    style
        At most 4 ASCII characters ("flag", "apnd", "defl").
    channel
        Index of the channel it belongs to, None for all.
    created
        Date with a time zone; stored in whole milliseconds.
    """

    sample: int
    text: str
    style: str = "flag"
    channel: int | None = None
    created: datetime | None = None


def write_acq(
    path: Path,
    channels: Sequence[AcqChannel],
    *,
    fs: float,
    markers: Sequence[AcqMarker] = (),
    journal: str | None = None,
    byte_order: str = "little",
    compressed: bool = False,
) -> None:
    """Write an `.acq` file, atomically.

    Parameters
    ----------
    path
        The file; one that is there is replaced.
    channels
        1 to 16; their lengths may differ.
    fs
        Base rate in Hz; a channel's own is fs / divider.
    byte_order
        "little" or "big".
    compressed
        Store each channel as a zlib stream of its own.

    Raises
    ------
    ChannelError
        A channel does not fit the format; the message says which and why.
    ConfigError
        The rate, a marker, the journal or the byte order does not fit the format.
    """
    if byte_order not in BYTE_ORDERS:
        raise ConfigError(f"byte order {byte_order!r}: expected 'little' or 'big'")
    if not 0 < fs < math.inf or not 0 < 1000 / fs < math.inf:
        raise ConfigError(f"sampling rate {fs} Hz: expected a number above 0")
    if not 1 <= len(channels) <= MAX_CHANNELS:
        raise ChannelError(f"{len(channels)} channels: an .acq file is written with 1 to {MAX_CHANNELS}")
    order = BYTE_ORDERS[byte_order]
    numbers = _order_numbers(channels)
    head = _headers(order, channels, numbers, fs, compressed=compressed)
    tail = _markers(order, markers, numbers) + _journal(order, journal)
    with atomic_path(Path(path)) as part, part.open("wb") as file:
        file.write(head)
        file.write(b"" if compressed else _interleaved(order, channels))
        file.write(tail)
        file.write(_streams(order, channels) if compressed else b"")


def _block(order: str, length: int, fields: Iterable[Field]) -> bytes:
    """Pack fields into a block of zeros."""
    block = bytearray(length)
    for offset, code, value in fields:
        struct.pack_into(order + code, block, offset, value)
    return bytes(block)


def _headers(
    order: str, channels: Sequence[AcqChannel], numbers: Sequence[int], fs: float, *, compressed: bool
) -> bytes:
    graph: list[Field] = [
        (2, "i", REVISION),
        (6, "i", GRAPH_BYTES),
        (10, "h", len(channels)),
        (16, "d", 1000 / fs),  # ms per sample
        (32, "d", 2000.0),  # time scale of the window, ms
        (88, "40s", b"seconds"),
        (128, "10s", b"sec."),
        (972, "i", int(compressed)),
        (2398, "h", 1),  # padding headers
    ]
    heads = [_channel_header(order, *pair) for pair in zip(channels, numbers, strict=True)]
    types = [struct.pack(f"{order}hh", *SAMPLE_TYPES[channel.samples.dtype.name]) for channel in channels]
    return b"".join(
        (
            _block(order, GRAPH_BYTES, graph),
            _block(order, PADDING_BYTES, [(0, "i", PADDING_BYTES)]),
            *heads,
            _block(order, FOREIGN_BYTES, [(0, "i", FOREIGN_BYTES)]),
            *types,
        )
    )


def _channel_header(order: str, channel: AcqChannel, number: int) -> bytes:
    _check_channel(channel)
    header: list[Field] = [
        (0, "i", CHANNEL_BYTES),
        (4, "h", number),
        (6, "40s", _text(channel, "name", 39)),
        (52, "d", 0.0),  # middle of the display, V
        (60, "d", 1.0),  # scale of the display, V
        (68, "20s", _text(channel, "unit", 19)),
        (88, "i", len(channel.samples)),
        (92, "d", channel.scale),
        (100, "d", channel.offset),
        (108, "h", number),  # order number
        (152, "h", channel.divider),
    ]
    return _block(order, CHANNEL_BYTES, header)


def _markers(order: str, markers: Sequence[AcqMarker], numbers: Sequence[int]) -> bytes:
    items = [_marker(order, marker, numbers) for marker in markers]
    header: list[Field] = [
        (0, "i", MARKER_HEADER_BYTES + sum(map(len, items))),
        (4, "i", len(items) + 1),
        (8, "i", 1),
        (18, "5s", b"defl"),
    ]
    return _block(order, MARKER_HEADER_BYTES, header) + b"".join(items)


def _marker(order: str, marker: AcqMarker, numbers: Sequence[int]) -> bytes:
    text = _utf8(marker.text, "marker") + b"\0"
    _check_marker(marker, text, len(numbers))
    milliseconds = 0 if marker.created is None else (marker.created - EPOCH) // timedelta(milliseconds=1)
    item: list[Field] = [
        (0, "I", marker.sample),
        (8, "h", -1 if marker.channel is None else numbers[marker.channel]),
        (10, "4s", marker.style.encode().ljust(4)),
        (14, "Q", milliseconds),
        (30, "h", len(text)),
    ]
    return _block(order, MARKER_BYTES, item) + text


def _journal(order: str, journal: str | None) -> bytes:
    if journal is None:
        return _block(order, NO_JOURNAL, [(0, "i", NO_JOURNAL)])
    text = _utf8(journal, "journal") + b"\0"
    if text.count(b"\0") > 1:
        raise ConfigError("journal: holds a NUL character, which ends a text in this format")
    length = 4 + JOURNAL_HEADER_BYTES + len(text)
    header: list[Field] = [
        (0, "i", length),  # of the section, itself included
        (4 + 262, "i", len(text)),
        (4 + 586, "i", len(text) - 1),
        (4 + 590, "i", len(text)),
    ]
    return _block(order, 4 + JOURNAL_HEADER_BYTES, header) + text


def _interleaved(order: str, channels: Sequence[AcqChannel]) -> bytes:
    """Put all samples in the order of their ticks; within a tick, in the order of the channels."""
    sizes = np.repeat([c.samples.itemsize for c in channels], [len(c.samples) for c in channels])
    ticks = np.concatenate([np.arange(len(c.samples), dtype=np.int64) * c.divider for c in channels])
    by_time = np.argsort(ticks, kind="stable")  # stable keeps the channels' order within a tick
    offsets = np.empty(len(sizes), dtype=np.int64)
    offsets[by_time] = np.cumsum(sizes[by_time]) - sizes[by_time]
    data = np.empty(int(sizes.sum()), dtype=np.uint8)
    first = 0
    for channel in channels:
        starts = offsets[first : first + len(channel.samples), None]  # (samples, 1)
        data[starts + np.arange(channel.samples.itemsize)] = _sample_bytes(order, channel)
        first += len(channel.samples)
    return data.tobytes()


def _sample_bytes(order: str, channel: AcqChannel) -> NDArray[np.uint8]:
    """Return the samples as stored, shape (n, bytes of one)."""
    stored = np.ascontiguousarray(channel.samples, dtype=order + channel.samples.dtype.str[1:])
    return stored.view(np.uint8).reshape(len(stored), channel.samples.itemsize)


def _streams(order: str, channels: Sequence[AcqChannel]) -> bytes:
    """Return the compressed samples, always little-endian, with their headers."""
    parts = [bytes(COMPRESSION_BYTES)]
    for channel in channels:
        name, unit = channel.name.encode() + b"\0", channel.unit.encode() + b"\0"
        raw = _sample_bytes("<", channel).tobytes()
        packed = zlib.compress(raw)
        header: list[Field] = [
            (44, "i", len(name)),
            (48, "i", len(unit)),
            (52, "i", len(raw)),
            (56, "i", len(packed)),
        ]
        parts += [_block(order, STREAM_BYTES, header), name, unit, packed]
    return b"".join(parts)


def _order_numbers(channels: Sequence[AcqChannel]) -> list[int]:
    numbers = [i + 1 if c.number is None else c.number for i, c in enumerate(channels)]
    if len(set(numbers)) < len(numbers) or not all(0 <= number < 1 << 15 for number in numbers):
        raise ChannelError(f"channel numbers {numbers}: expected different numbers from 0 to 32767")
    return numbers


def _check_channel(channel: AcqChannel) -> None:
    samples = channel.samples
    faults = {
        f"samples of type {samples.dtype}, expected int16 or float64": samples.dtype.name not in SAMPLE_TYPES,
        f"samples of shape {samples.shape}, expected (n,)": samples.ndim != 1,
        f"divider {channel.divider}, expected 1 to 32767": not 1 <= channel.divider < 1 << 15,
        f"{samples.nbytes} bytes of samples, expected less than 2 GiB": samples.nbytes >= 1 << 31,
        f"scale {channel.scale} and offset {channel.offset}, expected numbers": not (
            math.isfinite(channel.scale) and math.isfinite(channel.offset)
        ),
    }
    for fault, found in faults.items():
        if found:
            raise ChannelError(f"channel {channel.name!r}: {fault}")


def _text(channel: AcqChannel, what: str, max_bytes: int) -> bytes:
    encoded = _utf8(getattr(channel, what), what)
    if len(encoded) > max_bytes or b"\0" in encoded:
        raise ChannelError(
            f"channel {channel.name!r}: its {what} takes {len(encoded)} bytes of UTF-8, expected at most "
            f"{max_bytes}, none of them NUL"
        )
    return encoded


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{what} {text[:40]!r}: can't be written as UTF-8 ({error.reason})") from error


def _check_marker(marker: AcqMarker, text: bytes, n_channels: int) -> None:
    dated = marker.created is None or (marker.created.tzinfo is not None and marker.created >= EPOCH)
    faults = {
        f"sample {marker.sample}, expected 0 to 4294967295": not 0 <= marker.sample < 1 << 32,
        f"a text of {len(text)} bytes with its end, expected at most 32767": len(text) >= 1 << 15,
        "a NUL character in its text, where a text ends": text.count(b"\0") > 1,
        f"style {marker.style!r}, expected 1 to 4 ASCII characters": not (
            1 <= len(marker.style) <= 4 and marker.style.isascii() and "\0" not in marker.style
        ),
        f"channel {marker.channel}, expected 0 to {n_channels - 1} or None": not (
            marker.channel is None or 0 <= marker.channel < n_channels
        ),
        f"date {marker.created}, expected a time zone and 1970 or later": not dated,
    }
    for fault, found in faults.items():
        if found:
            raise ConfigError(f"marker {marker.text[:40]!r}: {fault}")
