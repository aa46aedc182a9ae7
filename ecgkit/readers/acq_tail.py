"""What lies behind the headers or the samples of an `.acq` file: markers and journal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from bioread import file_revisions
from bioread import headers as bh

from ecgkit.errors import ReadError
from ecgkit.readers.acq_blocks import DAMAGED, Source, end_of, read_block, require
from ecgkit.records import SEGMENT_STYLE

# what AcqKnowledge names a segment's start; before its version 4.4 the style does not tell one
SEGMENT_TEXT = re.compile(r"Segment \d+")


@dataclass(frozen=True, slots=True)
class MarkerItem:
    """A marker as stored; `channel_number` is None for all channels, `created_ms` None where undated."""

    sample: int
    text: str
    style: str
    channel_number: int | None
    created_ms: int | None


@dataclass(slots=True)
class Tail:
    """What lies behind the samples.

    Attributes
    ----------
    end
        Byte at which it ends; None where the walk broke off.
    warnings
        What could not be read, and why.
    lost
        What is therefore missing.
    """

    markers: list[MarkerItem] = field(default_factory=list)
    journal: str | None = None
    end: int | None = None
    warnings: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def read_tail(source: Source, offset: int) -> Tail:
    """Read markers and journal as far as they go; what can't be read becomes a warning."""
    tail = Tail()
    count = None
    try:
        head, count = _marker_header(source, offset)
        offset = _read_markers(source, head, count, tail)
        offset = _skip_marker_colours(source, offset, count)
        tail.end = _read_journal(source, offset, tail)
    except ReadError as error:
        tail.warnings.append(_warning(source, error))
        tail.lost = _lost(tail, count)
    return tail


def _warning(source: Source, error: ReadError) -> str:
    return str(error).removeprefix(f"{source.path}: ")


def _lost(tail: Tail, count: int | None) -> list[str]:
    if count is None:
        return ["the markers and the journal, if there were any"]
    missing = count - len(tail.markers)
    return ([f"{missing} of {count} markers"] if missing else []) + ["the journal, if there was one"]


def _marker_header(source: Source, offset: int) -> tuple[Any, int]:
    """Read the header of the markers; return it and how many there are."""
    head = read_block(source, bh.MarkerHeader, offset, "marker header")
    if head.marker_count < 0:
        raise ReadError(
            f"{source.path}: the marker header at {offset} gives {head.marker_count} markers; {DAMAGED}"
        )
    return head, int(head.marker_count)


def _read_markers(source: Source, head: Any, count: int, tail: Tail) -> int:
    """Add the markers to the tail, one by one; return where they end."""
    # the header counts the section's bytes with itself from revision 61 on, and without itself before
    own = head.struct_length if source.revision < file_revisions.V_400B else 0
    section_end = head.offset + own + head.data["lLength"]
    item = _item_layout(source)
    offset: int = head.offset + head.struct_length
    for index in range(count):
        what = f"marker {index} of {count}"
        require(source, offset, item.size, what)
        source.file.seek(offset)
        values = item.unpack(source.file.read(item.size))
        length = values[-1] + (file_revisions.V_35x <= source.revision < file_revisions.V_400B)
        # a negative length of text would make the walk stand still or go back
        end = end_of(source, offset + item.size, length, f"text of {what}", at_least=0)
        if end > section_end:
            raise ReadError(f"{source.path}: {what} at {offset} lies beyond the markers' section; {DAMAGED}")
        text = source.file.read(length).decode(source.encoding, errors="ignore").strip("\0")
        tail.markers.append(_item(source, values, text))
        offset = end
    return offset


def _item_layout(source: Source) -> Struct:
    """Return a marker's fields; read by hand, since bioread makes a class anew for each of its headers.

    From revision 61: sample, channel, style, date (from 128), length of the text with its NUL. Before:
    sample, length of the text (from 36 without its NUL).
    """
    if source.revision < file_revisions.V_400B:
        selected = "2x" if source.revision >= file_revisions.V_35x else ""
        return Struct(f"{source.order}i{selected}4xh")
    date = "Q" if source.revision >= file_revisions.V_440 else ""
    unknown = "8x" if source.revision >= file_revisions.V_42x else ""
    return Struct(f"{source.order}I4xh4s{date}{unknown}h")


def _item(source: Source, values: tuple[Any, ...], text: str) -> MarkerItem:
    begins = source.revision < file_revisions.V_440 and SEGMENT_TEXT.fullmatch(text)
    if source.revision < file_revisions.V_400B:
        style = SEGMENT_STYLE if begins else ""
        return MarkerItem(values[0], text, style, channel_number=None, created_ms=None)
    sample, channel_number, stored, *created_ms, _ = values
    style = stored.partition(b"\0")[0].decode(source.encoding, errors="ignore")
    return MarkerItem(
        sample,
        text,
        style=SEGMENT_STYLE if begins else style,
        channel_number=None if channel_number == -1 else channel_number,
        created_ms=created_ms[0] if created_ms else None,
    )


def _skip_marker_colours(source: Source, offset: int, count: int) -> int:
    """Step over the colours that revisions 41 to 60 keep behind the markers, if they are there."""
    if not file_revisions.V_381 <= source.revision < file_revisions.V_400B:
        return offset
    source.file.seek(offset)
    if tuple(source.file.read(4)) == bh.JournalHeaderPre4.EXPECTED_TAG_VALUE:
        return offset
    first = read_block(source, bh.MarkerPreItemMetadataHeaderPre4, offset, "marker colours")
    kind = bh.MarkerItemMetadataHeader.for_revision(source.revision, source.order)
    return end_of(source, offset, first.struct_length + count * kind.struct_length, "marker colours")


def _read_journal(source: Source, offset: int, tail: Tail) -> int:
    """Put the journal into the tail; return where its section ends."""
    if source.revision < file_revisions.V_370:
        return offset
    if source.revision < file_revisions.V_400B:
        head = read_block(source, bh.JournalHeader, offset, "journal header")
        if not head.tag_value_matches_expected():
            raise ReadError(f"{source.path}: no journal at {offset}, where it should be; {DAMAGED}")
        tail.journal = _journal_text(source, head, source.size)
        return int(head.offset + head.struct_length + head.journal_len)
    section = read_block(source, bh.JournalLengthHeader, offset, "journal length")
    end = end_of(source, offset, section.journal_len, "journal", at_least=0)
    kind = bh.JournalHeader.for_revision(source.revision, source.order)
    if section.journal_len < kind.struct_length:  # so short a section holds no journal
        return end
    head = read_block(source, bh.JournalHeader, offset + section.struct_length, "journal header")
    try:
        tail.journal = _journal_text(source, head, end)
    except ReadError as error:  # the section's own length still leads to what follows
        tail.warnings.append(_warning(source, error))
        tail.lost.append("the journal")
    return end


def _journal_text(source: Source, head: Any, end: int) -> str:
    start = head.offset + head.struct_length
    if not 0 <= head.journal_len <= end - start:
        raise ReadError(
            f"{source.path}: the journal at {start} claims {head.journal_len} bytes of text, there are "
            f"{end - start}; it is left out"
        )
    source.file.seek(start)
    return source.file.read(head.journal_len).decode(source.encoding, errors="ignore").strip("\0")
