"""The numbers of a table: rows checked, then read by pandas' C parser, exactly and within bounds."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ReadError
from ecgkit.readers.foreign import parsing
from ecgkit.readers.text_dates import Form, across_midnight, seconds_of
from ecgkit.readers.text_layout import COMMENT_SIGNS, GROUPED, MISSING_WORDS, SPACES, Layout, cells
from ecgkit.readers.usable import counted

PIECE_BYTES = 1 << 22
PIECE_CELLS = 1 << 18
NEWLINE = ord("\n")
NO_EVENT = frozenset({"", "0", "0.0", *MISSING_WORDS})


@dataclass(frozen=True, slots=True)
class Rows:
    """Which part of a text is rows of one width.

    Attributes
    ----------
    count
        Number of rows.
    end
        Byte behind the last of them.
    fault
        What is wrong with the line behind them, "" where nothing is.
    comment
        The sign of comments among the rows, "" without any.
    """

    count: int
    end: int
    fault: str
    comment: str


@dataclass(slots=True)
class Column:
    """A column's numbers or times in seconds; and its texts.

    Attributes
    ----------
    form
        How it writes dates or clock times; None for numbers.
    texts, grouped
        How many cells hold texts, and how many of these are numbers with thousands separators.
    events
        The texts that were asked for, by row, each where it begins.
    """

    values: NDArray[np.float64]
    form: Form | None = None
    texts: int = 0
    grouped: int = 0
    events: list[tuple[int, str]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Number of cells that hold no number."""
        return int(np.isnan(self.values).sum())


def check_rows(data: bytes, start: int, layout: Layout) -> Rows:
    """Count the rows from a byte on, up to the first line that has another number of cells."""
    count, line, comment = 0, layout.first_line + 1, ""
    least = layout.width - layout.optional
    quoted = data.find(b'"', start) >= 0
    for first, piece in _pieces(data, start):
        starts, widths = _widths(piece, layout, quoted=quoted)
        comments = _comments(piece, starts)
        if comments.any():
            comment = chr(piece[starts[np.argmax(comments)]])
        fitting = (widths >= least) & (widths <= layout.width)
        for index in np.flatnonzero(~fitting & (widths > 0) & ~comments):
            text = piece[starts[index] : starts[index + 1]].decode("latin-1").strip()
            if text.startswith(COMMENT_SIGNS):
                comment = text[0]
            elif text:
                good = int(np.count_nonzero(fitting[:index] & ~comments[:index]))
                fault = f"line {line + index} has {counted(widths[index], 'cell')}, expected {layout.width}"
                return Rows(count + good, first + int(starts[index]), fault, comment)
        count += int(np.count_nonzero(fitting & ~comments))
        line += len(widths)
    return Rows(count, len(data), "", comment)


def read_columns(
    path: Path,
    data: bytes,
    start: int,
    rows: Rows,
    layout: Layout,
    *,
    forms: Mapping[int, Form],
    event_columns: Sequence[int],
    most: int,
) -> Mapping[int, Column]:
    """Read the columns that are not left out, by their position.

    Parameters
    ----------
    forms
        Columns of dates or clock times.
    event_columns
        Columns whose texts are wanted.
    most
        The largest number of texts to keep.

    Raises
    ------
    ReadError
        pandas can't parse the text, or numbers have thousands separators.
    """
    import pandas as pd

    options = _options(layout, rows)
    wanted = options["usecols"]
    read_forms = {column: form for column, form in forms.items() if form is not Form.UNREAD}
    content = io.BytesIO(data if rows.end == len(data) else data[: rows.end])  # the former takes no memory
    content.seek(start)
    with parsing(path, "table"):
        try:
            frame = pd.read_csv(
                content,
                dtype={column: str if column in read_forms else np.float64 for column in wanted},
                decimal=layout.decimal,
                float_precision="round_trip",
                na_values=sorted(MISSING_WORDS),
                **options,
            )
        except ValueError:  # a text among the numbers
            content.seek(start)
            size = max(1, PIECE_CELLS // layout.width)
            pieces = pd.read_csv(content, dtype=str, na_filter=False, chunksize=size, **options)
            columns = _mixed(
                pieces, wanted, layout.decimal, forms=read_forms, event_columns=event_columns, most=most
            )
        else:
            columns = {
                column: Column(_seconds_or_numbers(frame[column], read_forms.get(column)))
                for column in wanted
            }
    _settle(path, columns, rows, layout, forms=forms, event_columns=event_columns)
    return columns


def _settle(
    path: Path,
    columns: Mapping[int, Column],
    rows: Rows,
    layout: Layout,
    *,
    forms: Mapping[int, Form],
    event_columns: Sequence[int],
) -> None:
    """Finish the columns as they were parsed, and refuse those that were not read as they stand."""
    for at, column in columns.items():
        column.form = forms.get(at)
        if column.form is Form.CLOCK:
            column.values = across_midnight(column.values)
        column.values[np.isinf(column.values)] = np.nan
        if column.grouped * 2 > column.texts and at not in event_columns:
            raise ReadError(
                f"{path}: thousands separators: {counted(column.grouped, 'cell')} of column "
                f"{layout.names[at] or at!r} hold numbers such as 12,345.6; export without them"
            )
        if len(column.values) != rows.count:
            raise ReadError(
                f"{path}: {len(column.values)} rows were read, {rows.count} counted; a quotation mark or a "
                "comment among the numbers is in the way. Remove it"
            )


def _seconds_or_numbers(parsed: Any, form: Form | None) -> NDArray[np.float64]:
    return parsed.to_numpy() if form is None else seconds_of(parsed, form)


def _options(layout: Layout, rows: Rows) -> dict[str, Any]:
    """Return how pandas shall read the rows."""
    return {
        "header": None,
        "names": list(range(layout.width)),
        "usecols": [column for column in range(layout.width) if column not in layout.left_out],
        "index_col": False,
        "sep": r"\s+" if layout.separator == SPACES else layout.separator,
        "comment": rows.comment or None,
        "skipinitialspace": True,
        "engine": "c",
        "encoding": "latin-1",
    }


def _pieces(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Cut the text into pieces that end at a line's end."""
    while start < len(data):
        end = data.find(b"\n", start + PIECE_BYTES)
        end = len(data) if end < 0 else end + 1
        yield start, data[start:end]
        start = end


def _widths(piece: bytes, layout: Layout, *, quoted: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each line begins (and the last one ends), and its number of cells."""
    codes = np.frombuffer(piece, np.uint8)
    ends = np.flatnonzero(codes == NEWLINE)
    if not len(ends) or ends[-1] != len(codes) - 1:
        ends = np.append(ends, len(codes) - 1)
    starts = np.concatenate([[0], ends + 1])
    if quoted:
        lines = piece.decode("latin-1").split("\n")[: len(ends)]
        return starts, np.array([len(cells(line, layout.separator)) if line else 0 for line in lines])
    if layout.separator == SPACES:
        blank = (codes == ord(" ")) | (codes == ord("\t")) | (codes == NEWLINE)
        marks = ~blank
        marks[1:] &= blank[:-1]
        return starts, np.diff(np.searchsorted(np.flatnonzero(marks), starts))
    places = np.flatnonzero(codes == ord(layout.separator))
    widths = np.diff(np.searchsorted(places, starts)) + 1
    return starts, np.where(np.diff(starts) - (codes[ends] == NEWLINE) > 0, widths, 0)


def _comments(piece: bytes, starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    first = np.frombuffer(piece, np.uint8)[starts[:-1]]
    return np.isin(first, [ord(sign) for sign in COMMENT_SIGNS])


def _mixed(
    pieces: Any,
    wanted: Sequence[int],
    decimal: str,
    *,
    forms: Mapping[int, Form],
    event_columns: Sequence[int],
    most: int,
) -> Mapping[int, Column]:
    """Read columns that hold texts too, piece by piece: what is no number is NaN."""
    parts: dict[int, list[NDArray[np.float64]]] = {column: [] for column in wanted}
    found = {column: Column(np.empty(0)) for column in wanted}
    last = dict.fromkeys(event_columns, "")
    first_row = 0
    for piece in pieces:
        for column in wanted:
            if column in forms:
                parts[column].append(seconds_of(piece[column], forms[column]))
                continue
            texts = piece[column].tolist()
            values, others = _numbers(texts, decimal)
            parts[column].append(values)
            found[column].texts += len(others)
            found[column].grouped += sum(GROUPED.fullmatch(text) is not None for text in others)
            if column in event_columns:
                last[column] = _collect(found[column].events, texts, first_row, last[column], most)
        first_row += len(piece)
    for column in wanted:
        found[column].values = np.concatenate(parts[column]) if parts[column] else np.empty(0)
        if not found[column].texts:  # numbers stay a channel, whatever its name
            found[column].events.clear()
    return found


def decoded(text: bytes) -> str:
    """Return a text that is UTF-8, or else Latin-1."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _collect(
    events: list[tuple[int, str]], texts: Sequence[str], first_row: int, last: str, most: int
) -> str:
    """Add the texts that differ from the one before; return the last one."""
    for row, raw in enumerate(texts, first_row):
        text = raw.strip()
        if text != last and text.lower() not in NO_EVENT and len(events) < most:
            events.append((row, decoded(text.encode("latin-1"))))
        last = text
    return last


def _numbers(texts: Sequence[str], decimal: str) -> tuple[NDArray[np.float64], list[str]]:
    """Return the numbers of cells, NaN for what is none, and the other texts."""
    pointed = texts if decimal == "." else [text.replace(decimal, ".") for text in texts]
    others: list[str] = []
    try:
        values = np.array(pointed, dtype=np.float64)
    except ValueError:
        values = np.full(len(texts), np.nan)
        for index, text in enumerate(pointed):
            try:
                values[index] = float(text)
            except ValueError:
                other = texts[index].strip()
                others += [other] if other and other.lower() not in MISSING_WORDS else []
    return values, others
