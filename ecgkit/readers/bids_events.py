"""The events beside a BIDS table: markers, and in what ecgkit wrote the exclusions of the session."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgkit.errors import ReadError
from ecgkit.exclusions import Exclusion
from ecgkit.readers.foreign import parsing
from ecgkit.readers.usable import counted
from ecgkit.records import Marker

MOST_BYTES, MOST_EVENTS = 1 << 24, 100_000
NOT_KNOWN = "n/a"
EXCLUDED = "excluded"  # the `trial_type` of a stretch that is not to be used
DECIMALS = 9  # of seconds: a stop is written as a duration, and comes back rounded
TEXT_COLUMNS = ("trial_type", "event_type", "value")  # of other people's, the first that says something

OWN_COLUMNS = ("onset", "duration", "trial_type", "sample")

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Events:
    """What stands in a file of events."""

    markers: tuple[Marker, ...] = ()
    excluded: tuple[Exclusion, ...] = ()
    warnings: tuple[str, ...] = ()


def read_events(path: Path, *, fs: float, start_s: float, channels: int | None) -> Events:
    """Read the events of a recording.

    Parameters
    ----------
    fs
        Base rate of the recording in Hz, which the markers are to count in.
    start_s
        Time of its first sample on the clock of the events.
    channels
        How many it has, where ecgkit wrote the events; None for other people's.

    Raises
    ------
    ReadError
        It is no such table.
    """
    markers: list[Marker] = []
    excluded: list[Exclusion] = []
    odd = count = 0
    for count, row in enumerate(_rows(path, ("onset",) if channels is None else OWN_COLUMNS), 1):
        if count > MOST_EVENTS:
            break
        try:
            if channels is None:
                markers.append(_foreign_marker(row, fs=fs, start_s=start_s))
            elif row["trial_type"] == EXCLUDED and row["sample"] == NOT_KNOWN:
                excluded.append(_exclusion(row))
            else:
                markers.append(_own_marker(row, fs=fs, channels=channels))
        except (ValueError, OverflowError):
            odd += 1
    warnings = [f"{counted(odd, 'event')} without a time that can be read, left out"] if odd else []
    if count > MOST_EVENTS:
        warnings.append(f"only the first {MOST_EVENTS} events are taken")
    return Events(tuple(markers), tuple(excluded), tuple(warnings))


def _rows(path: Path, needed: Sequence[str]) -> Iterator[Row]:
    """Yield the rows, what is not known as "n/a"."""
    with parsing(path, "table of events"):
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ReadError(f"{path}: more than {MOST_BYTES} bytes of events; no recording has so many")
        header, *lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    names = header.split("\t")
    if not set(needed) <= set(names) or len(set(names)) < len(names):
        raise ReadError(f"{path}: columns {names[:9]}, expected {', '.join(needed)} among them, each once")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        cells = [cell if cell.strip() else NOT_KNOWN for cell in line.split("\t")]
        if len(cells) != len(names):
            raise ReadError(f"{path}, line {number}: {counted(len(cells), 'cell')}, expected {len(names)}")
        yield dict(zip(names, cells, strict=True))


def _own_marker(row: Row, *, fs: float, channels: int) -> Marker:
    sample = int(row["sample"])
    text, style, owner = (_known(row.get(name)) for name in ("text", "style", "channel"))
    channel = int(owner) if owner else None
    is_there = channel is not None and 0 <= channel < channels
    return Marker(sample, sample / fs, text, style, channel if is_there else None)


def _foreign_marker(row: Row, *, fs: float, start_s: float) -> Marker:
    sample = round((float(row["onset"]) - start_s) * fs)
    text = next(filter(None, (_known(row.get(name)).strip() for name in TEXT_COLUMNS)), "")
    return Marker(sample, sample / fs, text)


def _exclusion(row: Row) -> Exclusion:
    start_s = float(row["onset"])
    stop_s = math.inf if row["duration"] == NOT_KNOWN else round(start_s + float(row["duration"]), DECIMALS)
    if not 0 <= start_s < stop_s:
        raise ValueError
    return Exclusion(start_s, stop_s, _known(row.get("reason")))


def _known(cell: str | None) -> str:
    return "" if cell in (None, NOT_KNOWN) else str(cell)
