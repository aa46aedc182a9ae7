"""What is measured of a session: the numbers that a protocol's checks judge."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecgkit.analysis.rhythm import Rhythm


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a session; NaN stands for what can't be told.

    Attributes
    ----------
    quality_share
        Share of the session's windows whose ECG can be used, 0 to 1.
    edr_hz
        Breathing rate as derived from the ECG.
    respiration_hz
        Breathing rate of a respiration channel.
    """

    rhythm: Rhythm
    duration_s: float
    quality_share: float = math.nan
    edr_hz: float = math.nan
    respiration_hz: float = math.nan

    def as_json(self) -> dict[str, Any]:
        """Return plain values; null where nothing could be told."""
        values = dataclasses.asdict(self)
        rhythm = {name: _plain(value) for name, value in values.pop("rhythm").items()}
        return {"rhythm": rhythm, **{name: _plain(value) for name, value in values.items()}}


def measures_from_json(values: Mapping[str, Any]) -> Measures:
    """Return measures from what `as_json` gives.

    Raises
    ------
    ValueError, TypeError, KeyError
        They are no such values.
    """
    rhythm = values["rhythm"]
    numbers = {
        field.name: _number(rhythm[field.name])
        for field in dataclasses.fields(Rhythm)
        if field.name != "n_beats"
    }
    others = {
        field.name: _number(values[field.name])
        for field in dataclasses.fields(Measures)
        if field.name != "rhythm"
    }
    return Measures(Rhythm(n_beats=int(rhythm["n_beats"]), **numbers), **others)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
