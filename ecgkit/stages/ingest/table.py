"""A table of recordings, as a lab keeps it in a spreadsheet: which file is whose, and what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown
from ecgkit.study.spreadsheet import read_spreadsheet

COLUMNS = ("file", "subject", "condition", "visit", "take", "start", "stop")
MOST_BYTES = 50_000_000


def read_table(path: Path, *, said: Collection[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """Read a table's rows: the line of each, for messages, and by column its cells that are not empty.

    Parameters
    ----------
    said
        Columns that are said of all rows elsewhere, and must not be in the table.

    Raises
    ------
    ConfigError
        It is no such table, or has columns that are not known, are missing, or are there twice.
    """
    columns, rows = read_spreadsheet(path, most_bytes=MOST_BYTES)
    _check_columns(path, columns, said)
    for line, cells in rows:
        yield f"{path.name}, line {line}", cells


def file_of(table: Path, cell: str) -> Path:
    """Return the file that a cell names, from the table's folder; \\ may stand for / in it."""
    path = table.parent / cell
    plain = table.parent / cell.replace("\\", "/")
    return plain if not path.exists() and plain.exists() else path


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
