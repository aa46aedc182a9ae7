"""The chunks of an XDF file, walked before pyxdf reads them.

pyxdf allocates what a chunk claims, reads on past a chunk's end, and steps over damage silently. So each
chunk is checked first: its length against the file, its samples against its length, its XML for size and
entities. Layout: XDF 1.0 specification (github.com/sccn/xdf).
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import ParseError, fromstring

from ecgkit.errors import ReadError
from ecgkit.readers.usable import NAME_CHARACTERS, clean_text, is_rate

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, _, STREAM_FOOTER = range(1, 7)
WITH_STREAM = (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER)
LENGTH_CODES = {1: "<B", 4: "<I", 8: "<Q"}
SAMPLE_BYTES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8, "string": 0}
DAMAGED = "the file is damaged; copy or record it again"

MOST_CHANNELS = 1024
MOST_TEXTS = 200_000
MOST_CLOCK_OFFSETS = 100_000
# what a chunk and XML cost in memory is many times their length
FREE_CHUNKS, LEAST_CHUNK_BYTES = 20_000, 64
FREE_XML_BYTES, XML_SHARE = 1 << 20, 10


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What the header of a stream says of its samples."""

    name: str
    n_channels: int
    kind: str
    rate: float


@dataclass(slots=True)
class Walk:
    """What an XDF file holds.

    Attributes
    ----------
    heads
        The streams by their numbers.
    counts
        Samples of each stream.
    closed
        Streams with a footer.
    end
        Byte behind the last good chunk.
    fault
        What is wrong there; "" where the file just ends.
    """

    path: Path
    size: int
    heads: dict[int, StreamHead] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    closed: set[int] = field(default_factory=set)
    end: int = len(MAGIC)
    fault: str = ""
    chunks: int = 0
    xml_bytes: int = 0
    clock_offsets: int = 0


class ChunkError(Exception):
    """Something wrong in a chunk: what, without the file's name."""


def walk(path: Path, file: BinaryIO, size: int) -> Walk:
    """Walk an XDF file's chunks up to its end, or to the first that is wrong.

    Raises
    ------
    ReadError
        It has more chunks, texts or XML than any recording.
    """
    found = Walk(path, size)
    while found.end < size and not found.fault:
        try:
            file.seek(found.end)
            content = _content(file, found.end, size)
            _take(found, content)
        except ChunkError as damage:
            found.fault = f"{damage}, in the chunk at {found.end}"
            break
        found.end = file.tell()
        _limit(found)
    return found


def _limit(found: Walk) -> None:
    texts = sum(found.counts[number] for number, head in found.heads.items() if head.kind == "string")
    for what, value, most in (
        ("chunks", found.chunks, FREE_CHUNKS + found.size // LEAST_CHUNK_BYTES),
        ("bytes of XML", found.xml_bytes, FREE_XML_BYTES + found.size // XML_SHARE),
        ("texts", texts, MOST_TEXTS),
        ("clock offsets", found.clock_offsets, MOST_CLOCK_OFFSETS),
    ):
        if value > most:
            raise ReadError(f"{found.path}: more than {most} {what} up to byte {found.end}; {DAMAGED}")


def _content(file: BinaryIO, offset: int, size: int) -> bytes:
    """Read a chunk: its tag and content."""
    width = file.read(1)[0]
    if width not in LENGTH_CODES:
        raise ChunkError(f"a length of {width} bytes, expected 1, 4 or 8")
    digits = file.read(width)
    length = struct.unpack(LENGTH_CODES[width], digits)[0] if len(digits) == width else 0
    there = size - offset - 1 - width
    if length > there or there < 0:
        raise ChunkError(f"cut off: expected {length or width} bytes, got {max(there, 0)}")
    if length < 2:
        raise ChunkError(f"a length of {length} bytes, expected at least 2")
    return file.read(length)


def _take(found: Walk, content: bytes) -> None:
    """Check a chunk and count what it holds."""
    found.chunks += 1
    tag = struct.unpack("<H", content[:2])[0]
    if tag == FILE_HEADER:
        _xml(found, content[2:])
    if tag not in WITH_STREAM:
        return
    if len(content) < 6:
        raise ChunkError(f"{len(content)} bytes, which hold no stream's number")
    number, body = struct.unpack("<I", content[2:6])[0], content[6:]
    if (tag == STREAM_HEADER) == (number in found.heads):
        raise ChunkError(f"stream {number} begins twice" if number in found.heads else f"no stream {number}")
    if tag == STREAM_HEADER:
        found.heads[number] = _head(found, body)
    elif tag == SAMPLES:
        found.counts[number] += _samples(found.heads[number], body)
    elif tag == CLOCK_OFFSET:
        found.clock_offsets += 1
        if len(body) != 16 or not all(map(math.isfinite, struct.unpack("<dd", body))):
            raise ChunkError("a clock offset that is not two numbers")
    else:
        _xml(found, body)
        found.closed.add(number)


def _xml(found: Walk, text: bytes, *, as_utf8: bool = False) -> dict[str, str]:
    """Return the texts of the elements right below the root, of XML that pyxdf will parse in the same way."""
    found.xml_bytes += len(text)
    if b"<!" in text.replace(b"<!--", b""):
        raise ChunkError("XML with a document type or entities, which XDF does not use")
    try:
        root = fromstring(text.decode("utf-8", "replace") if as_utf8 else text)
    except (ParseError, ValueError, LookupError) as error:
        raise ChunkError(f"XML that can't be read ({error})") from error
    if root.tag != "info":
        raise ChunkError(f"XML that begins with {root.tag!r}, expected 'info'")
    texts: dict[str, str] = {}
    for child in root:  # the first of a name counts, as it does for pyxdf
        texts.setdefault(child.tag, child.text or "")
    return texts


def _head(found: Walk, text: bytes) -> StreamHead:
    texts = _xml(found, text, as_utf8=True)
    name = clean_text(texts.get("name", ""), NAME_CHARACTERS)  # it goes before each of its markers' texts
    try:
        n_channels, rate = int(texts["channel_count"]), float(texts["nominal_srate"])
    except (KeyError, ValueError) as error:
        raise ChunkError(f"stream {name!r} without a number of channels or a rate") from error
    kind = texts.get("channel_format", "")
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise ChunkError(f"stream {name!r} of {n_channels} channels, expected 1 to {MOST_CHANNELS}")
    if rate and not is_rate(rate):
        raise ChunkError(f"stream {name!r} at {rate:g} Hz")
    if kind not in SAMPLE_BYTES:
        raise ChunkError(f"stream {name!r} of type {kind!r}, expected one of {', '.join(SAMPLE_BYTES)}")
    return StreamHead(name, n_channels, kind, rate)


def _samples(head: StreamHead, body: bytes) -> int:
    """Return the number of samples of a chunk, after a walk that ends where the chunk does."""
    count, at = _length(body, 0)
    least = 1 + head.n_channels * (2 if head.kind == "string" else SAMPLE_BYTES[head.kind])
    if count * least > len(body) - at:
        raise ChunkError(f"{count} samples claimed in {len(body) - at} bytes")
    fixed = head.n_channels * SAMPLE_BYTES[head.kind]
    for _ in range(count):
        if at >= len(body):
            raise ChunkError(f"fewer than the {count} samples claimed")
        at += 9 if body[at] else 1  # with or without a time of its own
        at += fixed
        if head.kind == "string":
            for _ in range(head.n_channels):
                length, at = _length(body, at)
                at += length
    if at != len(body):
        raise ChunkError(f"{count} samples of {at} bytes in a chunk of {len(body)}")
    return count


def _length(body: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable width, and where what follows begins."""
    width = body[at] if at < len(body) else 0
    digits = body[at + 1 : at + 1 + width]
    if width not in LENGTH_CODES or len(digits) != width:
        raise ChunkError(f"a length of {width} bytes, expected 1, 4 or 8")
    return struct.unpack(LENGTH_CODES[width], digits)[0], at + 1 + width
