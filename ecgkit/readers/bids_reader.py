"""Physiological recordings of a BIDS data set: `*_physio.tsv.gz` with its sidecar, into a `Recording`.

A recording of several rates lies in several tables, told apart by the entity `recording`; give any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.exclusions import Exclusion
from ecgkit.readers.bids_events import Events, read_events
from ecgkit.readers.bids_names import (
    DESCRIPTION_FILE,
    EVENTS_END,
    SCANS_END,
    TABLE_END,
    entities_of,
    file_name,
    folders_of,
    shared,
    sidecars_of,
    tables_of,
)
from ecgkit.readers.bids_sidecar import Column, SessionNote, Sidecar, read_object, read_sidecar
from ecgkit.readers.bids_table import looks_like_table, read_numbers
from ecgkit.readers.foreign import parsing
from ecgkit.readers.held import held
from ecgkit.readers.options import ReadOptions
from ecgkit.readers.usable import OR_SALVAGE, counted, lost_samples
from ecgkit.records import Channel, RawSamples, Recording

TAKES = ("unit",)


@dataclass(frozen=True, slots=True)
class Told:
    """What a session that ecgkit exported says of itself beyond the recording.

    Attributes
    ----------
    leads
        The ECG channels in lead order, by name, or by position where several have the name.
    """

    condition: str
    leads: tuple[str, ...]
    excluded: tuple[Exclusion, ...]
    source_name: str | None
    source_sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a recording, and what its sidecars say."""

    path: Path
    sidecar: Sidecar


def matches(head: bytes) -> bool:
    """Tell from the first bytes whether a file is a table of numbers packed with gzip."""
    return looks_like_table(head)


def read(path: Path, options: ReadOptions) -> Recording:
    """Read a recording: all its tables that start at one time, and the events beside them.

    Samples are held in memory, as the type that ecgkit recorded them in, float64 for other people's.
    Events are markers; in an fMRI data set their times, and so the markers', are those of the scanner's
    clock, which `StartTime` relates to the recording.

    Raises
    ------
    ReadError
        A table or its sidecar is damaged or not there, or what ecgkit wrote was changed.
    """
    tables, warnings = _tables(path)
    note = tables[0].sidecar.note
    if note is not None:
        _check_complete(path, tables, note, salvage=options.salvage)
    channels, lost = _channels(path, tables, options, warnings)
    fs = max(channel.fs for channel in channels) if note is None else note.fs
    events, events_files = _events(path, fs=fs, start_s=tables[0].sidecar.start_s, note=note)
    files = {file for table in tables for file in (table.path.absolute(), *table.sidecar.files)}
    return Recording(
        path=path,
        format="bids",
        version=_version(path, note),
        fs=fs,
        channels=channels,
        markers=events.markers,
        start_time=_start_time(path),
        journal=None if note is None else note.journal,
        simulated=note is not None and note.simulated,
        files=(*sorted(files, key=_place), *events_files),
        warnings=(*warnings, *events.warnings),
        lost=(*(() if note is None else note.lost), *lost),
        details=(("tables", str(len(tables))),),
    )


def told(path: Path) -> Told | None:
    """Return what a session that ecgkit exported says of itself, None for other people's recordings.

    Raises
    ------
    ReadError
        A sidecar is damaged or not there.
    """
    tables, _ = _tables(path)
    note = tables[0].sidecar.note
    if note is None:
        return None
    names = {
        column.note.index: column.note.name
        for table in tables
        for column in table.sidecar.columns
        if column.note
    }
    often = list(names.values())
    leads = (names[i] if often.count(names[i]) == 1 else str(i) for i in note.ecg if i in names)
    events, _ = _events(path, fs=note.fs, start_s=0.0, note=note)
    return Told(note.condition, tuple(leads), events.excluded, note.source_name, note.source_sha256)


def _tables(path: Path) -> tuple[list[Table], list[str]]:
    """Find the tables of a recording that start together; say which do not."""
    entities = entities_of(path.name, TABLE_END)
    if entities is None or "sub" not in entities:
        raise ReadError(
            f"{path}: a packed table of numbers; expected a BIDS name such as sub-01_task-rest{TABLE_END}, "
            "which tells where its rate stands. Name it so, or unpack it and read it as text, with --fs"
        )
    top = folders_of(path)[0].resolve()
    tables = []
    for other in tables_of(path, entities) or (path,):
        files = tuple(sidecars_of(other, entities_of(other.name, TABLE_END) or entities))
        _refuse_outside(top, *files, *([other] if other != path else []))
        tables.append(Table(other, read_sidecar(other, files)))
    given = next(table for table in tables if table.path.name == path.name)
    together = [
        table
        for table in tables
        if table.sidecar.start_s == given.sidecar.start_s
        and (table.sidecar.note is None) == (given.sidecar.note is None)
    ]
    if apart := len(tables) - len(together):  # without names, which tell who: the study keeps this
        start = "starts" if apart == 1 else "start"
        said = f"{counted(apart, 'table')} of it {start} at another time, left out; give one to have it read"
        return together, [said]
    return together, []


def _refuse_outside(top: Path, *files: Path) -> None:
    """Refuse files that are links out of the data set; a link to its own store of files is none."""
    for file in files:
        with parsing(file, "folder"):
            if not file.resolve().is_relative_to(top):
                raise ReadError(f"{file}: a link out of the data set; put the file itself there")


def _channels(
    path: Path, tables: Sequence[Table], options: ReadOptions, warnings: list[str]
) -> tuple[tuple[Channel, ...], list[str]]:
    """Read the tables; return the channels in the order in which they were recorded, and what is lost."""
    found: list[Channel] = []
    lost: list[str] = []
    for table in tables:
        columns = table.sidecar.columns
        numbers = read_numbers(table.path, columns, salvage=options.salvage)
        warnings += numbers.warnings
        lost += [numbers.lost] if numbers.lost else []
        for at, column in enumerate(columns):
            place = len(found) if column.note is None else column.note.index
            channel = _channel(column, numbers.column(at), place, table.sidecar.fs, options.unit)
            lost += _too_short(path, column, channel, salvage=options.salvage)
            found.append(channel)
    if options.unit and all(column.unit for table in tables for column in table.sidecar.columns):
        raise ReadError(f"{path}: its sidecar gives every column's unit; leave out --unit")
    found.sort(key=lambda channel: channel.index)
    return tuple(replace(channel, index=index) for index, channel in enumerate(found)), lost


def _channel(column: Column, samples: RawSamples, index: int, fs: float, unit: str | None) -> Channel:
    note = column.note
    return Channel(
        index=index,
        number=index if note is None else note.number,
        name=column.name,
        unit=column.unit or unit or "",
        fs=fs,
        n_samples=len(samples),
        dtype=samples.dtype,
        scale=1.0 if note is None else note.scale,
        offset=0.0 if note is None else note.offset,
        sample_reader=held(samples),
        missing=None if note is None else note.missing,
    )


def _too_short(path: Path, column: Column, channel: Channel, *, salvage: bool) -> list[str]:
    expected = channel.n_samples if column.note is None else column.note.samples
    if channel.n_samples == expected:
        return []
    fault = lost_samples(channel.index, channel.name, got=channel.n_samples, expected=expected, fs=channel.fs)
    if not salvage:
        raise ReadError(f"{path}: cut off: {fault}; copy it again{OR_SALVAGE}")
    return [fault]


def _check_complete(path: Path, tables: Sequence[Table], note: SessionNote, *, salvage: bool) -> None:
    """Refuse a session of which a table is not there; with `salvage`, what is there is renumbered."""
    notes = (column.note for table in tables for column in table.sidecar.columns)
    there = sorted(found.index for found in notes if found)
    if there != list(range(note.channels)) and not salvage:
        raise ReadError(
            f"{path}: its tables hold channels {there}, expected 0 to {note.channels - 1}; a table of "
            f"another rate (recording-…{TABLE_END}) is not beside it. Copy the whole folder{OR_SALVAGE}"
        )


def _place(file: Path) -> tuple[int, str]:
    """Sort files alike on every machine: the hash of the recording depends on it."""
    return len(file.parts), file.name


def _events(
    path: Path, *, fs: float, start_s: float, note: SessionNote | None
) -> tuple[Events, tuple[Path, ...]]:
    entities: Mapping[str, str] = entities_of(path.name, TABLE_END) or {}
    file = path.parent / file_name(shared(entities), EVENTS_END)
    if not file.is_file():
        return Events(), ()
    _refuse_outside(folders_of(path)[0].resolve(), file)
    channels = None if note is None else note.channels
    return read_events(file, fs=fs, start_s=start_s, channels=channels), (file,)


def _version(path: Path, note: SessionNote | None) -> str:
    """Return the version of BIDS, and what ecgkit made it from."""
    description = folders_of(path)[0] / DESCRIPTION_FILE
    content = read_object(description) if description.is_file() else {}
    version = f"BIDS {str(content.get('BIDSVersion', ''))[:20]}".strip()
    return f"{version}, from {note.source}" if note and note.source else version


def _start_time(path: Path) -> datetime | None:
    """Return when a recording began, where the list of scans says it."""
    entities = entities_of(path.name, TABLE_END) or {}
    names = {entity: label for entity, label in entities.items() if entity in ("sub", "ses")}
    scans = path.absolute().parent.parent / file_name(names, SCANS_END)
    if not scans.is_file():
        return None
    with parsing(scans, "list of scans"):
        with scans.open(encoding="utf-8-sig") as file:
            lines = [line.rstrip("\n").split("\t") for line in file.read(1 << 20).split("\n")]
        column = lines[0].index("acq_time") if "acq_time" in lines[0] else len(lines[0])
        found = [
            line[column]
            for line in lines[1:]
            if len(line) > column and line[0] == f"{path.parent.name}/{path.name}"
        ]
    try:
        date = datetime.fromisoformat(found[0]) if found else None
    except ValueError:
        return None
    return date.astimezone(UTC) if date is not None and date.tzinfo else date
