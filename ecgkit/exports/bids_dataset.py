"""What a BIDS data set says of itself: description, participants, README, dates of the recordings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecgkit import __version__
from ecgkit.exports.bids_session import Task, folder_of, write_json
from ecgkit.readers.bids_events import NOT_KNOWN
from ecgkit.readers.bids_names import DESCRIPTION_FILE, SCANS_END, file_name

BIDS_VERSION = "1.11.1"
GENERATOR = "ecgkit"
README_FILE = "README"
PARTICIPANTS = "participants"
COLUMNS: Mapping[str, dict[str, Any]] = {
    "age": {"Description": "Age of the participant.", "Units": "year"},
    "sex": {"Description": "Sex of the participant, as the participant reports it."},
    "handedness": {"Description": "Handedness of the participant, as the participant reports it."},
}
LEVELS = {
    "sex": {"f": "female", "female": "female", "m": "male", "male": "male", "o": "other", "other": "other"},
    "handedness": {
        **dict.fromkeys(("l", "left"), "left-handed"),
        **dict.fromkeys(("r", "right"), "right-handed"),
        **dict.fromkeys(("a", "ambidextrous"), "ambidextrous"),
    },
}
OLDEST = 89  # BIDS wants this for any age above, which can tell who somebody is


@dataclass(frozen=True, slots=True)
class About:
    """What a data set is, in words.

    Attributes
    ----------
    protocol
        The protocol's title and source.
    columns
        Columns of the table of participants, in order.
    participants
        Subject -> column -> value, "" where it is not known.
    """

    name: str
    protocol: str
    source: str
    tasks: tuple[Task, ...]
    simulated: bool
    columns: tuple[str, ...]
    participants: Mapping[str, Mapping[str, str]]
    authors: tuple[str, ...] = ()
    license: str = ""


def write_dataset_files(folder: Path, about: About, *, n_sessions: int) -> None:
    """Write what stands at the top of the data set: description, README, participants."""
    description = {
        "Name": about.name + (" (SIMULATED)" if about.simulated else ""),
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        **({"License": about.license} if about.license else {}),
        **({"Authors": list(about.authors)} if about.authors else {}),
        "GeneratedBy": [{"Name": GENERATOR, "Version": __version__}],
    }
    write_json(folder / DESCRIPTION_FILE, description)
    _write_lines(folder / README_FILE, _readme(about, n_sessions))
    _write_participants(folder, about)


def write_scans(folder: Path, tables: Mapping[Path, datetime], entities: Mapping[str, str]) -> None:
    """Write when the tables of a visit were recorded, relative paths in the data set -> time.

    A time with a zone is written in UTC; one without is the clock of the place.
    """
    visit = {name: entities[name] for name in ("sub", "ses")}
    rows = [
        f"{table.relative_to(folder_of(visit)).as_posix()}\t{_date(time)}"
        for table, time in sorted(tables.items())
    ]
    _write_lines(folder / folder_of(visit) / file_name(visit, SCANS_END), ["filename\tacq_time", *rows])


def _date(time: datetime) -> str:
    if time.tzinfo is None:
        return time.isoformat()
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _readme(about: About, n_sessions: int) -> Iterable[str]:
    yield f"# {about.name}"
    yield ""
    if about.simulated:
        yield "SIMULATED data: made by a program, nobody was recorded."
        yield ""
    yield from textwrap.wrap(
        f"Electrocardiograms of {len(about.participants)} participants in {n_sessions} sessions, as they "
        f"were recorded: nothing is filtered. Protocol: {about.protocol}. {' '.join(about.source.split())}",
        width=100,
    )
    yield ""
    yield "Tasks (the conditions of the protocol):"
    yield ""
    for task in about.tasks:
        text = " ".join(f"{task.title}. {task.description}".split())
        yield from textwrap.wrap(f"- task-{task.label} ({task.key}): {text}", 100, subsequent_indent="  ")
    yield ""
    yield from textwrap.wrap(
        "ses is the visit: a day, or a placement of electrodes. run is the take: a repetition within a "
        "visit. Each *_physio.tsv.gz holds the channels of one sampling rate, in the units of its sidecar; "
        "n/a is a sample that is missing. Times of events count from the first sample. The keys "
        "EcgkitSession and EcgkitChannel of the sidecars let ecgkit take the sessions back exactly as "
        "they were recorded.",
        width=100,
    )
    yield ""
    yield f"Made by ecgkit {__version__}."


def _write_participants(folder: Path, about: About) -> None:
    header = ("participant_id", *about.columns)
    rows = [
        (f"sub-{subject}", *(_cell(column, values.get(column, "")) for column in about.columns))
        for subject, values in sorted(about.participants.items())
    ]
    _write_lines(folder / f"{PARTICIPANTS}.tsv", ["\t".join(row) for row in (header, *rows)])
    described = {
        column: _described(column, sorted({row[at] for row in rows} - {NOT_KNOWN}))
        for at, column in enumerate(about.columns, 1)
    }
    unique = {"Description": "Unique identifier of the participant."}
    write_json(folder / f"{PARTICIPANTS}.json", {"participant_id": unique, **described})


def _cell(column: str, value: str) -> str:
    """Return a value as it goes out, "n/a" for none; an age above 89 as 89."""
    try:
        too_old = column == "age" and float(value) > OLDEST
    except ValueError:
        too_old = False
    return str(OLDEST) if too_old else value.strip() or NOT_KNOWN


def _described(column: str, values: Sequence[str]) -> dict[str, Any]:
    known = LEVELS.get(column, {})
    described = COLUMNS.get(
        column, {"Description": f"{column}, as the study's table of participants has it."}
    )
    levels = {value: known.get(value.casefold(), value) for value in values} if known else {}
    return {**described, "Levels": levels} if levels else dict(described)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
