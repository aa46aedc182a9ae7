"""Blocks of an `.acq` file: each is checked against the file's size before it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from bioread import headers as bh

from ecgkit.errors import ReadError

DAMAGED = "the file is damaged or was not written by AcqKnowledge; copy or save it again"


@dataclass(frozen=True, slots=True)
class Source:
    """The open file and what is needed to read any block of it."""

    path: Path
    file: BinaryIO
    size: int
    revision: int
    order: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Heads:
    """What lies before the samples.

    Attributes
    ----------
    fs
        Base rate, Hz.
    compressed
        Whether the samples are zlib streams behind the journal, rather than interleaved at `end`.
    channels
        bioread's channel headers.
    dtypes
        Per channel, as stored ("<i2", ">f8", ...).
    end
        Byte at which the last of them ends.
    """

    fs: float
    compressed: bool
    channels: tuple[Any, ...]
    dtypes: tuple[str, ...]
    end: int


@dataclass(frozen=True, slots=True)
class StreamBlock:
    """Where the compressed samples of a channel lie, as the header before them says."""

    offset: int
    start: int
    n_bytes: int
    raw_bytes: int


def require(source: Source, offset: int, length: int, what: str) -> None:
    """Raise a ReadError unless the file holds `length` bytes at `offset`."""
    if length < 0:
        raise ReadError(f"{source.path}: the {what} at {offset} claims a length of {length} bytes; {DAMAGED}")
    if offset + length > source.size:
        got = max(0, source.size - offset)
        raise ReadError(
            f"{source.path}: cut off in the {what}: expected {length} bytes at {offset}, got {got} "
            f"(the file has {source.size}); copy or save it again"
        )


def read_block(source: Source, kind: Any, offset: int, what: str) -> Any:
    """Read one of bioread's header classes at an offset."""
    block = kind.for_revision(source.revision, source.order, encoding=source.encoding)
    length = _length(kind, source.revision)
    require(source, offset, length, what)
    source.file.seek(offset)
    block.offset = offset
    block.unpack_from_bytes(source.file.read(length))
    return block


@lru_cache(maxsize=256)
def _length(kind: Any, revision: int) -> int:
    """Return the length of a header class; bioread builds a ctypes class each time it is asked."""
    return int(kind.for_revision(revision, "<").struct_length)


def end_of(source: Source, offset: int, length: int, what: str, *, at_least: int = 1) -> int:
    """Return where the next block begins, after one that says how long it is."""
    if length < at_least:
        raise ReadError(
            f"{source.path}: the {what} at {offset} claims a length of {length} bytes, "
            f"expected at least {at_least}; {DAMAGED}"
        )
    require(source, offset, length, what)
    return offset + length


def read_stream_block(source: Source, offset: int, index: int) -> StreamBlock:
    """Read the header before the compressed samples of a channel; the samples may be cut off."""
    what = f"header of the compressed samples of channel {index}"
    block = read_block(source, bh.ChannelCompressionHeader, offset, what)
    start = end_of(source, offset, block.header_only_len_bytes, what, at_least=block.struct_length)
    return StreamBlock(offset, start, block.compressed_data_len, block.uncompressed_data_len)


def stream_start(source: Source, offset: int) -> int:
    """Return where the first channel's compressed samples have their header, behind the main one."""
    main = read_block(source, bh.MainCompressionHeader, offset, "compression header")
    return end_of(source, offset, main.effective_len_bytes, "compression header", at_least=main.struct_length)


def pieces(source: Source, offset: int, *, size: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield the file from `offset` on, (where, bytes), each piece with the first bytes of the next."""
    for start in range(offset, source.size, size):
        source.file.seek(start)
        yield start, source.file.read(size + overlap)
