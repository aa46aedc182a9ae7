"""What a call of `ecgkit ingest` names: files, a table, a pattern, a folder; all end as rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecgkit.errors import ConfigError
from ecgkit.protocol.model import Protocol
from ecgkit.stages.ingest.bids import is_bids, read_bids
from ecgkit.stages.ingest.pattern import NamePattern, match_name, parse_pattern
from ecgkit.stages.ingest.plan import Fault, Row, make_row
from ecgkit.stages.ingest.table import file_of, read_table

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be taken in.

    Attributes
    ----------
    files
        Recordings, or one folder of them.
    said
        What is said of all of them: subject, condition, visit, take, start, stop, as text.
    from_markers
        The conditions are said by markers where nothing else says them.
    """

    files: tuple[Path, ...] = ()
    table: Path | None = None
    pattern: str | None = None
    from_markers: bool = False
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_single(self) -> bool:
        """Whether one session is named, so that its failure is the call's."""
        other = self.table is not None or self.pattern is not None or self.from_markers
        return len(self.files) == 1 and not other and not self.files[0].is_dir()


@dataclass(frozen=True, slots=True)
class Named:
    """What a call names.

    Attributes
    ----------
    rows
        Recordings with what is said of them, or what is wrong with that.
    skipped
        Files that the pattern does not match, those that end as it does first.
    """

    rows: tuple[Row | Fault, ...]
    skipped: tuple[Path, ...] = ()


def read_asked(asked: Asked, protocol: Protocol) -> Named:
    """Return the recordings that a call names, with what it says of each.

    Raises
    ------
    ConfigError
        What is said does not go together, or names nothing.
    """
    _check(asked)
    if asked.table is not None:
        named = _from_table(asked, asked.table)
    elif asked.pattern is not None:
        named = _from_pattern(asked, parse_pattern(asked.pattern), protocol)
    elif len(asked.files) == 1 and asked.files[0].is_dir():
        named = Named(tuple(read_bids(asked.files[0], conditions=protocol.conditions)))
    else:
        named = Named(tuple(make_row(file, asked.said) for file in asked.files))
    if not named.rows:
        raise ConfigError(f"{asked.table}: no rows below the names of the columns")
    return named


def _check(asked: Asked) -> None:
    """Refuse what does not go together."""
    said = set(asked.said)
    folders = [file for file in asked.files if file.is_dir()]
    several = asked.table is not None or asked.pattern is not None or len(asked.files) > 1
    wrong = {
        "nothing to ingest: give FILEs, a folder or --table; ecgkit ingest --help shows how": not asked.files
        and asked.table is None,
        "--table names the files: give no FILE with it": bool(asked.files) and asked.table is not None,
        "--table and --pattern both say whose the files are": asked.table is not None
        and asked.pattern is not None,
        "--start and --stop are of one FILE; a table has columns for them": bool(said & {"start", "stop"})
        and (several or asked.from_markers),
        "--condition and --from-markers both say the condition": "condition" in said and asked.from_markers,
        "several FILEs: say which is which by --table, --pattern or --from-markers": len(asked.files) > 1
        and asked.pattern is None
        and not asked.from_markers,
    }
    for sentence, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(sentence)
    if folders and asked.pattern is None:
        _check_folder(folders[0], asked, said)
    elif not several and "subject" not in said:
        raise ConfigError(f"{asked.files[0]}: whose recording is it? Give --subject")
    elif not several and not asked.from_markers and "condition" not in said:
        raise ConfigError(f"{asked.files[0]}: in which condition? Give --condition, or --from-markers")


def _check_folder(folder: Path, asked: Asked, said: set[str]) -> None:
    """Refuse a folder that does not say by itself whose its recordings are."""
    if not is_bids(folder):
        raise ConfigError(
            f"{folder}: a folder, expected a recording; give --pattern with a folder, or --table, or a BIDS "
            "data set (with dataset_description.json)"
        )
    if len(asked.files) > 1 or said or asked.from_markers:
        raise ConfigError(f"{folder}: a BIDS data set says itself what is what; give it alone")


def _from_table(asked: Asked, table: Path) -> Named:
    rows: list[Row | Fault] = []
    for where, cells in read_table(table, said=asked.said):
        file, said = file_of(table, cells.get("file", "")), {**cells, **asked.said}
        try:
            row = make_row(file, said, where=where)
            if not cells.get("file", ""):
                raise ConfigError(f"{where}: no file is named")
            if row.condition is None and not asked.from_markers:
                raise ConfigError(f"{where}: no condition is named; --from-markers has the markers say it")
            if row.condition is None and (row.start_s, row.stop_s) != (None, None):
                raise ConfigError(f"{where}: a start or stop without a condition")
            rows.append(row)
        except ConfigError as error:
            by_markers = asked.from_markers and "condition" not in said
            rows.append(Fault(file, where, error, subject=said.get("subject") if by_markers else None))
    return Named(tuple(rows))


def _from_pattern(asked: Asked, pattern: NamePattern, protocol: Protocol) -> Named:
    _check_fields(asked, pattern, set(asked.said))
    rows: list[Row | Fault] = []
    skipped, names = [], []
    for file in _files(asked, pattern.depth):
        names.append("/".join(file.absolute().parts[-1 - pattern.depth :]))
        try:
            found = match_name(pattern, names[-1], conditions=protocol.conditions)
            if found is None:
                skipped.append(file)
            else:
                rows.append(make_row(file, {**asked.said, **found}))
        except ConfigError as error:
            rows.append(Fault(file, "", error))
    if not rows:
        listed = ", ".join([*names[:SHOWN], *["…"] * (len(names) > SHOWN)]) or "no files"
        raise ConfigError(
            f"no file matches the pattern {pattern.text!r}; there are {listed}. "
            f"A condition is one of {', '.join(protocol.conditions)}"
        )
    ending = Path(pattern.text).suffix.lower()
    skipped.sort(key=lambda file: file.suffix.lower() != ending)  # what may have been meant comes first
    return Named(tuple(rows), tuple(skipped))


def _check_fields(asked: Asked, pattern: NamePattern, said: set[str]) -> None:
    twice = sorted(said & set(pattern.fields))
    if twice:
        raise ConfigError(
            f"pattern {pattern.text!r} says the {twice[0]}, and so does --{twice[0]}; leave one out"
        )
    fields = said | set(pattern.fields)
    if "subject" not in fields:
        raise ConfigError(f"pattern {pattern.text!r}: without {{subject}}, --subject must say whose they are")
    if ("condition" in fields) == asked.from_markers:
        raise ConfigError(
            f"pattern {pattern.text!r}: expected one of {{condition}} in it, --condition, --from-markers"
        )


def _files(asked: Asked, depth: int) -> Iterator[Path]:
    """Yield the files that are named, and those so deep in folders that are, sorted by name."""
    for file in asked.files:
        yield from _within(file, depth) if file.is_dir() else (file,)


def _within(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in found:
        if depth and entry.is_dir():
            yield from _within(Path(entry), depth - 1)
        elif not depth and not entry.is_dir():
            yield Path(entry)
