"""Small XDF files, written chunk by chunk as the published format has them (XDF 1.0 specification)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

FILE_HEADER, STREAM_HEADER, SAMPLES_TAG, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = range(1, 7)
BOUNDARY_ID = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
FORMATS = {"int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4", "double64": "<f8"}


@dataclass
class Stream:
    """A stream to write.

    Attributes
    ----------
    samples
        (samples, channels), or texts.
    times
        Time of each sample, s.
    stamped
        Every how many samples the time is written; the others follow at the nominal rate.
    offsets
        Clock offsets: (time of the measurement, offset), s.
    """

    name: str
    samples: Any
    times: Any
    rate: float = 0.0
    kind: str = "double64"
    labels: Sequence[str] = ()
    units: Sequence[str] = ()
    stamped: int = 10
    chunk: int = 50
    offsets: Sequence[tuple[float, float]] = field(default_factory=tuple)


def length(number: int) -> bytes:
    """Return a length as XDF writes it: the number of its bytes, then these."""
    for size, code, most in ((1, "<B", 1 << 8), (4, "<I", 1 << 32)):
        if number < most:
            return bytes([size]) + struct.pack(code, number)
    return b"\x08" + struct.pack("<Q", number)


def chunk(tag: int, content: bytes, claimed: int | None = None) -> bytes:
    """Return a chunk; `claimed` is what it says its length is, instead of what it is."""
    body = struct.pack("<H", tag) + content
    return length(len(body) if claimed is None else claimed) + body


def header(stream: Stream) -> str:
    """Return the XML that describes a stream."""
    count = 1 if stream.kind == "string" else np.shape(stream.samples)[1]
    pairs = zip([*stream.labels], [*stream.units, *[""] * len(stream.labels)], strict=False)
    channels = "".join(
        f"<channel><label>{escape(label)}</label><unit>{escape(unit)}</unit></channel>"
        for label, unit in pairs
    )
    return (
        f'<?xml version="1.0"?><info><name>{escape(stream.name)}</name><type>X</type>'
        f"<channel_count>{count}</channel_count><nominal_srate>{stream.rate:g}</nominal_srate>"
        f"<channel_format>{stream.kind}</channel_format>"
        f"<desc><channels>{channels}</channels></desc></info>"
    )


def sample_chunks(number: int, stream: Stream) -> list[bytes]:
    """Return the chunks with a stream's samples."""
    parts = []
    for first in range(0, len(stream.times), stream.chunk):
        rows = range(first, min(first + stream.chunk, len(stream.times)))
        body = b""
        for row in rows:
            stamped = row % stream.stamped == 0
            body += b"\x08" + struct.pack("<d", stream.times[row]) if stamped else b"\0"
            if stream.kind == "string":
                text = stream.samples[row].encode()
                body += length(len(text)) + text
            else:
                body += np.asarray(stream.samples[row], FORMATS[stream.kind]).tobytes()
        parts.append(chunk(SAMPLES_TAG, struct.pack("<I", number) + length(len(rows)) + body))
    return parts


def xdf_bytes(*streams: Stream, date: str = "2024-03-05T10:30:00+0100", footers: bool = True) -> bytes:
    """Return an XDF file."""
    parts = [
        b"XDF:",
        chunk(FILE_HEADER, f"<info><version>1.0</version><datetime>{date}</datetime></info>".encode()),
    ]
    for number, stream in enumerate(streams, 1):
        parts.append(chunk(STREAM_HEADER, struct.pack("<I", number) + header(stream).encode()))
    parts.append(chunk(BOUNDARY, BOUNDARY_ID))
    for number, stream in enumerate(streams, 1):
        parts += [
            chunk(CLOCK_OFFSET, struct.pack("<Idd", number, time, offset)) for time, offset in stream.offsets
        ]
        parts += sample_chunks(number, stream)
    for number, stream in enumerate(streams, 1):
        footer = f"<info><sample_count>{len(stream.times)}</sample_count></info>"
        parts += [chunk(STREAM_FOOTER, struct.pack("<I", number) + footer.encode())] if footers else []
    return b"".join(parts)


def ecg(kind: str = "double64", n_samples: int = 300, rate: float = 250.0, start_s: float = 100.0) -> Stream:
    """Return a stream of two channels of random samples."""
    random = np.random.default_rng(4)
    samples = random.normal(size=(n_samples, 2)) * 100
    return Stream(
        name="ECG",
        samples=samples.astype(FORMATS[kind]),
        times=start_s + np.arange(n_samples) / rate,
        rate=rate,
        kind=kind,
        labels=("Lead I", "Lead II"),
        units=("microvolts", "microvolts"),
    )


def markers(texts: Sequence[str] = ("rest", "exercise"), times: Sequence[float] = (100.1, 100.8)) -> Stream:
    """Return a stream of texts."""
    return Stream("Markers", list(texts), list(times), kind="string", stamped=1)


def _build(folder: Path, *, name: str, streams: Callable[[], Sequence[Stream]]) -> Path:
    path = folder / f"{name}.xdf"
    path.write_bytes(xdf_bytes(*streams()))
    return path


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "double": partial(_build, name="double", streams=lambda: [ecg()]),
    "int16_markers": partial(_build, name="int16_markers", streams=lambda: [ecg("int16"), markers()]),
    "float_two_rates": partial(
        _build,
        name="float_two_rates",
        streams=lambda: [ecg("float32"), ecg("int32", 60, 50.0, 100.4), markers()],
    ),
}
