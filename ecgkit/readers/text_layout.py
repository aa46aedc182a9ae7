"""How a table of numbers is laid out as text: separator, decimal sign, header, what its preamble states."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ecgkit.readers.usable import is_rate

SPACES = " "  # as a separator: any run of spaces and tabs
# separator and decimal sign, the likelier first
DIALECTS = (("\t", "."), (";", "."), (",", "."), (SPACES, "."), ("\t", ","), (";", ","), (SPACES, ","))
COMMENT_SIGNS = ("#", "%")
HEAD_LINES = 400
JUDGED_LINES = 100
LEAST_SHARE = 0.2  # of a table's cells that are numbers
DIGITS = re.compile(r"\d")
LETTERS = re.compile("[a-df-z]", re.IGNORECASE)
MISSING_WORDS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "?", "*", "inf", "-inf"})
BRACKETED = re.compile(r"[(\[].*[)\]]")
VOLTAGES = frozenset({"V", "mV", "uV", "µV", "μV", "nV"})
UNITS = VOLTAGES | {"s", "sec", "ms", "msec", "us", "µs", "μs", "min", "h", "Hz", "%", "bpm", "BPM", "mmHg"}
UNITS |= {"Volts", "uS", "µS", "μS", "°C", "degC", "a.u.", "au", "-"}

STATED_RATE = re.compile(
    r"\b(?:sampl(?:ing|es?)[\s_-]*(?:rate|freq\w*|per[\s_-]*sec\w*)|samp_?rate|sfreq|srate|fs)\b"
    r"[^\w.]{0,9}(?P<before>k?hz)?[^\w.]{0,9}"
    r"(?P<number>(?>\d+(?:[.,]\d+)?(?:e[+-]?\d+)?))[^\w.]{0,9}(?P<after>k?hz|\w?s(?:ec)?\b)?",
    re.IGNORECASE,
)
# 34,936.5 or 34.936,5 or 34 936: the separators are a comma, point, quote, or one of Unicode's narrow blanks
# in UTF-8 read as Latin-1
GROUPED = re.compile(
    r"[+-]?\d{1,3}(?P<sign>[,.' \xa0]|\xc2\xa0|\xe2\x80[\xaf\x99])\d{3}(?:(?P=sign)\d{3})*(?:[.,]\d+)?"
)
THOUSANDS = re.compile(r"(\d),(?=\d{3}\b)")
OPENSIGNALS = "OpenSignals Text File Format"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is laid out.

    Attributes
    ----------
    version
        What kind of text it is, as people know it.
    separator, decimal
        Between cells (`SPACES` for any run of blanks), and in numbers.
    names, units
        One for each column; "" where there is none.
    first_line
        Line that holds the first numbers, from 0.
    stated
        Sampling rate in Hz that the header states, and how it does; None where it does not.
    counts
        Samples of each column as the header gives them; empty where it does not.
    left_out
        Columns that are no channel: a time column that is not needed, an empty one at the end of each row.
    optional
        Columns at the end that a row may lack, such as one of remarks.
    """

    version: str
    separator: str
    decimal: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    first_line: int
    stated: tuple[float, str] | None = None
    counts: tuple[int, ...] = ()
    left_out: frozenset[int] = frozenset()
    optional: int = 0

    @property
    def width(self) -> int:
        """Number of cells in a row."""
        return len(self.names)


def find_layout(lines: Sequence[str]) -> Layout | None:
    """Find out how a table of numbers is laid out, from its first lines.

    Returns
    -------
    Layout or None
        None where there is no table of numbers.
    """
    body = [line for line in lines if line.strip() and not is_comment(line)]
    dialect = find_dialect(body)
    if dialect is None:
        return None
    first_line = _first_numbers(lines, dialect)
    if first_line is None:
        return None
    separator, decimal, width = dialect
    rows = _rows(body, separator)
    above = [line for line in lines[:first_line] if line.strip()]
    width, optional = _headed_width(rows[-JUDGED_LINES:], above, dialect)
    empty = not optional and _always_empty(rows, width - 1) and width > 1
    names, units, preamble = _header(above, separator, width - empty)
    device = _opensignals(above)
    if device is not None and len(device[0]) == width - empty:
        names = device[0]
    return Layout(
        version="OpenSignals" if device else _version(separator, width),
        separator=separator if width > 1 else SPACES,
        decimal=decimal,
        names=(*names, *[""] * empty),
        units=(*units, *[""] * empty),
        first_line=first_line,
        stated=device[1] if device else stated_rate(preamble),
        left_out=frozenset({width - 1} if empty else ()),
        optional=optional,
    )


def find_dialect(body: Sequence[str]) -> tuple[str, str, int] | None:
    """Return separator, decimal sign and number of columns that make most of the lines rows of numbers.

    The lines with digits are judged, without the first quarter, where a header may stand; of equals the one
    is taken that splits the names above them alike, and then the likelier.
    """
    numbers = [line for line in body if DIGITS.search(line)]
    judged = numbers[len(numbers) // 4 :][-JUDGED_LINES:]
    header = next((line for line in reversed(body[: len(body) // 2]) if LETTERS.search(line)), None)
    split = {separator: _rows(judged, separator) for separator in ("\t", ";", ",", SPACES)}
    best, found = (0.0, False), None
    for separator, decimal in DIALECTS:
        rows = split[separator]
        width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
        n_words = sum(bool(cell) for row in rows for cell in row)
        fitting = [cell for row in rows if len(row) == width for cell in row if cell]
        good = sum(is_number(cell, decimal) or (width > 1 and is_grouped(cell, decimal)) for cell in fitting)
        share = good / n_words if n_words else 0.0
        headed = header is not None and len(cells(header, separator)) == width
        if width == 1 and decimal in (header or ""):
            continue  # names with commas between them: no decimal sign
        if share > LEAST_SHARE and (share, headed) > best:
            best, found = (share, headed), (separator, decimal, width)
    if found == (",", ".", 2) and header is None and _are_fractions([line.split(",")[-1] for line in judged]):
        return "\t", ",", 1
    return found


def _are_fractions(cells_behind: Sequence[str]) -> bool:
    """Tell whether what stands behind commas is what follows a decimal comma, not a column of whole numbers.

    Such cells have no sign, and some have a leading zero, or more digits than 16-bit samples.
    """
    if not all(cell.isascii() and cell.isdigit() for cell in cells_behind):
        return False
    return any(len(cell) > 5 or (len(cell) > 1 and cell[0] == "0") for cell in cells_behind)


def cells(line: str, separator: str) -> list[str]:
    """Split a line into its cells, without the blanks and quotes around them."""
    if '"' in line:
        with suppress(csv.Error):  # a cell too long for it: split as if there were no quotes
            blank = separator == SPACES
            text = line.replace("\t", " ") if blank else line
            row = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
            return [cell.strip() for cell in row]
    if separator == SPACES:
        row = line.split()
        for at in range(len(row) - 1, 0, -1):  # a name's unit is no cell of its own
            if row[at].startswith(("(", "[")):
                row[at - 1] += " " + row.pop(at)
        return row
    return [cell.strip() for cell in line.split(separator)]


def is_number(cell: str, decimal: str) -> bool:
    """Tell whether a cell holds a number."""
    try:
        return math.isfinite(float(cell.replace(decimal, ".")))
    except ValueError:
        return False


def is_grouped(cell: str, decimal: str) -> bool:
    """Tell whether a cell is a number with thousands separators and a decimal sign, as in 34,936.5."""
    return decimal in cell and GROUPED.fullmatch(cell) is not None


def is_comment(line: str) -> bool:
    """Tell whether a line is a comment."""
    return line.lstrip().startswith(COMMENT_SIGNS)


def name_and_unit(header: str) -> tuple[str, str]:
    """Split ``ECG (mV)``, ``ECG [mV]`` or ``ECG_mV`` into the name and the unit."""
    for opening, closing in ("()", "[]"):
        name, found, unit = header.rpartition(opening)
        if found and name.strip() and unit.endswith(closing):
            return name.strip(), unit[:-1].strip()
    name, _, unit = header.rpartition("_")
    return (name, unit) if name and unit in VOLTAGES else (header, "")


def stated_rate(lines: Sequence[str]) -> tuple[float, str] | None:
    """Return the sampling rate in Hz that lines such as ``# fs = 1000`` state, and the words that do."""
    for line in lines:
        match = STATED_RATE.search(line)
        unit = (match["before"] or match["after"] or "hz").lower() if match else ""
        if match and unit.endswith("hz"):
            fs = float(THOUSANDS.sub(r"\1", match["number"]).replace(",", "."))
            fs *= 1000 if unit == "khz" else 1
            if is_rate(fs):
                return fs, match[0].strip()
    return None


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    return [cells(line, separator) for line in lines]


def _always_empty(rows: Sequence[Sequence[str]], column: int) -> bool:
    return not any(len(row) > column and row[column] for row in rows)


def _first_numbers(lines: Sequence[str], dialect: tuple[str, str, int]) -> int | None:
    """Return the first line that holds numbers where the later lines do, as the next one does too."""
    separator, decimal, width = dialect
    places = [index for index, line in enumerate(lines) if line.strip() and not is_comment(line)]
    rows = {index: cells(lines[index], separator) for index in places}
    late = [rows[index] for index in places if len(rows[index]) == width and any(rows[index])]
    late = late[len(late) // 2 :]
    numeric = [column for column in range(width) if _mostly_numbers(late, column, decimal)]

    def fits(index: int) -> bool:
        row = rows[index]
        # a row may lack a remark at its end, or be one of few that have one
        long_enough = len(row) == width if separator == SPACES else len(row) > max(numeric, default=width)
        return long_enough and _all_numbers([row[column] for column in numeric], decimal)

    return next((index for index, following in pairwise(places) if fits(index) and fits(following)), None)


def _mostly_numbers(rows: Sequence[Sequence[str]], column: int, decimal: str) -> bool:
    words = [row[column] for row in rows if row[column] and row[column].lower() not in MISSING_WORDS]
    return sum(is_number(word, decimal) for word in words) * 2 > len(words)


def _all_numbers(words: Sequence[str], decimal: str) -> bool:
    words = [word for word in words if word and word.lower() not in MISSING_WORDS]
    return bool(words) and all(is_number(word, decimal) for word in words)


def _header(
    above: Sequence[str], separator: str, width: int
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Return names and units of the columns, and the lines above the numbers that hold neither."""
    rest, units = list(above), None
    if len(rest) > 1 and _is_row_of_units(_named(rest[-1], separator, width), rest[-2], separator):
        units = tuple(cell.strip("()[] ") for cell in _named(rest.pop(), separator, width))
    header = _named(rest[-1], separator, width) if rest else []
    if not header:
        return ("",) * width, units or ("",) * width, rest
    rest.pop()
    pairs = [name_and_unit(cell) for cell in header]
    return tuple(name for name, _ in pairs), units or tuple(unit for _, unit in pairs), rest


def _named(line: str, separator: str, width: int) -> list[str]:
    """Return the cells of a line if they can name the columns, else none."""
    row = cells(line.lstrip("#% ") if is_comment(line) else line, separator)
    if is_comment(line) and (re.search("[:={]", line) or not all(row)):
        return []
    if len(row) == width + 1 and not row[-1]:
        row.pop()
    if len(row) == width - 1 and not is_comment(line):  # R leaves out the name of the rows' names
        row.insert(0, "")
    return row if len(row) == width and any(row) and not stated_rate([line]) else []


def _is_row_of_units(row: Sequence[str], above: str, separator: str) -> bool:
    """Tell whether the cells of a row are units: in brackets, or known ones below as many names."""
    if not any(row):
        return False
    known = len(cells(above, separator)) == len(row) and not is_comment(above)
    return all(BRACKETED.fullmatch(cell) or (known and cell in UNITS) for cell in row if cell)


def _headed_width(
    rows: Sequence[Sequence[str]], above: Sequence[str], dialect: tuple[str, str, int]
) -> tuple[int, int]:
    """Return how many columns the header names, and how many of the last ones a row may lack.

    A row may lack those that most rows lack, and those of texts, such as remarks.
    """
    separator, decimal, width = dialect
    # the last line may be one of units
    named = max((sum(map(bool, cells(line.lstrip("#% "), separator))) for line in above[-2:]), default=0)
    full = [row for row in rows if len(row) == named]
    if separator == SPACES or named < max(width, 2) or not full:
        return width, 0
    least = named
    while least > width or (least > 1 and not _mostly_numbers(full, least - 1, decimal)):
        least -= 1
    return named, named - least


def _version(separator: str, width: int) -> str:
    kinds = {",": "CSV", ";": "CSV with semicolons", "\t": "TSV", SPACES: "columns between spaces"}
    return kinds[separator] if width > 1 else "one column"


def _opensignals(above: Sequence[str]) -> tuple[tuple[str, ...], tuple[float, str] | None] | None:
    """Return the columns' names and the rate from OpenSignals' header, which is JSON in a comment."""
    if not any(OPENSIGNALS in line for line in above[:1]):
        return None
    names: list[str] = []
    rate = None
    for device in _devices(above):
        sensors = dict(zip(_texts(device, "label"), _texts(device, "sensor"), strict=False))
        for column in _texts(device, "column"):
            sensor = sensors.get(column, "RAW")
            names.append(column if sensor == "RAW" else sensor)
        fs = device.get("sampling rate")
        if isinstance(fs, int | float) and is_rate(fs):
            rate = (float(fs), f"sampling rate: {fs:g}")
    return tuple(names), rate


def _devices(above: Sequence[str]) -> Iterator[dict[str, Any]]:
    for line in above:
        try:
            content = json.loads(line.lstrip("# "))
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            yield from (device for device in content.values() if isinstance(device, dict))


def _texts(device: dict[str, Any], key: str) -> list[str]:
    value = device.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []
