"""A table of recordings, as a lab keeps it in a spreadsheet: which file is whose, and what."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown

COLUMNS = ("file", "subject", "condition", "visit", "take", "start", "stop")
DELIMITERS = "\t;,"
MOST_BYTES = 50_000_000
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_table(path: Path, *, said: Collection[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a table's rows: the line of each, for messages, and by column its cells that are not empty.

    Text with commas, semicolons or tabs between the cells, in UTF-8 or in what spreadsheets call Unicode.

    Parameters
    ----------
    said
        Columns that are said of all rows elsewhere, and must not be in the table.

    Raises
    ------
    ConfigError
        It is no such table, or has columns that are not known, are missing, or are there twice.
    """
    text = _text(path)
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip().casefold() for cell in next(lines, [])]
        while columns and not columns[-1]:  # a column that a spreadsheet once had something in
            columns.pop()
        _check_columns(path, columns, said)
        for cells in lines:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            where = f"{path.name}, line {lines.line_num}"
            if any(row[len(columns) :]):
                raise ConfigError(f"{where}: {len(row)} cells, expected {len(columns)}; got {row[:8]}")
            yield where, {name: cell for name, cell in zip(columns, row, strict=False) if cell}
    except csv.Error as error:
        raise ConfigError(f"{path}, line {lines.line_num}: no row of a table ({error})") from error


def file_of(table: Path, cell: str) -> Path:
    """Return the file that a cell names, from the table's folder; \\ may stand for / in it."""
    path = table.parent / cell
    plain = table.parent / cell.replace("\\", "/")
    return plain if not path.exists() and plain.exists() else path


def _text(path: Path) -> str:
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: expected a table of at most {MOST_BYTES} bytes")
        content = path.read_bytes()
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); expected a table") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: can't be read as UTF-8 text ({error.reason}); save it as CSV UTF-8"
        ) from error


def _check_columns(path: Path, columns: Sequence[str], said: Collection[str]) -> None:
    others = [name for name in columns if name not in COLUMNS]
    if others:
        raise ConfigError(f"{path}: {unknown('column', others[0], COLUMNS)} The first line names the columns")
    twice = next((name for name in columns if columns.count(name) > 1 or name in said), None)
    if twice:
        where = "by an option and in the table" if twice in said else "by two columns"
        raise ConfigError(f"{path}: {twice} is said {where}; expected it once")
    missing = [name for name in ("file", "subject") if name not in (*columns, *said)]
    if missing:
        raise ConfigError(f"{path}: no column {' and '.join(missing)}; the first line names the columns")
