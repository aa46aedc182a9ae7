"""A table as a lab keeps it in a spreadsheet: text with commas, semicolons or tabs between the cells."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from ecgkit.errors import ConfigError

DELIMITERS = "\t;,"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
NUMBER = re.compile(r"-?\d{1,30}(\.0*)?", re.ASCII)  # spreadsheets write 1.0 where a column has empty cells

Rows = Iterator[tuple[int, dict[str, str]]]


def read_spreadsheet(path: Path, *, most_bytes: int) -> tuple[list[str], Rows]:
    """Read a table: the names of its columns in small letters, and its rows when they are asked for.

    In UTF-8, or in what spreadsheets call Unicode. A row is the number of its line and, by column, its cells
    that are not empty; rows without any are passed over.

    Raises
    ------
    ConfigError
        It is no such table, or larger; the message names the line.
    """
    lines = _lines(path, most_bytes)
    _, cells = next(lines, (1, []))
    columns = [cell.casefold() for cell in cells]
    while columns and not columns[-1]:  # a column that a spreadsheet once had something in
        columns.pop()
    return columns, _rows(path, lines, columns)


def parse_number(text: str, name: str) -> int:
    """Return a visit or a take; leading zeros make no difference.

    Raises
    ------
    ConfigError
        It is no whole number.
    """
    if not NUMBER.fullmatch(text.strip()):
        raise ConfigError(f"{name} {text!r}: expected a whole number, such as 1")
    return int(text.strip().partition(".")[0])


def _rows(path: Path, lines: Iterator[tuple[int, list[str]]], columns: list[str]) -> Rows:
    for line, cells in lines:
        if any(cells[len(columns) :]):
            raise ConfigError(
                f"{path.name}, line {line}: {len(cells)} cells, expected {len(columns)}; got {cells[:8]}"
            )
        if any(cells):
            yield line, {name: cell for name, cell in zip(columns, cells, strict=False) if cell}


def _lines(path: Path, most_bytes: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line, and its cells without the spaces around them."""
    text = _text(path, most_bytes)
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in lines:
            yield lines.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ConfigError(f"{path}, line {lines.line_num}: no row of a table ({error})") from error


def _text(path: Path, most_bytes: int) -> str:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError(f"{path}: not an ordinary file; expected a table")
        if path.is_file() and path.stat().st_size > most_bytes:
            raise ConfigError(f"{path}: expected a table of at most {most_bytes} bytes")
        content = path.read_bytes()
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); expected a table") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: can't be read as UTF-8 text ({error.reason}); save it as CSV UTF-8"
        ) from error
