"""The drawing of a session's heart rate over time, with what the protocol expects of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.faults import runs
from ecgkit.analysis.rhythm import END_S, Rhythm, normal_intervals
from ecgkit.protocol.compliance import CheckResult
from ecgkit.protocol.model import closed
from ecgkit.report import svg
from ecgkit.report.study_figures import EDGE, TEXT, WIDTH, clock
from ecgkit.report.traces import reduced

Samples = NDArray[np.float64]
Spans = Sequence[tuple[float, float]]

LEFT, TOP, HEIGHT = 90, 50, 400
RIGHT = WIDTH - EDGE
FLOOR = TOP + HEIGHT
TRACK = 14  # height of a bar beneath
COLUMNS = 300
LEAST_RANGE_BPM, ROOM_BPM = 40.0, 4.0
FEWEST_PACED = 6  # units a half breath must have to be seen
CLOCK_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
MOST_TICKS = 8


@dataclass(frozen=True, slots=True, eq=False)
class RatePicture:
    """What the drawing shows.

    Attributes
    ----------
    beats_s
        Times of the R peaks, one array for each stretch without a gap, seconds from the session's start.
    rhythm
        What was measured of them.
    checks
        The session's; those of the heart rate are drawn.
    duration_s, expected_s
        The session's length, and the protocol's for its condition.
    breath_period_s
        Length of a paced breath, None where breathing is free.
    delay_s
        When after the stimulus the recording should begin, None where there is no stimulus.
    rejected_s, doubtful_s, excluded_s
        Spans of poor quality, and those that are not used.
    """

    beats_s: tuple[Samples, ...]
    rhythm: Rhythm
    checks: tuple[CheckResult, ...]
    duration_s: float
    expected_s: float
    breath_period_s: float | None = None
    delay_s: float | None = None
    rejected_s: Spans = ()
    doubtful_s: Spans = ()
    excluded_s: Spans = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a check wants the heart rate over a part of the session, and where it was."""

    measure: str
    start_s: float
    stop_s: float
    low_bpm: float
    high_bpm: float
    measured_bpm: float
    verdict: str


# a check of the heart rate -> which part of the session it judges, where the rate was there, and what a bound
# of the check is as a heart rate; rest is found back from the session's own number
DRAWN: dict[str, tuple[str, str, Callable[[float, float, Rhythm], float]]] = {
    "heart_rate_bpm": ("all", "heart_rate_bpm", lambda bound, _value, _rhythm: bound),
    "start_heart_rate_bpm": ("start", "start_heart_rate_bpm", lambda bound, _value, _rhythm: bound),
    "stop_heart_rate_bpm": ("stop", "stop_heart_rate_bpm", lambda bound, _value, _rhythm: bound),
    "change_bpm": (
        "stop",
        "stop_heart_rate_bpm",
        lambda bound, _value, rhythm: rhythm.start_heart_rate_bpm + bound,
    ),
    "above_rest_bpm": (
        "all",
        "heart_rate_bpm",
        lambda bound, value, rhythm: rhythm.heart_rate_bpm - value + bound,
    ),
    "ratio_to_rest": (
        "all",
        "heart_rate_bpm",
        lambda bound, value, rhythm: rhythm.heart_rate_bpm / value * bound,
    ),
}


def expected_rates(checks: Sequence[CheckResult], rhythm: Rhythm, *, duration_s: float) -> list[Expected]:
    """Return the checks of the heart rate as parts of the session and ranges in beats a minute."""
    parts = {"all": (0.0, duration_s), "start": (0.0, END_S), "stop": (duration_s - END_S, duration_s)}
    found = []
    for check in checks:
        if check.measure not in DRAWN or not math.isfinite(check.value):
            continue
        part, measured, bpm_of = DRAWN[check.measure]
        start_s, stop_s = parts[part]
        low, high = (bpm_of(bound, check.value, rhythm) for bound in closed(check.pass_range))
        bounds = (max(start_s, 0.0), min(stop_s, duration_s), low, high)
        found.append(Expected(check.measure, *bounds, getattr(rhythm, measured), check.verdict))
    return found


def draw_rate(picture: RatePicture) -> str:
    """Draw the heart rate from beat to beat, and what the protocol expects of it."""
    time_s, rate_bpm = _rates(picture.beats_s)
    expected = expected_rates(picture.checks, picture.rhythm, duration_s=picture.duration_s)
    axes = _axes(picture, rate_bpm, expected)
    begins = "" if picture.delay_s is None else f"; begins {picture.delay_s:g} s after the stimulus"
    parts = [
        svg.texts([(0, 34, f"heart rate, beats/min{begins}")], "axis"),
        *(_band(axes, item) for item in expected),
        _boxes(axes, "rejected", picture.rejected_s, top=TOP, height=HEIGHT),
        _boxes(axes, "excluded", picture.excluded_s, top=TOP, height=HEIGHT),
        _grid(axes),
        _ends(axes, picture),
        *(_bar(axes, item) for item in expected),
        _slowest_fall(axes, picture),
        _line(axes, time_s, rate_bpm),
        _pacer(axes, picture),
        _boxes(axes, "doubtful", picture.doubtful_s, top=FLOOR + 2, height=TRACK),
        _boxes(axes, "reject", picture.rejected_s, top=FLOOR + 2, height=TRACK),
    ]
    return svg.in_tenths_of_mm(WIDTH, FLOOR + TRACK + TEXT + 14, title="heart rate over time", parts=parts)


def _rates(stretches: Sequence[Samples]) -> tuple[Samples, Samples]:
    """Return time and heart rate, (n,), NaN between stretches and for intervals beside odd beats."""
    parts = [np.empty((2, 0))]
    for beats_s in stretches:
        ends_s, rr_s = normal_intervals(beats_s)
        parts += [np.stack([ends_s, 60 / rr_s]), np.array([[beats_s[-1]], [np.nan]])]
    time_s, rate_bpm = np.concatenate(parts, axis=1)
    return time_s, rate_bpm


@dataclass(frozen=True, slots=True)
class _Axes:
    """What is drawn of time and heart rate, and where."""

    last_s: float
    low_bpm: float
    high_bpm: float

    def x(self, time_s: Samples) -> Samples:
        return LEFT + time_s * ((RIGHT - LEFT) / self.last_s)

    def y(self, rate_bpm: Samples) -> Samples:
        clipped = np.clip(rate_bpm, self.low_bpm, self.high_bpm)
        return FLOOR - (clipped - self.low_bpm) * (HEIGHT / (self.high_bpm - self.low_bpm))

    def box(self, start_s: float, stop_s: float) -> tuple[int, int]:
        """Return where a span begins, and how wide it is, at least one pixel."""
        left, right = np.rint(self.x(np.clip([start_s, stop_s], 0, self.last_s))).tolist()
        return int(left), max(int(right - left), 3)


def _axes(picture: RatePicture, rate_bpm: Samples, expected: Sequence[Expected]) -> _Axes:
    shown = [*rate_bpm[np.isfinite(rate_bpm)].tolist(), *(item.measured_bpm for item in expected)]
    shown += [bound for item in expected for bound in (item.low_bpm, item.high_bpm) if _is_near(bound, item)]
    low, high = (min(shown) - ROOM_BPM, max(shown) + ROOM_BPM) if shown else (40.0, 100.0)
    lacking = max(LEAST_RANGE_BPM - (high - low), 0) / 2
    return _Axes(max(picture.duration_s, picture.expected_s), low - lacking, high + lacking)


def _is_near(bound_bpm: float, item: Expected) -> bool:
    """Tell whether a bound is shown: where the rate was beyond it, or came close."""
    beyond = not item.low_bpm <= item.measured_bpm <= item.high_bpm
    return math.isfinite(bound_bpm) and abs(bound_bpm - item.measured_bpm) < (60 if beyond else 15)


def _band(axes: _Axes, item: Expected) -> str:
    """Draw what a check expects: green, with its bounds as lines where they lie inside."""
    left, width = axes.box(item.start_s, item.stop_s)
    top, foot = np.rint(axes.y(np.array([item.high_bpm, item.low_bpm]))).astype(int)
    inside = {top: item.high_bpm < axes.high_bpm, foot: item.low_bpm > axes.low_bpm}
    bounds = "".join(f"M{left} {level}h{width}" for level, is_inside in inside.items() if is_inside)
    line = f'<path class="bound" d="{bounds}"/>' if bounds else ""
    return f'<rect class="expected" x="{left}" y="{top}" width="{width}" height="{foot - top}"/>{line}'


def _bar(axes: _Axes, item: Expected) -> str:
    """Draw what was measured of a part of the session."""
    left, width = axes.box(item.start_s, item.stop_s)
    level = float(axes.y(np.array(item.measured_bpm)))
    return f'<path class="bar {item.verdict.replace(" ", "-")}" d="M{left} {level:.0f}h{width}"/>'


def _slowest_fall(axes: _Axes, picture: RatePicture) -> str:
    """Draw how slowly the heart rate may fall, where it has to, from where it was at the start."""
    slopes = [check.pass_range[1] for check in picture.checks if check.measure == "slope_bpm_per_min"]
    start_bpm = picture.rhythm.start_heart_rate_bpm
    if not slopes or slopes[0] is None or slopes[0] >= 0 or math.isnan(start_bpm):
        return ""
    stop_s = picture.duration_s
    line = svg.path(
        axes.x(np.array([0.0, stop_s])), axes.y(start_bpm + np.array([0.0, slopes[0] * stop_s / 60]))
    )
    return f'<path class="slope" d="{line}"/>'


def _grid(axes: _Axes) -> str:
    """Draw the axes: tens of beats, and clock times."""
    rates = svg.ticks(axes.low_bpm, axes.high_bpm, most=6)
    levels = np.rint(axes.y(np.array(rates))).astype(int)
    step_s = next((s for s in CLOCK_STEPS_S if axes.last_s / s <= MOST_TICKS), axes.last_s)
    times_s = np.arange(0, axes.last_s + step_s * 1e-6, step_s)
    places = axes.x(times_s).tolist()
    across = "".join(f"M{LEFT} {level}H{RIGHT}" for level in levels)
    named = [(LEFT - 12, level + 11, f"{rate:g}") for level, rate in zip(levels, rates, strict=True)]
    below = [(x, FLOOR + TRACK + TEXT, clock(s)) for x, s in zip(places, times_s.tolist(), strict=True)]
    return f'<path class="grid" d="{across}"/>{svg.texts(named, "axis end")}{svg.texts(below, "axis middle")}'


def _ends(axes: _Axes, picture: RatePicture) -> str:
    """Mark where the recording ends, if before the time that the protocol asks for."""
    if picture.duration_s >= picture.expected_s:
        return ""
    x, width = axes.box(picture.duration_s, picture.expected_s)
    return f'<rect class="absent" x="{x}" y="{TOP}" width="{width}" height="{HEIGHT}"/>'


def _line(axes: _Axes, time_s: Samples, rate_bpm: Samples) -> str:
    if not np.isfinite(rate_bpm).any():
        return svg.texts([(WIDTH / 2, TOP + HEIGHT / 2, "no heart rate that can be told")], "axis middle")
    trace = reduced(time_s, rate_bpm, columns=COLUMNS)
    times_s, rates = trace.time_s, trace.low
    if not np.array_equal(trace.low, trace.high, equal_nan=True):
        times_s, rates = np.repeat(times_s, 2), np.column_stack([trace.low, trace.high]).ravel()
    return f'<path class="rate" d="{svg.path(axes.x(times_s), axes.y(rates))}"/>'


def _pacer(axes: _Axes, picture: RatePicture) -> str:
    """Draw paced breaths as dashes, in and out, as they lie if the pacer began with the recording."""
    if picture.breath_period_s is None:
        return ""
    left, width = axes.box(0, picture.duration_s)
    half = width / picture.duration_s * picture.breath_period_s / 2
    if half < FEWEST_PACED:
        return ""
    return f'<path class="pacer" stroke-dasharray="{half:.1f}" d="M{left} {TOP + 8}h{width}"/>'


def _boxes(axes: _Axes, css: str, spans_s: Spans, *, top: int, height: int) -> str:
    """Draw spans as boxes; those that touch in the drawing are one, since a day has thousands."""
    covered = np.zeros(WIDTH + 1, dtype=np.bool_)
    for left, width in (axes.box(*span_s) for span_s in spans_s):
        covered[left : left + width] = True
    drawn = "".join(f"M{left} {top}H{right}v{height}H{left}z" for left, right in runs(covered))
    return f'<path class="{css}" d="{drawn}"/>' if drawn else ""
