"""Answers over time, drawn in strips: the signal, a lane for each task, the heart rate; as inline SVG.

A minute is drawn window by window; of a day each column stands for many windows and shows the shares of their
answers, so that a drawing never grows past what its strips hold.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.faults import runs
from ecgkit.report.sheet import shortened, shown
from ecgkit.report.svg import path, texts
from ecgkit.report.traces import reduced

# length of a strip, s -> from tick to tick, s
STRIPS_S = {
    30: 5,
    60: 10,
    120: 20,
    300: 60,
    600: 120,
    1800: 300,
    3600: 600,
    7200: 1200,
    14400: 3600,
    43200: 7200,
    86400: 14400,
    604800: 86400,
}
MOST_STRIPS = 12
MOST_ANSWERS = 240  # of a strip that are drawn one by one
COLUMNS = 220  # of a strip with more
TRACE_COLUMNS = 1800
REJECTED_COLUMNS = 600
UNKNOWN, NO_ANSWER = -1, -2

# tenths of a pixel
WIDTH, LEFT, RIGHT = 10_000, 1_000, 9_700
SIGNAL, LANE, RATE, GAP, AXIS = 680, 420, 300, 70, 230
CHARACTER = 66

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """The answers of one task, (n,) each.

    Attributes
    ----------
    title
        What is asked.
    labels
        The answers that were given, the most frequent first.
    tones
        Colours of the first labels; all others share one.
    answer
        Indexes of `labels`, `UNKNOWN` or `NO_ANSWER`.
    probability
        NaN where there is no answer.
    threshold
        Under which an answer is "unknown"; None where there is none.
    """

    title: str
    labels: tuple[str, ...]
    tones: tuple[int, ...]
    answer: NDArray[np.int64]
    probability: Floats
    threshold: float | None = None

    def css(self, answer: int) -> str:
        """Return the class of an answer's colour."""
        if answer in (UNKNOWN, NO_ANSWER):
            return {UNKNOWN: "is-unknown", NO_ANSWER: "is-none"}[answer]
        return f"is-{self.tones[answer]}" if answer < len(self.tones) else "is-other"

    def text(self, answer: int) -> str:
        """Return an answer as people read it."""
        return {UNKNOWN: "unknown", NO_ANSWER: "no answer"}.get(answer) or self.labels[answer]


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """What the strips show.

    Attributes
    ----------
    fs
        Rate of `ecg`, Hz.
    ecg, ecg_start_s, rejected
        Windows of one lead, (N, T), when each begins, and whether it was left out, (N,).
    start_s, stop_s, rate_bpm
        Of the answers, (n,), ascending; NaN where no heart rate was found.
    lanes
        A task each.
    """

    fs: float
    ecg: NDArray[np.float32]
    ecg_start_s: Floats
    rejected: NDArray[np.bool_]
    start_s: Floats
    stop_s: Floats
    rate_bpm: Floats
    lanes: tuple[Lane, ...]

    @property
    def window_s(self) -> float:
        """Length of a window."""
        return float(self.ecg.shape[1] / self.fs)

    @property
    def duration_s(self) -> float:
        """Until the last answer ends."""
        return float(self.stop_s[-1])

    @property
    def strip_s(self) -> int:
        """How long a strip is, so that there are few."""
        fitting = (length for length in STRIPS_S if self.duration_s <= MOST_STRIPS * length)
        return next(fitting, max(STRIPS_S))

    @property
    def in_columns(self) -> bool:
        """Whether a strip holds more answers than are drawn one by one."""
        strip = (self.start_s // self.strip_s).astype(np.int64)
        return int(np.bincount(strip - strip.min()).max()) > MOST_ANSWERS


@dataclass(frozen=True, slots=True)
class _Strip:
    """Where times lie in a strip, and the answers and windows that are in it."""

    start_s: float
    stop_s: float

    def x(self, time_s: Floats) -> Floats:
        share = (np.clip(time_s, self.start_s, self.stop_s) - self.start_s) / (self.stop_s - self.start_s)
        return LEFT + share * (RIGHT - LEFT)

    def holds(self, start_s: Floats, stop_s: Floats) -> slice:
        first = np.searchsorted(stop_s, self.start_s, side="right")
        return slice(int(first), max(int(np.searchsorted(start_s, self.stop_s)), int(first)))


def draw_strips(timeline: Timeline) -> list[str]:
    """Draw the strips in order of time; those without an answer are left out."""
    length, limits = timeline.strip_s, _limits(timeline.ecg)
    n_strips = math.ceil(timeline.duration_s / length)
    strips = (_Strip(i * length, (i + 1) * length) for i in range(n_strips))
    return [
        _draw(timeline, strip, limits)
        for strip in strips
        if len(timeline.start_s[strip.holds(timeline.start_s, timeline.stop_s)])
    ]


def _limits(ecg: NDArray[np.float32]) -> tuple[float, float]:
    """Choose what the signal's panels show: nearly all, so that single spikes don't flatten the rest."""
    some = ecg[:: max(len(ecg) // 500, 1)]
    low, high = (float(value) for value in np.percentile(some, [0.1, 99.9]))
    room = 0.15 * (high - low) or 0.5 * abs(high) or 0.5
    return low - room, high + room


def _draw(timeline: Timeline, strip: _Strip, limits: tuple[float, float]) -> str:
    foot = SIGNAL + GAP + len(timeline.lanes) * (LANE + GAP) + RATE
    parts, top = [_axis(timeline, strip, foot), _signal(timeline, strip, limits)], SIGNAL + GAP
    for lane in timeline.lanes:
        parts.append(_lane(timeline, lane, strip, top))
        top += LANE + GAP
    parts.append(_rate(timeline, strip, top))
    label = f"from {clock(strip.start_s)} to {clock(min(strip.stop_s, timeline.duration_s))}"
    return (
        f'<svg class="strip" viewBox="0 0 {WIDTH} {foot + AXIS}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _signal(timeline: Timeline, strip: _Strip, limits: tuple[float, float]) -> str:
    rows = strip.holds(timeline.ecg_start_s, timeline.ecg_start_s + timeline.window_s)
    time_s, values = _line(timeline.ecg[rows], timeline.ecg_start_s[rows], timeline.fs)
    inside = (time_s >= strip.start_s) & (time_s < strip.stop_s)
    x, y = _drawn(time_s[inside], values[inside], columns=TRACE_COLUMNS)
    low, high = limits
    height = SIGNAL * (high - np.clip(y, low, high)) / (high - low)
    marks = [
        f'<rect class="left-out" x="{begin:.0f}" y="0" width="{end - begin:.0f}" height="{SIGNAL}"/>'
        for begin, end in _rejected(timeline, strip, rows)
    ]
    css = "ecg" if len(x) == np.count_nonzero(inside) else "ecg dense"
    line = f'<path class="{css}" d="{path(strip.x(x), height)}"/>' if len(x) else ""
    return f"{_name('ECG', 0, SIGNAL)}{''.join(marks)}{line}"


def _drawn(time_s: Floats, values: Floats, *, columns: int) -> tuple[Floats, Floats]:
    """Return a line to draw: up and down in each column where there are more values than columns."""
    trace = reduced(time_s, values, columns=columns)
    if trace.low is trace.high:
        return trace.time_s, trace.low
    return np.repeat(trace.time_s, 2), np.column_stack([trace.low, trace.high]).ravel()


def _line(ecg: NDArray[np.float32], start_s: Floats, fs: float) -> tuple[Floats, Floats]:
    """Join windows to one line: of those that overlap the later goes on, between those apart it breaks."""
    n_samples = ecg.shape[1]
    offset_s = np.arange(n_samples + 1) / fs
    next_s = np.append(start_s[1:], np.inf) - start_s  # (n,)
    apart = next_s > (n_samples + 0.5) / fs
    values = np.full((len(ecg), n_samples + 1), np.nan)
    values[:, :n_samples] = ecg
    taken = offset_s < next_s[:, None] - 0.5 / fs  # (n, T + 1)
    taken[:, n_samples] &= apart
    return (start_s[:, None] + offset_s)[taken], values[taken]


def _rejected(timeline: Timeline, strip: _Strip, rows: slice) -> Iterator[tuple[float, float]]:
    """Yield where windows were left out; what lies closer than an eye can part is one."""
    start_s = timeline.ecg_start_s[rows][timeline.rejected[rows]]
    unit = (RIGHT - LEFT) / REJECTED_COLUMNS
    touched = np.zeros(REJECTED_COLUMNS + 1, dtype=np.int64)
    np.add.at(touched, np.floor((strip.x(start_s) - LEFT) / unit).astype(np.int64), 1)
    last = np.ceil((strip.x(start_s + timeline.window_s) - LEFT) / unit).astype(np.int64)
    np.add.at(touched, np.minimum(last, REJECTED_COLUMNS), -1)
    for first, stop in runs(np.cumsum(touched)[:-1] > 0):
        yield LEFT + float(first) * unit, LEFT + float(stop) * unit


def _lane(timeline: Timeline, lane: Lane, strip: _Strip, top: int) -> str:
    rows = strip.holds(timeline.start_s, timeline.stop_s)
    start_s, answer, probability = timeline.start_s[rows], lane.answer[rows], lane.probability[rows]
    stop_s = np.minimum(timeline.stop_s[rows], np.append(timeline.start_s[1:], np.inf)[rows])
    begin, end = strip.x(start_s), strip.x(stop_s)
    if timeline.in_columns:
        blocks, names = _shares(lane, answer, begin, top), ""
        begin, end, probability = _means(begin, probability)
    else:
        blocks, names = _blocks(lane, answer, begin, end, top)
    frame = f'<rect class="frame" x="{LEFT}" y="{top}" width="{RIGHT - LEFT}" height="{LANE}"/>'
    limit = "" if lane.threshold is None else _rule(top + LANE * (1 - min(lane.threshold, 1.0)), "limit")
    curve = _steps(begin, end, probability, top)
    return f"{_name(lane.title, top, LANE)}{frame}{blocks}{limit}{curve}{names}"


def _blocks(lane: Lane, answer: NDArray[np.int64], begin: Floats, end: Floats, top: int) -> tuple[str, str]:
    """Draw answers side by side, those that are alike and touch as one, and names where there is room."""
    same = (answer[1:] == answer[:-1]) & (begin[1:] - end[:-1] < 1)
    edges = [0, *(np.flatnonzero(~same) + 1).tolist(), len(answer)]
    parts, names = [], []
    for first, stop in itertools.pairwise(edges):
        x, width, given = begin[first], end[stop - 1] - begin[first], int(answer[first])
        parts.append(
            f'<rect class="{lane.css(given)}" x="{x:.0f}" y="{top}" width="{width:.0f}" height="{LANE}"/>'
        )
        text = shortened(shown(lane.text(given)), max(int((width - 100) / CHARACTER), 1))
        if given != NO_ANSWER and len(text) > 1 and width > 250:
            names.append((x + 50, top + LANE - 50.0, text))
    return "".join(parts), texts(names, "inside")


def _shares(lane: Lane, answer: NDArray[np.int64], begin: Floats, top: int) -> str:
    """Draw columns of many answers: how much of each column every answer has, the most frequent lowest."""
    column, step = _column(begin), (RIGHT - LEFT) / COLUMNS
    total = np.bincount(column, minlength=COLUMNS)
    floor = np.full(COLUMNS, float(top + LANE))
    # answers of one look are drawn as one
    looks: dict[str, list[int]] = {
        lane.css(int(given)): [] for given in (*range(len(lane.labels)), UNKNOWN, NO_ANSWER)
    }
    for given in np.unique(answer).tolist():
        looks[lane.css(given)].append(given)
    parts = []
    for css, members in looks.items():
        count = np.bincount(column[np.isin(answer, members)], minlength=COLUMNS)
        height = LANE * count / np.maximum(total, 1)
        outline = "".join(
            f"M{LEFT + i * step:.0f} {floor[i]:.0f}h{step:.0f}v{-height[i]:.0f}h{-step:.0f}z"
            for i in np.flatnonzero(count).tolist()
        )
        floor -= height
        parts.append(f'<path class="{css}" d="{outline}"/>' if outline else "")
    return "".join(parts)


def _means(begin: Floats, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return begin, end and mean of the columns that hold a value."""
    finite = np.isfinite(values)
    column, step = _column(begin[finite]), (RIGHT - LEFT) / COLUMNS
    filled, where, n = np.unique(column, return_inverse=True, return_counts=True)
    mean: Floats = np.bincount(where, values[finite], minlength=len(n)) / n
    begins = np.asarray(LEFT + filled * step, dtype=np.float64)
    return begins, begins + step, mean


def _column(x: Floats) -> NDArray[np.int64]:
    return np.clip((x - LEFT) * COLUMNS / (RIGHT - LEFT), 0, COLUMNS - 1).astype(np.int64)


def _steps(begin: Floats, end: Floats, values: Floats, top: int) -> str:
    """Draw a curve of levels from 0 at a lane's floor to 1 at its top; it breaks where there is none."""
    finite = np.isfinite(values)
    y = np.rint(top + LANE * (1 - values[finite])).astype(np.int64).tolist()
    x = zip(np.rint(begin[finite]).tolist(), np.rint(end[finite]).tolist(), strict=True)
    parts, reached = [], -math.inf
    for (first, last), level in zip(x, y, strict=True):
        parts.append(f"V{level}H{last:.0f}" if first - reached < 2 else f"M{first:.0f} {level}H{last:.0f}")
        reached = last
    return f'<path class="curve" d="{"".join(parts)}"/>' if parts else ""


def _rate(timeline: Timeline, strip: _Strip, top: int) -> str:
    """Draw the heart rate on one axis for all strips."""
    rates = timeline.rate_bpm[np.isfinite(timeline.rate_bpm)]
    if not len(rates):
        return _name("no heart beats", top, RATE)
    low, high = 10 * math.floor(rates.min() / 10), 10 * math.ceil((rates.max() + 1e-9) / 10)
    rows = strip.holds(timeline.start_s, timeline.stop_s)
    middle, values = (timeline.start_s[rows] + timeline.stop_s[rows]) / 2, timeline.rate_bpm[rows]
    x, y = _drawn(middle, values, columns=TRACE_COLUMNS // 2)
    height = top + RATE * (high - y) / max(high - low, 10)
    ends = texts([(LEFT - 60, top + 90, f"{high}"), (LEFT - 60, top + RATE, f"{low}")], "end")
    line = f'<path class="rate" d="{path(strip.x(x), height)}"/>' if np.isfinite(height).any() else ""
    return f"{_name('beats/min', top, RATE)}{ends}{line}"


def _axis(timeline: Timeline, strip: _Strip, top: int) -> str:
    step = STRIPS_S[timeline.strip_s]
    times_s = np.arange(strip.start_s, strip.stop_s + 1, step)
    places = zip(strip.x(times_s).tolist(), times_s.tolist(), strict=True)
    lines = "".join(f"M{x:.0f} 0V{top + 40}" for x in strip.x(times_s))
    return f'<path class="tick" d="{lines}"/>' + texts(
        [(x, top + 160, clock(time_s)) for x, time_s in places], "middle"
    )


def clock(seconds: float) -> str:
    """Write a time as it counts from the start: 0:05, 1:02:00.

    Examples
    --------
    >>> clock(5), clock(3720)
    ('0:05', '1:02:00')
    """
    whole = int(seconds)
    minutes = f"{whole % 3600 // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{minutes:0>5}" if whole >= 3600 else minutes


def legend(lane: Lane) -> Sequence[tuple[str, str]]:
    """Return (class, text) of the looks that a lane's answers have."""
    given = np.unique(lane.answer)
    named = [(lane.css(i), lane.labels[i]) for i in range(min(len(lane.tones), len(lane.labels)))]
    others = lane.labels[len(lane.tones) :]
    return [
        *named,
        *([("is-other", f"others ({len(others)})")] if others else []),
        *([("is-unknown", "unknown")] if UNKNOWN in given else []),
    ]


def _name(text: str, top: int, height: int) -> str:
    y = top + height / 2 + 40
    return f'<text class="name" x="0" y="{y:.0f}">{escape(text)}</text>'


def _rule(y: float, css: str) -> str:
    return f'<path class="{css}" d="M{LEFT} {y:.0f}H{RIGHT}"/>'
