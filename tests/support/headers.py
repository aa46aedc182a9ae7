"""Headers of sessions that lie in no file, for tests of what is said of sessions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ecgkit.analysis.measures import Measures
from ecgkit.analysis.rhythm import measure_rhythm
from ecgkit.records import Tags
from ecgkit.study.session_file import SessionHeader

# numbers that a session of each condition of dt4ecg should have
TYPICAL = {
    "rest": {"heart_rate_bpm": 62.0, "breathing_share": 0.1, "respiration_hz": 0.25},
    "exercise": {"heart_rate_bpm": 110.0, "slope_bpm_per_min": -9.0, "breathing_share": 0.1},
    "deep_breathing": {
        "heart_rate_bpm": 64.0,
        "breathing_hz": 0.1,
        "breathing_share": 0.9,
        "respiration_hz": 0.1,
        "e_minus_i_bpm": 20.0,
        "e_to_i_ratio": 1.3,
    },
}


def header(tags: Tags, *, as_in: str | None = None, duration_s: float = 180.0, **more: Any) -> SessionHeader:
    """A session whose numbers are those of its condition, or of the one that it is `as_in`."""
    numbers = dict(TYPICAL[as_in or tags.condition])
    respiration_hz = numbers.pop("respiration_hz", 0.3)
    half_bpm = 1.5 * numbers.get("slope_bpm_per_min", 0.0)
    rhythm = dataclasses.replace(
        measure_rhythm([]),
        start_heart_rate_bpm=numbers["heart_rate_bpm"] - half_bpm,
        stop_heart_rate_bpm=numbers["heart_rate_bpm"] + half_bpm,
        **numbers,
    )
    plain = SessionHeader(
        path=Path("none"),
        tags=tags,
        sha256="",
        span_s=None,
        fs=1000.0,
        duration_s=duration_s,
        ecg=(0,),
        leads=("X",),
        simulated=True,
        measures=Measures(rhythm, duration_s, quality_share=1.0, respiration_hz=respiration_hz),
        warnings=(),
        lost=(),
        excluded=(),
        content_sha256="",
    )
    return dataclasses.replace(plain, **more)
