"""The numbers of a BIDS table: text without a header, packed with gzip, unpacked a piece at a time."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.bids_sidecar import ChannelNote, Column
from ecgkit.readers.usable import OR_SALVAGE, counted
from ecgkit.records import RawSamples

GZIP = b"\x1f\x8b\x08"
PIECE_BYTES = 1 << 20
LONGEST_LINE_BYTES = 1 << 16
# numbers that a file may hold whatever its size, and for each byte of it: a flat channel packs well, though
# never as well as what was made to fill the memory of whoever opens it
ROOM_NUMBERS, NUMBERS_PER_BYTE = 1 << 25, 20
MISSING = b"n/a"
DAMAGE = (EOFError, OSError, zlib.error)


@dataclass(slots=True)
class Numbers:
    """What was read of a table: each column's raw samples, piece by piece; "" where nothing is lost."""

    pieces: list[list[RawSamples]]
    rows: int = 0
    lost: str = ""
    warnings: list[str] = field(default_factory=list)

    def column(self, at: int) -> RawSamples:
        """Return all samples of a column; the pieces are let go of."""
        pieces, self.pieces[at] = self.pieces[at], []
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def looks_like_table(head: bytes) -> bool:
    """Tell from a file's first bytes whether it is a table of numbers packed with gzip."""
    if not head.startswith(GZIP):
        return False
    try:
        text = zlib.decompressobj(wbits=31).decompress(head, 4096)
    except zlib.error:
        return False
    lines = text.split(b"\n")
    whole = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut
    return any(all(map(_is_number, line.split(b"\t"))) for line in whole)


def _is_number(cell: bytes) -> bool:
    try:
        float(cell.strip() or b"0")
    except ValueError:
        return cell.strip().lower() == MISSING
    return True


def read_numbers(path: Path, columns: Sequence[Column], *, salvage: bool) -> Numbers:
    """Read a table into memory, each column as the type of the channel that it holds.

    Parameters
    ----------
    salvage
        Take the rows before a place where the file is damaged.

    Raises
    ------
    ReadError
        The file is damaged, its rows have not as many numbers as the sidecar has columns, it unpacks to far
        more than its size, or its numbers are not the samples that ecgkit says it wrote.
    """
    kinds = [column.note.dtype if column.note else "float64" for column in columns]
    numbers = Numbers([[np.empty(0, dtype=kind)] for kind in kinds])
    try:
        room = max(ROOM_NUMBERS, NUMBERS_PER_BYTE * path.stat().st_size)
        for lines in _lines(path):
            values = _parsed(path, _without_header(lines, columns, numbers), len(columns), numbers.rows)
            if (numbers.rows + len(values)) * len(columns) > room:
                raise ReadError(
                    f"{path}: {path.stat().st_size} bytes that hold more than {room} numbers; it is made to "
                    "fill the memory. If it is sound, unpack it and read it as text, with --fs"
                )
            for at, column in enumerate(columns):
                numbers.pieces[at].append(_samples(path, column, values[:, at], numbers.rows))
            numbers.rows += len(values)
    except DAMAGE as error:
        said = error.strerror if isinstance(error, OSError) else None  # its text would name the file
        why = " ".join((said or str(error)).split())[:100] or "cut off"
        if not salvage:
            raise ReadError(f"{path}: damaged ({why}); copy it again{OR_SALVAGE}") from error
        numbers.lost = f"the table breaks off after {counted(numbers.rows, 'row')} ({why})"
    return numbers


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the text in pieces of whole lines; where it is damaged, what stands before comes first."""
    rest = b""
    with gzip.open(path) as file:
        while data := file.read1(PIECE_BYTES):
            text = (rest + data).replace(b"\r\n", b"\n")
            end = text.rfind(b"\n") + 1
            rest = text[end:]
            if len(rest) > LONGEST_LINE_BYTES:
                raise ReadError(f"{path}: a line of more than {LONGEST_LINE_BYTES} bytes, expected numbers")
            if end:
                yield text[:end]
    if rest.strip():
        yield rest + b"\n"


def _without_header(lines: bytes, columns: Sequence[Column], numbers: Numbers) -> bytes:
    """Leave out a first line that names the columns, which BIDS does not want there."""
    if numbers.rows or numbers.warnings:
        return lines
    first, _, others = lines.partition(b"\n")
    if first.decode("latin-1").split("\t") != [column.name for column in columns]:
        return lines
    numbers.warnings.append("the table has a line of names, which BIDS does not allow; it is left out")
    return others


def _parsed(path: Path, lines: bytes, width: int, rows: int) -> NDArray[np.float64]:
    """Return the numbers of some lines, (rows, width)."""
    if not lines.strip(b"\n"):
        return np.empty((0, width))
    try:
        if b"\n\n" in lines.rstrip(b"\n"):
            raise ValueError("a line without numbers")
        text = io.StringIO(lines.replace(MISSING, b"nan").decode("ascii"))
        values: NDArray[np.float64] = np.loadtxt(text, delimiter="\t", comments=None, ndmin=2)
    except ValueError as error:
        why = " ".join(str(error).split(";")[0].split())[:150]
        raise ReadError(
            f"{path}: behind row {rows} of the table: {why}; expected rows of numbers, or n/a, with tabs "
            "between. Correct or export it again"
        ) from error
    if values.shape[1] != width:
        raise ReadError(
            f"{path}: rows of {counted(values.shape[1], 'number')}, but its sidecar names "
            f"{counted(width, 'column')}; correct Columns there"
        )
    return values


def _samples(path: Path, column: Column, values: NDArray[np.float64], first: int) -> RawSamples:
    """Return the samples that a stretch of a column holds, as they were recorded."""
    note = column.note
    if note is None:
        return values.copy()  # a view would keep the other columns in memory
    values, behind = np.split(values, [max(0, min(len(values), note.samples - first))])
    with np.errstate(all="ignore"):  # a damaged sidecar may say anything
        raw = _raw(values, note)
        again = _values(raw, note)
    if not np.isnan(behind).all() or not np.array_equal(again, values, equal_nan=True):
        raise ReadError(
            f"{path}: column {column.name!r}: the rows from {first} on are not the samples that its "
            "sidecar says; the table was changed since. Remove EcgkitChannel there to have it read like "
            "any other"
        )
    return raw


def _raw(values: NDArray[np.float64], note: ChannelNote) -> RawSamples:
    if note.dtype.startswith("float"):
        return values.astype(note.dtype)
    counts = values if note.stored == "raw" else np.rint((values - note.offset) / note.scale)
    if note.missing is not None:
        counts = np.where(np.isnan(values), note.missing, counts)
    return counts.astype(note.dtype)


def _values(raw: RawSamples, note: ChannelNote) -> NDArray[np.float64]:
    """Return what stands in the table for raw samples; the same steps as in `Channel.read`."""
    values = raw.astype(np.float64)
    if note.stored == "raw" or raw.dtype.kind == "f":
        return values
    values *= note.scale
    values += note.offset
    if note.missing is not None:
        values[raw == note.missing] = np.nan
    return values
