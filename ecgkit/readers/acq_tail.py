"""What lies behind the headers or the samples of an `.acq` file: markers and journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bioread import file_revisions
from bioread import headers as bh

from ecgkit.errors import ReadError
from ecgkit.readers.acq_blocks import DAMAGED, Source, end_of, read_block


@dataclass(slots=True)
class Tail:
    """What lies behind the samples; `end` is None where the walk broke off."""

    markers: list[tuple[Any, str]] = field(default_factory=list)
    journal: str | None = None
    end: int | None = None
    warnings: list[str] = field(default_factory=list)


def read_tail(source: Source, offset: int) -> Tail:
    """Read markers and journal as far as they go; what can't be read becomes a warning."""
    tail = Tail()
    try:
        offset = _read_markers(source, offset, tail)
        offset = _skip_marker_colours(source, offset, len(tail.markers))
        tail.end = _read_journal(source, offset, tail)
    except ReadError as error:
        tail.warnings.append(_warning(source, error))
    return tail


def _warning(source: Source, error: ReadError) -> str:
    return str(error).removeprefix(f"{source.path}: ")


def _read_markers(source: Source, offset: int, tail: Tail) -> int:
    """Add the markers to the tail, one by one; return where they end."""
    head = read_block(source, bh.MarkerHeader, offset, "marker header")
    if head.marker_count < 0:
        raise ReadError(f"{source.path}: the marker header gives {head.marker_count} markers; {DAMAGED}")
    # the header counts the section's bytes with itself from revision 61 on, and without itself before
    own = head.struct_length if source.revision < file_revisions.V_400B else 0
    section_end = offset + own + head.data["lLength"]
    offset += head.struct_length
    for index in range(head.marker_count):
        what = f"marker {index} of {head.marker_count}"
        item = read_block(source, bh.MarkerItemHeader, offset, what)
        # a negative length of text would make the walk stand still or go back
        text_start = offset + item.struct_length
        offset = end_of(source, text_start, item.text_length, f"text of {what}", at_least=0)
        if offset > section_end:
            raise ReadError(f"{source.path}: {what} lies beyond the markers' section; {DAMAGED}")
        source.file.seek(text_start)
        text = source.file.read(item.text_length).decode(source.encoding, errors="ignore")
        tail.markers.append((item, text.strip("\0")))
    return offset


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
    return end


def _journal_text(source: Source, head: Any, end: int) -> str:
    start = head.offset + head.struct_length
    if not 0 <= head.journal_len <= end - start:
        raise ReadError(
            f"{source.path}: the journal claims {head.journal_len} bytes of text, there are {end - start}; "
            "it is left out"
        )
    source.file.seek(start)
    return source.file.read(head.journal_len).decode(source.encoding, errors="ignore").strip("\0")
