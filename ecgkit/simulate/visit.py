"""A whole visit in one recording: conditions and pauses in turn, marked as a lab marks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ecgkit.records import Marker
from ecgkit.simulate.noise import Signal
from ecgkit.simulate.study import (
    CONDITIONS,
    SimulatedRecording,
    Span,
    respiration_divider,
    simulate_recording,
    timed_marker,
)

PAUSE_S = 20.0
PACING_STYLES = ("rein", "reot")


@dataclass(frozen=True, slots=True)
class _Part:
    """A condition's recording or a pause's, and at which sample of the visit it starts."""

    start: int
    recording: SimulatedRecording

    @property
    def start_s(self) -> float:
        return self.start / self.recording.fs


def visit_spans(*, fs: float, duration_s: float) -> tuple[Span, ...]:
    """Return where in a visit's recording each condition lies.

    A pause of 20 s comes before each, longer by some samples where the respiration channel, which has fewer,
    would otherwise not start with the condition.
    """
    divider, n = respiration_divider(fs), round(duration_s * fs)
    spans: list[Span] = []
    stop = 0
    for condition in CONDITIONS:
        start = -(-(stop + round(PAUSE_S * fs)) // divider) * divider
        stop = start + n
        spans.append(Span(condition, start / fs, stop / fs))
    return tuple(spans)


def visit_duration_s(*, fs: float, duration_s: float) -> float:
    """Return how long a visit's recording is: to the end of the pause after the last condition."""
    return visit_spans(fs=fs, duration_s=duration_s)[-1].stop_s + round(PAUSE_S * fs) / fs


def simulate_visit(
    subject: int, visit: int, *, fs: float, seed: int, duration_s: float, mains_hz: float, clean: bool = False
) -> SimulatedRecording:
    """Simulate all conditions of a visit in one recording.

    Within its span, a condition has the very samples of `simulate_recording`; the pauses are rests of the
    same person. Nothing smooths the joints. Markers stand exactly where a condition starts and stops.

    Parameters
    ----------
    subject, visit
        From 1.
    duration_s
        Of each condition.
    mains_hz, clean
        As `simulate_recording` takes them.

    Raises
    ------
    ConfigError
        A number is outside what can be simulated.
    """

    simulate = partial(
        simulate_recording, subject, visit=visit, fs=fs, seed=seed, mains_hz=mains_hz, clean=clean
    )
    spans = visit_spans(fs=fs, duration_s=duration_s)
    parts: list[_Part] = []
    stop_s = 0.0
    for number, span in enumerate(spans):
        pause = simulate(condition="rest", duration_s=span.start_s - stop_s, pause=number)
        condition = simulate(condition=span.condition, duration_s=duration_s)
        parts += [_Part(round(stop_s * fs), pause), _Part(round(span.start_s * fs), condition)]
        stop_s = span.stop_s
    parts.append(_Part(round(stop_s * fs), simulate(condition="rest", duration_s=PAUSE_S, pause=len(spans))))
    return _joined(parts, spans)


def _joined(parts: Sequence[_Part], spans: tuple[Span, ...]) -> SimulatedRecording:
    """Put the parts one after the other; everything known of them moves along."""
    first, divider = parts[0].recording, parts[0].recording.respiration_divider
    ends = [*(part.start for part in parts[1:]), parts[-1].start + parts[-1].recording.ecg_mv.size]
    n_belt = [-(-stop // divider) - -(-part.start // divider) for part, stop in zip(parts, ends, strict=True)]
    belts = [part.recording.respiration[:n] for part, n in zip(parts, n_belt, strict=True)]
    return replace(
        first,
        spans=spans,
        ecg_mv=np.concatenate([part.recording.ecg_mv for part in parts]),
        respiration=np.concatenate(belts),
        r_peaks_s=np.concatenate([part.start_s + part.recording.r_peaks_s for part in parts]),
        heart_rate_bpm=_heart_rate(parts, duration_s=ends[-1] / first.fs),
        artefacts=tuple(
            replace(found, start_s=part.start_s + found.start_s, stop_s=part.start_s + found.stop_s)
            for part in parts
            for found in part.recording.artefacts
        ),
        markers=_markers(parts, spans),
    )


def _heart_rate(parts: Sequence[_Part], *, duration_s: float) -> Signal:
    """Bring the heart rates to one grid of the usual rate: a part may start between two of its points."""
    fs = parts[0].recording.heart_rate_fs
    rates = [part.recording.heart_rate_bpm for part in parts]
    at_s = [part.start_s + np.arange(rate.size) / fs for part, rate in zip(parts, rates, strict=True)]
    return np.interp(np.arange(round(duration_s * fs)) / fs, np.concatenate(at_s), np.concatenate(rates))


def _markers(parts: Sequence[_Part], spans: Sequence[Span]) -> tuple[Marker, ...]:
    """Return the segment's marker, a flag at both ends of each condition, and the pacing of breaths."""
    segment = parts[0].recording.markers[0]
    labels = [(span, span.condition.replace("_", " ")) for span in spans]
    events = [(span.start_s, f"{label} start", "flag") for span, label in labels]
    events += [(span.stop_s, f"{label} stop", "flag") for span, label in labels]
    events += [
        (part.start_s + marker.time_s, marker.text, marker.style)
        for part in parts
        for marker in part.recording.markers
        if marker.style in PACING_STYLES
    ]
    first = parts[0].recording
    return segment, *(timed_marker(event, first.fs, first.start_time) for event in sorted(events))
