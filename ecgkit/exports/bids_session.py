"""One session as BIDS files: a table and a sidecar for each rate, and the events."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ecgkit.exclusions import Exclusion
from ecgkit.exports.bids_table import tells_raw, write_table
from ecgkit.readers.bids_events import DECIMALS, EXCLUDED, NOT_KNOWN
from ecgkit.readers.bids_names import EVENTS_END, RECORDING, SIDECAR_END, TABLE_END, file_name
from ecgkit.readers.bids_sidecar import CHANNEL_KEY, SESSION_KEY, ChannelNote, SessionNote, plain
from ecgkit.readers.usable import clean_text
from ecgkit.records import Channel, Marker, Session, Tags

DATATYPE = "beh"
MARKER = "marker"  # `trial_type` of one without text and style
EVENT_COLUMNS = {  # "" where BIDS says itself what it is
    "onset": "",
    "duration": "",
    "trial_type": "Text of the marker where it was kept, else its style. excluded: a stretch that is not "
    "to be used, to the end where it has no duration.",
    "sample": "Sample of the marker at the recording's base rate, from 0.",
    "style": "The file format's code for the kind of marker (apnd: the recording was resumed here).",
    "channel": "Index of the channel that the marker concerns, from 0, where it concerns one.",
    "text": "Text of the marker.",
    "reason": "Why the stretch is not to be used.",
}


@dataclass(frozen=True, slots=True)
class Task:
    """A condition as BIDS has it: the label for file names, and what it is in words."""

    label: str
    key: str
    title: str
    description: str = ""


def write_session(folder: Path, session: Session, task: Task) -> tuple[Path, ...]:
    """Write a session into a data set's folder; return its tables, relative to that folder.

    Channels of one rate share a table; where there are several rates, the names tell them apart by
    `recording`. The files say of the source what the session says.
    """
    entities = entities_of(session.tags, task)
    place = folder / folder_of(entities) / DATATYPE
    place.mkdir(parents=True, exist_ok=True)  # of other sessions of the visit
    tables = []
    for recording, channels in by_rate(session.recording.channels).items():
        named = {**entities, RECORDING: recording} if recording else entities
        tables.append(place / file_name(named, TABLE_END))
        write_table(tables[-1], channels)
        write_json(place / file_name(named, SIDECAR_END), _sidecar(session, task, channels))
    _write_events(place / file_name(entities, EVENTS_END), session)
    return tuple(table.relative_to(folder) for table in tables)


def entities_of(tags: Tags, task: Task) -> dict[str, str]:
    """Return the entities of a session's files: visit is ``ses``, take is ``run``."""
    return {"sub": tags.subject, "ses": str(tags.visit), "task": task.label, "run": str(tags.take)}


def folder_of(entities: Mapping[str, str]) -> Path:
    """Return a visit's folder in the data set."""
    return Path(f"sub-{entities['sub']}", f"ses-{entities['ses']}")


def by_rate(channels: Sequence[Channel]) -> dict[str, list[Channel]]:
    """Return the channels of each rate under the label of their table, "" where there is one rate only."""
    rates = {fs: [c for c in channels if c.fs == fs] for fs in dict.fromkeys(c.fs for c in channels)}
    if len(rates) == 1:
        return {"": list(channels)}
    labelled: dict[str, list[Channel]] = {}
    for fs, group in rates.items():
        labelled[_unused(_rate_label(fs), labelled, "n")] = group
    return labelled


def _rate_label(fs: float) -> str:
    """Return a rate as letters and digits: 62.5 Hz is 62p5Hz."""
    return re.sub(r"[^0-9A-Za-z]", "", f"{fs:.6g}Hz".replace(".", "p"))


def _unused(label: str, used: Mapping[str, Any], separator: str) -> str:
    """Return a label that is not used yet: with a number behind it if need be."""
    if label not in used:
        return label
    return next(new for i in range(2, len(used) + 3) if (new := f"{label}{separator}{i}") not in used)


def _sidecar(session: Session, task: Task, channels: Sequence[Channel]) -> dict[str, Any]:
    columns: dict[str, dict[str, Any]] = {}
    for channel in channels:
        columns[_unused(_column_name(channel.name), columns, "_")] = _column(session, channel)
    described = {"TaskDescription": task.description} if task.description else {}
    return {
        "SamplingFrequency": channels[0].fs,
        "StartTime": 0.0,
        "PhysioType": "generic",
        "TaskName": task.key,
        **described,
        "Columns": list(columns),
        **columns,
        SESSION_KEY: plain(_session_note(session)),
    }


def _column_name(name: str) -> str:
    """Return a channel's name as BIDS wants those of columns: lower-case letters, digits and _."""
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_") or "channel"


def _column(session: Session, channel: Channel) -> dict[str, Any]:
    stored: Literal["values", "raw"] = "values" if tells_raw(channel) else "raw"
    kept = {name: getattr(channel, name) for name in ("index", "number", "name", "unit", "scale", "offset")}
    kept |= {"dtype": channel.dtype.name, "samples": channel.n_samples, "missing": channel.missing}
    note = ChannelNote(**kept, stored=stored)
    return {
        "LongName": channel.name or "channel without a name",
        "Description": _description(session, channel) + ("" if stored == "values" else ", as raw samples"),
        "Units": (channel.unit.strip() if stored == "values" else "") or NOT_KNOWN,
        CHANNEL_KEY: plain(note),
    }


def _description(session: Session, channel: Channel) -> str:
    if channel.index in session.ecg:
        return f"ECG, lead {session.leads[session.ecg.index(channel.index)]}"
    if channel.index == session.respiration:
        return "Respiration"
    return "Recorded alongside"


def _session_note(session: Session) -> SessionNote:
    recording = session.recording
    return SessionNote(
        condition=session.tags.condition,
        fs=recording.fs,
        channels=len(recording.channels),
        ecg=session.ecg,
        leads=session.leads,
        respiration=session.respiration,
        simulated=recording.simulated,
        source=recording.version,
        source_sha256=session.sha256,
        source_name=session.source_name,
        journal=recording.journal,
        lost=recording.lost,
    )


def _write_events(path: Path, session: Session) -> None:
    """Write markers and excluded stretches by time, if there are any, and what their columns are."""
    markers = session.recording.markers
    excluded = [exclusion for exclusion in session.excluded if not exclusion.is_whole]
    rows = sorted([*map(_marker, markers), *map(_excluded, excluded)], key=lambda row: float(row["onset"]))
    if not rows:
        return
    columns = [
        name for name in EVENT_COLUMNS if name not in ("text", "reason") or any(name in r for r in rows)
    ]
    lines = ["\t".join(columns), *("\t".join(row.get(name, NOT_KNOWN) for name in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    described = {name: {"Description": EVENT_COLUMNS[name]} for name in columns if EVENT_COLUMNS[name]}
    write_json(path.with_suffix(".json"), described)


def _marker(marker: Marker) -> dict[str, str]:
    text, style = clean_text(marker.text), clean_text(marker.style)  # with blanks at the end: "scr "
    known = {"style": style, "channel": "" if marker.channel is None else str(marker.channel), "text": text}
    return {
        "onset": repr(marker.time_s),
        "duration": NOT_KNOWN,
        "trial_type": text.strip() or style.strip() or MARKER,
        "sample": str(marker.sample),
        **{name: value for name, value in known.items() if value.strip()},
    }


def _excluded(exclusion: Exclusion) -> dict[str, str]:
    duration_s = round(exclusion.stop_s - exclusion.start_s, DECIMALS)
    return {
        "onset": repr(exclusion.start_s),
        "duration": repr(duration_s) if math.isfinite(duration_s) else NOT_KNOWN,
        "trial_type": EXCLUDED,
        "reason": clean_text(exclusion.reason).strip() or NOT_KNOWN,
    }


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, as people like to read it."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
