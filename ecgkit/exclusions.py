"""What of a session is not to be used, in seconds from its start; and what is left of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ROUNDING = 1e-6  # of a sample: a whole one may come out a rounding error too large


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A stretch of a session that is not to be used, and why; from 0 to infinity is all of it."""

    start_s: float
    stop_s: float
    reason: str

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole session."""
        return self.start_s == 0 and self.stop_s == math.inf

    @property
    def span_text(self) -> str:
        """Which part of a session it is, as people write times."""
        if self.is_whole:
            return "all of it"
        return f"{_clock(self.start_s)} to {'the end' if math.isinf(self.stop_s) else _clock(self.stop_s)}"

    @property
    def stop_or_none_s(self) -> float | None:
        """Where it stops, None for the session's end: JSON knows no infinity."""
        return self.stop_s if math.isfinite(self.stop_s) else None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; a stop of null is the session's end."""
        return {"start_s": self.start_s, "stop_s": self.stop_or_none_s, "reason": self.reason}


def exclusion_from_json(content: Mapping[str, Any]) -> Exclusion:
    """Return an exclusion from what `as_json` gives.

    Raises
    ------
    ValueError, TypeError, KeyError
        It is none, or stops before it starts.
    """
    stop_s = math.inf if content["stop_s"] is None else float(content["stop_s"])
    exclusion = Exclusion(float(content["start_s"]), stop_s, str(content["reason"]))
    if not 0 <= exclusion.start_s < exclusion.stop_s:
        raise ValueError(f"excluded from {exclusion.start_s:g} to {exclusion.stop_s:g} s")
    return exclusion


def used_spans(excluded: Sequence[Exclusion], *, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Return the spans of a session that are left, in order of time, seconds."""
    used, start_s = [], 0.0
    for span in sorted(excluded, key=lambda span: span.start_s):
        if start_s < min(span.start_s, duration_s):
            used.append((start_s, min(span.start_s, duration_s)))
        start_s = max(start_s, span.stop_s)
    if start_s < duration_s:
        used.append((start_s, duration_s))
    return tuple(used)


def used_samples(
    excluded: Sequence[Exclusion], fs: float, *, start: int, stop: int
) -> tuple[tuple[int, int], ...]:
    """Return the stretches of the samples [start, stop) of which nothing is excluded, sample indexes.

    A sample belongs to an exclusion from its start to before its stop.
    """
    spans = used_spans(excluded, duration_s=stop / fs)
    edges = ([min(max(_sample(edge_s * fs), start), stop) for edge_s in span] for span in spans)
    return tuple((first, last) for first, last in edges if first < last)


def used_s(excluded: Sequence[Exclusion], *, duration_s: float) -> float:
    """Return how many seconds of a session are left."""
    return sum(stop_s - start_s for start_s, stop_s in used_spans(excluded, duration_s=duration_s))


def _sample(position: float) -> int:
    return math.ceil(position - ROUNDING)


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(round(time_s, 3), 60)
    return f"{minutes:.0f}:{seconds:06.3f}".removesuffix(".000")
