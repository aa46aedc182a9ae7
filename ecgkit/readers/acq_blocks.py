"""Blocks of an `.acq` file: each is checked against the file's size before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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


def require(source: Source, offset: int, length: int, what: str) -> None:
    """Raise a ReadError unless the file holds `length` bytes at `offset`."""
    if length < 0:
        raise ReadError(f"{source.path}: the {what} claims a length of {length} bytes; {DAMAGED}")
    if offset + length > source.size:
        got = max(0, source.size - offset)
        raise ReadError(
            f"{source.path}: cut off in the {what}: expected {length} bytes at {offset}, got {got} "
            f"(the file has {source.size}); copy or save it again"
        )


def read_block(source: Source, kind: Any, offset: int, what: str) -> Any:
    """Read one of bioread's header classes at an offset."""
    block = kind.for_revision(source.revision, source.order, encoding=source.encoding)
    require(source, offset, block.struct_length, what)
    block.unpack_from_file(source.file, offset)
    return block


def end_of(source: Source, offset: int, length: int, what: str, *, at_least: int = 1) -> int:
    """Return where the next block begins, after one that says how long it is."""
    if length < at_least:
        raise ReadError(
            f"{source.path}: the {what} at {offset} claims a length of {length} bytes, "
            f"expected at least {at_least}; {DAMAGED}"
        )
    require(source, offset, length, what)
    return offset + length
