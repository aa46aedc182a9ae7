"""Tables of numbers as text: CSV, TSV, columns between spaces, and AcqKnowledge's and OpenSignals' exports.

Text can't be read in part: the numbers are held in memory. Separator, decimal sign, header and encoding are
told from the text (`text_layout`, `acq_text`); the rate comes from a column of times, from the header, or
from the user (`text_clock`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.acq_text import is_export, own_rate
from ecgkit.readers.held import held
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.text_clock import (
    SECONDS,
    Clock,
    agreed,
    is_counter,
    is_time,
    looks_like_time,
    uniform,
    unit_seconds,
)
from ecgkit.readers.text_dates import Form, start_of
from ecgkit.readers.text_layout import find_layout, is_comment
from ecgkit.readers.text_table import MOST_MARKERS, UTF16, Table, normalised, read_table
from ecgkit.readers.usable import counted, lost_samples
from ecgkit.records import SEGMENT_STYLE, Channel, Marker, Recording

TAKES = ("fs", "columns", "unit")
LONG_LINES_BYTES, MANY_CELLS = 4000, 100
MOST_NAMED = 8  # columns, in warnings
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a")


def is_text(head: bytes) -> bool:
    """Tell from the first bytes whether a file is text; NUL bytes at the end are what a crash leaves."""
    return head[:2] in UTF16 or not CONTROLS.intersection(head.rstrip(b"\0"))


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is text that holds a table of numbers."""
    if not is_text(head):
        return False
    head = head if head[:2] in UTF16 else head.rstrip(b"\0")
    lines = normalised(head).decode("latin-1").split("\n")
    if len(lines) > 3:
        lines.pop()
        return all(map(is_comment, lines)) or is_export(lines) or find_layout(lines) is not None
    # lines too long for the head tell by their separators
    long = len(head) >= LONG_LINES_BYTES and any(head.count(sign) > MANY_CELLS for sign in b",;\t")
    return long or find_layout(lines) is not None


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a table of numbers.

    Each column of numbers is a channel, save those of times, which give the rate, and counters of the rows.
    Cells that hold no number are NaN. Pauses in the times start a new segment. Texts in a column named
    marker, event, trigger, label, annotation, comment or note become markers.

    Raises
    ------
    ReadError
        There is no table, its rows differ in length, its rate is stated nowhere or twice differently, or a
        column asked for is not there.
    """
    try:
        data = normalised(path.read_bytes())
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error
    table = read_table(path, data, options)
    columns = _chosen(table, options)
    clock, start, others = _clock(table, columns, options)
    return _recording(table, columns, clock, options, start=start, others=others)


def _chosen(table: Table, options: ReadOptions) -> list[int]:
    """Return the columns asked for, by name or position; all without any."""
    if not options.columns:
        return list(table.columns)
    chosen = []
    for asked in options.columns:
        names = {
            column: (name, f"{name} ({unit})", f"{name} [{unit}]", f"{name}_{unit}")
            for column, name, unit in _named(table)
        }
        found = [column for column in table.columns if asked in names[column]]
        found = found or [column for column in table.columns if asked == str(column)]
        if len(found) != 1:
            fault = f"no column {asked!r}" if not found else f"{len(found)} columns {asked!r}: give positions"
            raise ReadError(f"{table.path}: {fault}; there are {table.listed()}")
        if found[0] in chosen:
            raise ReadError(f"{table.path}: column {table.shown(found[0])} is named twice in --columns")
        chosen += found
    return chosen


def _named(table: Table) -> list[tuple[int, str, str]]:
    return [(column, table.layout.names[column], table.layout.units[column]) for column in table.columns]


def _clock(
    table: Table, chosen: Sequence[int], options: ReadOptions
) -> tuple[Clock, datetime | None, set[int]]:
    """Return the rate, the start, and the columns that hold times or count rows, which are no channels."""
    times = _times(table)
    # a user who gives the rate and names columns without the times overrules them, and the header
    overruled = options.fs is not None and options.columns and not set(times).intersection(chosen)
    usable = [column for column in times if table.columns[column].missing < table.rows]
    timed = _timed(table, usable[0], options) if usable and not overruled else None
    clock = agreed(table.path, options.fs, None if overruled else table.layout.stated, timed)
    if clock is None:
        raise ReadError(f"{table.path}: {_no_rate(table)}; give it with --fs HZ. Columns: {table.listed()}")
    dated = [column for column in usable if table.columns[column].form is not None]
    starts = (_started(table, column) for column in [*(usable[:1] if timed else ()), *dated])
    start = next((start for start in starts if start is not None), None)
    counters = {
        column
        for column, item in table.columns.items()
        if column not in times
        and (table.layout.names[column] or column == min(table.columns))
        and is_counter(table.layout.names[column], item.values)
    }
    return clock, start, {*times, *(counters - set(chosen if options.columns else ()))}


def _times(table: Table) -> list[int]:
    """Return the columns of times, those of numbers first; dates often have whole seconds only."""
    layout, first = table.layout, min(table.columns)
    times = [
        column
        for column, item in table.columns.items()
        if is_time(layout.names[column]) or item.form not in (None, Form.UNREAD)
    ]
    if not times and len(table.columns) > 1 and layout.units[first].lower() in ("", *SECONDS):
        times = [first] if looks_like_time(table.columns[first].values) else []
    return sorted(times, key=lambda column: table.columns[column].form is not None)


def _no_rate(table: Table) -> str:
    unread = [column for column, item in table.columns.items() if item.form is Form.UNREAD]
    if unread:
        return (
            f"column {table.shown(unread[0])} holds dates in a form that ecgkit does not read, expected one "
            "such as 2024-03-01T12:00:00.001 or 12:00:00.001, and no header states the sampling rate"
        )
    return "neither a header nor a column of times states the sampling rate"


def _started(table: Table, column: int) -> datetime | None:
    item = table.columns[column]
    seconds = _seconds(table, column)
    return start_of(float(item.values[0]) * (seconds or math.nan), item.form)


def _seconds(table: Table, column: int) -> float | None:
    """Return the seconds in a unit of a column of times; None where it can't be told."""
    item, layout = table.columns[column], table.layout
    if item.form is not None:
        return 1.0
    return unit_seconds(table.path, layout.names[column], layout.units[column], item.values)


def _timed(table: Table, column: int, options: ReadOptions) -> Clock | None:
    """Return the rate that a column of times gives; None where it has no unit and the rate is known."""
    name, values = table.layout.names[column], table.columns[column].values
    seconds = _seconds(table, column)
    if seconds is None:
        if options.fs is not None or table.layout.stated is not None:
            return None
        step = np.median(np.diff(values)) if len(values) > 1 else np.nan
        raise ReadError(
            f"{table.path}: the column {table.shown(column)} rises by {step:g} from row to row and states no "
            "unit of time; name it in the header, as in 'time (ms)', or give the rate with --fs HZ"
        )
    with np.errstate(over="ignore"):
        time_s = values * seconds
    shown = name or f"column {column}"
    return uniform(table.path, shown, time_s, first_line=table.layout.first_line + 1)


def _recording(
    table: Table,
    columns: Sequence[int],
    clock: Clock,
    options: ReadOptions,
    *,
    start: datetime | None,
    others: set[int],
) -> Recording:
    markers, warnings = _markers(table, clock)
    channels: list[Channel] = []
    lost = list(table.lost)
    missing: dict[str, int] = {}
    for column in columns:
        item = table.columns[column]
        if item.missing == table.rows and not item.events:
            what = "dates in a form that ecgkit does not read," if item.form else "no numbers"
            warnings.append(f"column {table.shown(column)} holds {what} and is left out")
        if item.missing == table.rows or item.events or column in others:
            continue
        samples, divider = _samples(table, column)
        missing[table.shown(column)] = int(np.isnan(samples).sum())
        channel = _channel(table, len(channels), column, samples, clock.fs / divider, options)
        lost += _cut_off(table, channel)
        channels.append(channel)
    if not channels:
        raise ReadError(f"{table.path}: no column of numbers is left; there are {table.listed()}")
    if options.unit and all(table.layout.units[channel.number] for channel in channels):
        raise ReadError(f"{table.path}: its header gives every column's unit; leave out --unit")
    shown = [table.shown(column) for column in columns if column in others]
    left_out = ", ".join(name for name in shown if clock.source != f"column {name}")
    return Recording(
        path=table.path,
        format="text",
        version=table.layout.version,
        fs=clock.fs,
        channels=tuple(channels),
        markers=markers,
        warnings=(*table.warnings, *warnings, *_missing(missing, table.rows)),
        lost=tuple(lost),
        start_time=start,
        details=(("rate from", clock.source), *([("left out", left_out)] if left_out else [])),
    )


def _cut_off(table: Table, channel: Channel) -> list[str]:
    """Say what a channel has lost of the samples that the header counts."""
    expected = table.layout.counts[channel.number] if table.layout.counts else 0
    if channel.n_samples >= expected:
        return []
    return [
        lost_samples(channel.index, channel.name, got=channel.n_samples, expected=expected, fs=channel.fs)
    ]


def _missing(missing: Mapping[str, int], n_rows: int) -> list[str]:
    """Say how many cells of which columns hold no number; of many columns together."""
    found = {column: count for column, count in missing.items() if count}
    if len(found) > MOST_NAMED:
        return [f"{sum(found.values())} cells of {len(found)} columns hold no number and are read as NaN"]
    return [
        f"{count} of {counted(n_rows, 'cell')} of column {column} "
        f"{'holds no number and is' if count == 1 else 'hold no number and are'} read as NaN"
        for column, count in found.items()
    ]


def _samples(table: Table, column: int) -> tuple[NDArray[np.float64], int]:
    """Return a channel's samples and the divider of its rate."""
    values, counts = table.columns[column].values, table.layout.counts
    if counts:
        values = values[: max(counts)]
        return own_rate(values, counts[column], max(counts))
    filled = np.flatnonzero(~np.isnan(values))
    divider = int(filled[1]) if len(filled) > 2 else 1
    # as bioread's acq2txt writes a channel of a lower rate: a cell in every n-th row, the others empty
    if (
        divider > 1
        and filled[-1] > len(values) - 2 * divider
        and np.array_equal(filled, np.arange(len(filled)) * divider)
    ):
        return values[filled], divider
    return values, 1


def _channel(
    table: Table, index: int, column: int, samples: NDArray[np.float64], fs: float, options: ReadOptions
) -> Channel:
    return Channel(
        index=index,
        number=column,
        name=table.layout.names[column] or f"column {column}",
        unit=table.layout.units[column] or options.unit or "",
        fs=fs,
        n_samples=len(samples),
        dtype=np.dtype(np.float64),
        scale=1.0,
        offset=0.0,
        sample_reader=held(samples),
    )


def _markers(table: Table, clock: Clock) -> tuple[tuple[Marker, ...], list[str]]:
    """Return the texts of columns of events, and the segments that pauses in the times begin."""
    events = sorted(event for item in table.columns.values() for event in item.events)
    markers = [Marker(row, row / clock.fs, text) for row, text in events]
    starts = [(row, f"Segment {number}") for number, (row, _) in enumerate(clock.gaps, 2)]
    markers += [Marker(row, row / clock.fs, text, SEGMENT_STYLE) for row, text in starts]
    warnings = []
    if clock.gaps:
        longest = max(gap for _, gap in clock.gaps)
        pauses = f"the times pause at {len(clock.gaps)} {'places' if len(clock.gaps) > 1 else 'place'}"
        warnings.append(f"{pauses}, for up to {longest:g} s; a segment begins after each")
    if any(len(item.events) == MOST_MARKERS for item in table.columns.values()):
        warnings.append(f"only the first {MOST_MARKERS} texts of a column are taken for markers")
    return tuple(sorted(markers, key=lambda marker: marker.sample)), warnings
