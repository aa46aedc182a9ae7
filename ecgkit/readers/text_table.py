"""A text's table: found, its rows checked, its columns read."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecgkit.errors import ReadError
from ecgkit.readers.acq_text import export_layout
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.text_clock import is_time
from ecgkit.readers.text_dates import form_of
from ecgkit.readers.text_layout import HEAD_LINES, Layout, cells, find_layout, is_comment
from ecgkit.readers.text_numbers import Column, Rows, check_rows, decoded, read_columns
from ecgkit.readers.usable import OR_SALVAGE, counted

HEAD_BYTES = 1 << 16
MOST_COLUMNS = 1024
MOST_MARKERS = 100_000
# also in the plural
EVENT_NAMES = ("marker", "event", "trigger", "label", "annotation", "comment", "note")
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


def normalised(data: bytes) -> bytes:
    """Return text as UTF-8 or Latin-1 without a mark of its encoding, its lines ended by a line feed."""
    if data[:2] in UTF16:
        data = data.decode("utf-16", errors="replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _layout(path: Path, lines: Sequence[str], n_lines: int) -> Layout | None:
    return export_layout(path, lines, n_lines) or find_layout(lines)


def read_table(path: Path, data: bytes, options: ReadOptions) -> Table:
    """Read the numbers, dates and texts of a table.

    Raises
    ------
    ReadError
        There is none, its rows differ in length, or it is cut off; with `salvage` what stands before is read.
    """
    data, lost = _checked(path, data, options)
    lines = [decoded(line) for line in data[:HEAD_BYTES].split(b"\n", HEAD_LINES)[:HEAD_LINES]]
    if len(data) > HEAD_BYTES and len(lines) > 1:
        lines.pop()
    layout = _layout(path, lines, data.count(b"\n"))
    if layout is None:
        raise ReadError(
            f"{path}: no table of numbers in the first {counted(len(lines), 'line')}; expected rows of "
            "numbers, below a header that may give names, units and the rate"
        )
    if layout.width > MOST_COLUMNS:
        raise ReadError(f"{path}: {layout.width} columns, expected at most {MOST_COLUMNS}; one a channel")
    start = _line_start(data, layout.first_line)
    rows = check_rows(data, start, layout)
    if rows.fault or not rows.count:
        fault = rows.fault or "there are no rows below the header"
        if not options.salvage or not rows.count:
            above = _header_too(lines, layout) if rows.fault else ""
            raise ReadError(f"{path}: {fault}{above}; {SALVAGE}")
        lost += (f"{fault}; from there on all is lost, {counted(len(data) - rows.end, 'byte')}",)
    first = cells(lines[layout.first_line], layout.separator)
    forms = {column: form for column, cell in enumerate(first) if (form := form_of(cell))}
    texts = [column for column, name in enumerate(layout.names) if _names_events(name)]
    columns = read_columns(
        path, data, start, rows, layout, forms=forms, event_columns=texts, most=MOST_MARKERS
    )
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
        lost = (f"{fault}; from there on all is lost, {counted(len(data) - place, 'byte')}",)
        data = data[:place]
    if options.salvage and not data.endswith(b"\n"):
        end = data.rfind(b"\n") + 1
        lost += (f"the last line, {counted(len(data) - end, 'byte')} without a line end: it may be cut off",)
        data = data[:end]
    return data, lost


def _unended(data: bytes, rows: Rows, layout: Layout, columns: Mapping[int, Column]) -> tuple[str, ...]:
    """Take the last number of a last line without an end for missing: 0.16559 may be cut to 0.16."""
    line = decoded(data[data.rfind(b"\n") + 1 :])
    if rows.fault or not line.strip() or is_comment(line):
        return ()
    at = len(cells(line, layout.separator)) - 1
    last = columns.get(at)
    if last is None or last.form or is_time(layout.names[at]):
        return ()
    last.values[-1] = np.nan
    return ("the last line has no line end: its last number may be cut off, and is read as NaN",)


def _header_too(lines: Sequence[str], layout: Layout) -> str:
    """Show the line above the numbers where it has more cells than they."""
    above = lines[layout.first_line - 1].lstrip("#% ") if layout.first_line else ""
    width = len(cells(above, layout.separator))
    return f" (the line above the numbers has {width}: {above[:80]!r})" if width > layout.width else ""


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
        warning = f"{counted(rows.count, 'row')} of samples, the header says {expected}"
        return replace(table, warnings=(*table.warnings, warning))
    fault = f"{counted(rows.count, 'row')} of samples, the header says {expected}"
    if not options.salvage:
        raise ReadError(f"{table.path}: cut off: {fault}; {SALVAGE}")
    return table
