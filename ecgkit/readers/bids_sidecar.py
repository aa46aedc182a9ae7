"""The sidecar of a BIDS table: BIDS' own keys, and ecgkit's, which bring a session back exactly.

ecgkit adds one key for the session and one for each column. Both are of no concern to other programs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field

from ecgkit.errors import ConfigError, ReadError
from ecgkit.readers.foreign import parsing
from ecgkit.readers.usable import checked_rate
from ecgkit.settings import Settings, checked

SESSION_KEY = "EcgkitSession"
CHANNEL_KEY = "EcgkitChannel"
MOST_BYTES = 1 << 20
MOST_COLUMNS = 1024

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Number = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ChannelNote(Settings):
    """The channel that a column holds, exactly.

    `stored` says what the column's numbers are: the channel's values, or its raw samples where these can't
    be told from the values. `missing` is the count that "n/a" stands for.
    """

    index: Count
    number: Number
    name: str
    unit: str
    dtype: Literal["int16", "int32", "float32", "float64"]
    samples: Count
    scale: float
    offset: float
    missing: Number | None = None
    stored: Literal["values", "raw"] = "values"


class SessionNote(Settings):
    """The session that a table is of."""

    version: Literal["1.0"] = "1.0"
    condition: str
    fs: Rate
    channels: Count
    ecg: tuple[Count, ...]
    leads: tuple[str, ...]
    respiration: Count | None = None
    simulated: bool = False
    source: str = ""
    source_sha256: str = ""
    source_name: str | None = None
    journal: str | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `unit` is "" where the sidecar gives none."""

    name: str
    unit: str
    note: ChannelNote | None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What the sidecars of a table say together.

    Attributes
    ----------
    start_s
        Time of the first row on the clock of the events.
    kind
        Which type of recording it is ("generic", "eyetrack").
    note
        The session that ecgkit wrote, None where others did.
    """

    files: tuple[Path, ...]
    fs: float
    start_s: float
    columns: tuple[Column, ...]
    kind: str
    note: SessionNote | None


def read_sidecar(table: Path, files: Iterable[Path]) -> Sidecar:
    """Read the sidecars that hold for a table, the most general first; later ones overrule.

    Raises
    ------
    ReadError
        There is none, one is no JSON object, or they do not say the rate and the columns.
    """
    files = tuple(files)
    if not files:
        raise ReadError(
            f"{table}: its sidecar {table.name.removesuffix('.tsv.gz')}.json, which says the rate and the "
            "columns, is neither beside it nor above it in its data set; copy the whole data set"
        )
    content: dict[str, Any] = {}
    for file in files:
        content |= read_object(file)
    where = files[-1]
    note = content.get(SESSION_KEY)
    return Sidecar(
        files=files,
        fs=_rate(where, content.get("SamplingFrequency")),
        start_s=_number(where, "StartTime", content.get("StartTime", 0.0)),
        columns=_columns(where, content),
        kind=str(content.get("PhysioType", "generic")),
        note=None if note is None else _session_note(where, note),
    )


def read_object(path: Path) -> dict[str, Any]:
    """Read a small JSON object; at most 1 MB, and no NaN.

    Raises
    ------
    ReadError
        It is none, or can't be opened.
    """
    with parsing(path, "sidecar"):
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ReadError(f"{path}: more than {MOST_BYTES} bytes, expected a small file of facts")
        content = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
    if not isinstance(content, dict):
        raise ReadError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _number(where: Path, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise ReadError(f"{where}: {key} is {str(value)[:50]!r}, expected a number; correct it there")
    return float(value)


def _rate(where: Path, value: Any) -> float:
    advice = "correct it there"
    fs = _number(where, "SamplingFrequency", value)
    return checked_rate(where, fs, f"SamplingFrequency is {fs:g}", advice=advice)


def _columns(where: Path, content: Mapping[str, Any]) -> tuple[Column, ...]:
    names = content.get("Columns")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ReadError(f"{where}: Columns is {str(names)[:50]!r}, expected a list of names")
    if len(names) > MOST_COLUMNS or len(set(names)) < len(names):
        raise ReadError(
            f"{where}: Columns has {len(names)} names, {len(set(names))} of them different; expected at "
            f"most {MOST_COLUMNS}, each once"
        )
    return tuple(_column(where, name, content.get(name)) for name in names)


def _column(where: Path, name: str, said: Any) -> Column:
    said = said if isinstance(said, dict) else {}
    note = said.get(CHANNEL_KEY)
    if note is not None:
        found = _note(where, f"{name}.{CHANNEL_KEY}", ChannelNote, note)
        return Column(found.name, found.unit, found)
    unit = said.get("Units")
    return Column(name, unit if isinstance(unit, str) and unit != "n/a" else "", None)


def _session_note(where: Path, content: Any) -> SessionNote:
    note: SessionNote = _note(where, SESSION_KEY, SessionNote, content)
    checked_rate(where, note.fs, f"{SESSION_KEY}.fs is {note.fs:g}")
    return note


def _note(where: Path, key: str, model: Any, content: Any) -> Any:
    try:
        return checked(model, content, where=f"{where}: {key}")
    except ConfigError as error:
        raise ReadError(
            f"{error}; use the ecgkit that wrote it, or remove this key to have the table read like any other"
        ) from error


def plain(note: Settings) -> dict[str, Any]:
    """Return a note as plain values for JSON; what JSON has no number for is text ("nan", "inf")."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in note.model_dump(mode="python", exclude_none=True).items()
    }
