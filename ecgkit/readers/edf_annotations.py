"""The annotations of EDF+ and BDF+ files, as markers; and the gaps between their data records.

https://www.edfplus.info/specs/edfplus.html, 2.2. Each data record begins with its own time, which tells gaps:
edfio gives neither these times nor the annotations of a file where a single one is damaged.
"""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ecgkit.readers.edf_records import BLOCK_BYTES, Layout
from ecgkit.readers.foreign import parsing
from ecgkit.records import SEGMENT_STYLE, Marker

# ONSET[\x15DURATION]\x14TEXT\x14...TEXT\x14, ended by a zero
ANNOTATION_LIST = re.compile(
    rb"(?P<onset>[+-]\d{1,12}(?:\.\d{0,30})?)(?:\x15[\d.]{1,40})?\x14(?:(?P<texts>.*)\x14)?", re.DOTALL
)
ROUNDED_TO_S = 0.002  # more than what onsets written to the millisecond are off


@dataclass(slots=True)
class Annotations:
    """What the annotation signals say.

    Attributes
    ----------
    records_s
        When each data record begins, NaN where it can't be read.
    texts
        When, and what; in the order of the file.
    unread
        How many lists of annotations can't be read.
    """

    records_s: list[float] = field(default_factory=list)
    texts: list[tuple[float, str]] = field(default_factory=list)
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Data records without a gap between them: when the first begins, and where among the samples."""

    onset_s: float
    start_s: float


def read_annotations(layout: Layout) -> Annotations:
    """Read the annotation signals of all data records, and of these nothing else."""
    found = Annotations()
    ends = [layout.sample_bytes * n for n in itertools.accumulate(layout.counts, initial=0)]
    spans = [(ends[signal], ends[signal + 1]) for signal in layout.annotation_signals]
    with parsing(layout.path, "annotations"):
        for record in _records(layout) if spans else ():
            for start, stop in spans:
                lists = _lists(record[start:stop], whole=len(record) >= stop)
                found.unread += lists.count(None)
                if start == spans[0][0]:  # it begins with the data record's time, which has no text
                    first = lists[0] if lists else None
                    found.records_s.append(first[0] if first else math.nan)
                    lists[:1] = [(first[0], first[1][1:])] if first else []
                found.texts += [(onset, text) for onset, texts in filter(None, lists) for text in texts]
    return found


def _records(layout: Layout) -> Iterator[bytes]:
    """Yield the data records one by one, the last one perhaps incomplete."""
    size = layout.record_bytes
    at_once = size * max(1, BLOCK_BYTES // size)
    with layout.path.open("rb") as file:
        for begin in range(len(layout.header), layout.end, at_once):
            file.seek(begin)
            block = file.read(min(at_once, layout.end - begin))
            yield from (block[at : at + size] for at in range(0, len(block), size))


def _lists(content: bytes, *, whole: bool) -> list[tuple[float, list[str]] | None]:
    """Return a signal's lists of annotations in a data record; None for one that can't be read."""
    if not content.strip(b"\0"):
        return []
    parts = content.split(b"\0")
    if not whole:
        parts.pop()  # what no zero ends
    return [_list(part) for part in parts if part]


def _list(part: bytes) -> tuple[float, list[str]] | None:
    match = ANNOTATION_LIST.fullmatch(part)
    if match is None:
        return None
    texts = match["texts"]
    return float(match["onset"]), [] if texts is None else texts.decode(errors="replace").split("\x14")


def find_segments(records_s: Sequence[float], *, duration_s: float, fs: float) -> list[Segment]:
    """Find the data records that don't begin where the one before ends, more than a sample off.

    Parameters
    ----------
    records_s
        When each data record begins, NaN where it is not known.
    duration_s
        Length of a data record.
    fs
        Highest rate of the signals, Hz.
    """
    expected = records_s[0] if records_s and not math.isnan(records_s[0]) else 0.0
    segments = [Segment(expected, 0.0)]
    for record, said in enumerate(records_s):
        onset = expected if math.isnan(said) else said
        if abs(onset - expected) > max(1 / fs, ROUNDED_TO_S):
            segments.append(Segment(onset, record * duration_s))
        expected = onset + duration_s
    return segments


def place(texts: Sequence[tuple[float, str]], segments: Sequence[Segment], *, fs: float) -> list[Marker]:
    """Return the annotations and the gaps as markers, placed among the samples that were recorded.

    Parameters
    ----------
    texts
        When, in seconds as the segments count them, and what.
    segments
        As `find_segments` has them.
    fs
        The rate that the markers count in, Hz.
    """
    limits = [*(segment.start_s for segment in segments[1:]), math.inf]
    # a clock that was set back lets a later segment begin earlier
    known = sorted((s.onset_s, s.start_s, limit) for s, limit in zip(segments, limits, strict=True))
    onsets = [onset for onset, _, _ in known]
    markers = list(_gaps(segments, fs))
    for onset, text in texts:
        begin, start_s, limit_s = known[max(0, bisect.bisect_right(onsets, onset) - 1)]
        time_s = min(start_s + onset - begin, limit_s)
        sample = round(time_s * fs)
        markers.append(Marker(sample, sample / fs, text, style="edf"))
    return sorted(markers, key=lambda marker: marker.sample)


def _gaps(segments: Sequence[Segment], fs: float) -> Iterator[Marker]:
    for before, after in itertools.pairwise(segments):
        gap_s = after.onset_s - before.onset_s - (after.start_s - before.start_s)
        sample = round(after.start_s * fs)
        yield Marker(sample, sample / fs, f"gap of {gap_s:.6g} s", style=SEGMENT_STYLE)
