"""Tables of numbers as text: CSV, TSV, columns between spaces, and AcqKnowledge's and OpenSignals' exports.

Text can't be read in part: the numbers are held in memory. Separator, decimal sign, header and encoding are
told from the text (`text_layout`, `acq_text`); the rate comes from a column of times, from the header, or
from the user (`text_clock`).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.acq_text import export_layout, is_export, own_rate
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
from ecgkit.readers.text_layout import HEAD_LINES, Layout, find_layout, is_comment
from ecgkit.readers.text_numbers import Column, Rows, check_rows, decoded, read_columns
from ecgkit.readers.usable import OR_SALVAGE, lost_samples
from ecgkit.records import SEGMENT_STYLE, Channel, Marker, Recording

TAKES = ("fs", "columns", "unit")
HEAD_BYTES = 1 << 16
MOST_COLUMNS = 1024
LONG_LINES_BYTES, MANY_CELLS = 4000, 100
MOST_MARKERS = 100_000
MOST_NAMED = 8  # columns, in warnings
# also in the plural
EVENT_NAMES = ("marker", "event", "trigger", "label", "annotation", "comment")
CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SALVAGE = f"correct or export it again{OR_SALVAGE}"


@dataclass(frozen=True, slots=True)
class Table:
    """What was read: the columns by position, and what was wrong with the text."""

    path: Path
    layout: Layout
    columns: Mapping[int, Column]
    warnings: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())).values)

    def shown(self, column: int) -> str:
        """Return a column as messages name it."""
        return repr(self.layout.names[column] or f"column {column}")

    def listed(self) -> str:
        """Return all columns as messages list them."""
        return ", ".join(f"{column} {self.shown(column)}" for column in self.columns)


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is text that holds a table of numbers."""
    if head[:2] not in UTF16:
        head = head.rstrip(b"\0")  # what a crash leaves at the end
        if CONTROLS.intersection(head):
            return False
    lines = _normalised(head).decode("latin-1").split("\n")
    if len(lines) > 3:
        lines.pop()
        return all(map(is_comment, lines)) or is_export(lines) or find_layout(lines) is not None
    # lines too long for the head tell by their separators
    long = len(head) >= LONG_LINES_BYTES and any(head.count(sign) > MANY_CELLS for sign in b",;\t")
    return long or find_layout(lines) is not None


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a table of numbers.

    Each column of numbers is a channel, save that of the times, which gives the rate. Cells that hold no
    number are NaN. Pauses in the times start a new segment. Texts in a column named marker, event, trigger,
    label, annotation or comment become markers.

    Raises
    ------
    ReadError
        There is no table, its rows differ in length, its rate is stated nowhere or twice differently, or a
        column asked for is not there.
    """
    try:
        data = _normalised(path.read_bytes())
    except OSError as error:
        raise ReadError(f"{path}: can't be read ({error.strerror or error})") from error
    table = _table(path, data, options)
    columns = _chosen(table, options)
    clock, timed = _clock(table, columns, options)
    return _recording(table, [column for column in columns if column not in timed], clock, options)


def _normalised(data: bytes) -> bytes:
    """Return text as UTF-8 or Latin-1 without a mark of its encoding, its lines ended by a line feed."""
    if data[:2] in UTF16:
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _layout(path: Path, lines: Sequence[str], n_lines: int) -> Layout | None:
    return export_layout(path, lines, n_lines) or find_layout(lines)


def _table(path: Path, data: bytes, options: ReadOptions) -> Table:
    data, lost = _checked(path, data, options)
    lines = [decoded(line) for line in data[:HEAD_BYTES].split(b"\n", HEAD_LINES)[:HEAD_LINES]]
    if len(data) > HEAD_BYTES and len(lines) > 1:
        lines.pop()
    layout = _layout(path, lines, data.count(b"\n"))
    if layout is None:
        raise ReadError(
            f"{path}: no table of numbers in the first {len(lines)} lines; expected rows of numbers, below "
            "a header that may give names, units and the rate"
        )
    if layout.width > MOST_COLUMNS:
        raise ReadError(f"{path}: {layout.width} columns, expected at most {MOST_COLUMNS}; one a channel")
    start = _line_start(data, layout.first_line)
    rows = check_rows(data, start, layout)
    if rows.fault or not rows.count:
        fault = rows.fault or "there are no rows below the header"
        if not options.salvage or not rows.count:
            raise ReadError(f"{path}: {fault}; {SALVAGE}")
        lost += (f"{fault}; from there on all is lost, {len(data) - rows.end} bytes",)
    texts = [column for column, name in enumerate(layout.names) if _names_events(name)]
    columns = read_columns(path, data, start, rows, layout, event_columns=texts, most=MOST_MARKERS)
    table = Table(path, layout, columns, _unended(data, rows, layout, columns), lost)
    return _counted(table, rows, options) if layout.counts else table


def _checked(path: Path, data: bytes, options: ReadOptions) -> tuple[bytes, tuple[str, ...]]:
    """Refuse bytes that are no text; with `salvage`, take the whole lines before them."""
    lost: tuple[str, ...] = ()
    place = data.find(b"\0")
    if place >= 0:
        fault = f"a NUL byte at {place}, which no text holds (a crash leaves such)"
        if not options.salvage:
            raise ReadError(f"{path}: {fault}; {SALVAGE}")
        lost = (f"{fault}; from there on all is lost, {len(data) - place} bytes",)
        data = data[:place]
    if options.salvage and not data.endswith(b"\n"):
        end = data.rfind(b"\n") + 1
        lost += (f"the last line, {len(data) - end} bytes without a line end: it may be cut off",)
        data = data[:end]
    return data, lost


def _unended(data: bytes, rows: Rows, layout: Layout, columns: Mapping[int, Column]) -> tuple[str, ...]:
    """Take the last number of a last line without an end for missing: 0.16559 may be cut to 0.16."""
    line = decoded(data[data.rfind(b"\n") + 1 :])
    last = columns.get(layout.width - 1)
    if rows.fault or last is None or not line.strip() or is_comment(line) or is_time(layout.names[-1]):
        return ()
    last.values[-1] = np.nan
    return ("the last line has no line end: its last number may be cut off, and is read as NaN",)


def _names_events(name: str) -> bool:
    return name.strip().lower().removesuffix("s") in EVENT_NAMES


def _line_start(data: bytes, line: int) -> int:
    start = 0
    for _ in range(line):
        start = data.find(b"\n", start) + 1
    return start


def _counted(table: Table, rows: Rows, options: ReadOptions) -> Table:
    """Compare the rows with the number of samples that the header gives."""
    expected = max(table.layout.counts)
    if rows.count == expected:
        return table
    if rows.count > expected:
        warning = f"{rows.count} rows of samples, the header says {expected}"
        return replace(table, warnings=(*table.warnings, warning))
    fault = f"{rows.count} rows of samples, the header says {expected}"
    if not options.salvage:
        raise ReadError(f"{table.path}: cut off: {fault}; {SALVAGE}")
    return table


def _chosen(table: Table, options: ReadOptions) -> list[int]:
    """Return the columns asked for, by name or position; all without any."""
    if not options.columns:
        return list(table.columns)
    chosen = []
    for asked in options.columns:
        names = {
            column: (name, f"{name} ({unit})", f"{name} [{unit}]") for column, name, unit in _named(table)
        }
        found = [column for column in table.columns if asked in names[column]]
        found = found or [column for column in table.columns if asked == str(column)]
        if len(found) != 1:
            fault = f"no column {asked!r}" if not found else f"{len(found)} columns {asked!r}: give positions"
            raise ReadError(f"{table.path}: {fault}; there are {table.listed()}")
        chosen += found
    return chosen


def _named(table: Table) -> list[tuple[int, str, str]]:
    return [(column, table.layout.names[column], table.layout.units[column]) for column in table.columns]


def _clock(table: Table, chosen: Sequence[int], options: ReadOptions) -> tuple[Clock, set[int]]:
    """Return the rate, and the columns that hold times or count rows, which are no channels."""
    layout, first = table.layout, min(table.columns)
    times = {column for column in table.columns if is_time(layout.names[column])}
    if not times and len(table.columns) > 1 and layout.units[first].lower() in ("", *SECONDS):
        times |= {first} if looks_like_time(table.columns[first].values) else set()
    counters = {
        column
        for column, item in table.columns.items()
        if column not in times
        and (layout.names[column] or column == first)
        and is_counter(layout.names[column], item.values)
    }
    # a user who gives the rate and names columns without the times overrules these
    overruled = options.fs is not None and options.columns and not times.intersection(chosen)
    usable = [
        column for column in sorted(times) if not overruled and table.columns[column].missing < table.rows
    ]
    timed = _timed(table, usable[0], options) if usable else None
    clock = agreed(table.path, options.fs, layout.stated, timed)
    if clock is None:
        raise ReadError(
            f"{table.path}: neither a header nor a column of times states the sampling rate; give it with "
            f"--fs HZ. Columns: {table.listed()}"
        )
    return clock, times | (counters - set(chosen if options.columns else ()))


def _timed(table: Table, column: int, options: ReadOptions) -> Clock | None:
    """Return the rate that a column of times gives; None where it has no unit and the rate is known."""
    name, values = table.layout.names[column], table.columns[column].values
    seconds = unit_seconds(table.path, name, table.layout.units[column], values)
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


def _recording(table: Table, columns: Sequence[int], clock: Clock, options: ReadOptions) -> Recording:
    markers, warnings = _markers(table, clock)
    channels: list[Channel] = []
    lost = list(table.lost)
    missing: dict[str, int] = {}
    for column in columns:
        item = table.columns[column]
        if item.missing == table.rows and not item.events:
            warnings.append(f"column {table.shown(column)} holds no numbers and is left out")
        if item.missing == table.rows or item.events:
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
    return Recording(
        path=table.path,
        format="text",
        version=table.layout.version,
        fs=clock.fs,
        channels=tuple(channels),
        markers=markers,
        warnings=(*table.warnings, *warnings, *_missing(missing, table.rows)),
        lost=tuple(lost),
        details=(("rate from", clock.source),),
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
        f"{count} of {n_rows} cells of column {column} hold no number and are read as NaN"
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
