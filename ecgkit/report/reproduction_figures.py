"""The drawings of a reproduction's page: scores over seeds as dots with intervals, trainings as bands.

Colours come from the page's style sheet by class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ecgkit.report.svg import path, texts, ticks

WIDTH, STEP, TOP = 900, 26, 62
LETTER = 6.8  # width of a letter, about
TEXT_AT_RIGHT = 104
CURVES_WIDTH, CURVES_HEIGHT = 470, 250
NOT_THERE = "not there yet"

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Dots:
    """One row of a dot plot; shares.

    Attributes
    ----------
    values
        One a seed.
    text
        At the right end.
    mean, interval
        Over seeds; None where there is none.
    people
        Interval for other subjects; None where there is none.
    other
        What another has for the same; None where it has nothing.
    """

    label: str
    values: tuple[float, ...]
    text: str
    mean: float | None = None
    interval: Interval | None = None
    people: Interval | None = None
    other: float | None = None

    @property
    def shares(self) -> tuple[float, ...]:
        """All that is drawn."""
        single = (share for share in (self.mean, self.other) if share is not None)
        return (*self.values, *single, *(self.interval or ()), *(self.people or ()))


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Trainings of one kind, (seed, epoch): their mean, and one standard deviation to both sides."""

    label: str
    values: Floats


@dataclass(frozen=True, slots=True)
class _Axis:
    """A straight map from values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        return float(self.at(np.array(value)))

    def at(self, values: Floats) -> Floats:
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def dot_plot(rows: Sequence[Dots], *, title: str, tone: int, chance: float | None) -> str:
    """Draw shares as dots with intervals, a row each, over an axis no longer than they need.

    Parameters
    ----------
    tone
        Colour of the dots.
    chance
        A dashed line, where it lies within the axis.
    """
    bottom = TOP + STEP * len(rows)
    left = 22 + LETTER * max((len(row.label) for row in rows), default=0)
    x_of = _Axis(*_limits([share for row in rows for share in row.shares]), left, WIDTH - TEXT_AT_RIGHT)
    parts = [texts([(0, 14, title)], "title"), _key(rows)]
    marks = [(x_of(mark / 100), f"{mark:g} %") for mark in ticks(100 * x_of.low, 100 * x_of.high, most=9)]
    parts += [_rule("grid", (x, TOP - 4), (x, bottom)) for x, _ in marks]
    parts.append(texts([(x, TOP - 10, text) for x, text in marks], "axis middle"))
    if chance is not None and x_of.low <= chance <= x_of.high:
        parts.append(_rule("chance", (x_of(chance), TOP - 4), (x_of(chance), bottom + 4)))
        parts.append(texts([(x_of(chance) + 5, bottom + 12, "chance")], "axis"))
    for place, row in enumerate(rows):
        y = TOP + STEP * (place + 0.5)
        parts.append(texts([(left - 12, y + 4, row.label), (WIDTH, y + 4, row.text)], "axis end"))
        parts.append(_row(row, x_of, y))
    return _svg(WIDTH, bottom + 18, title, parts, css=f"tone-{tone}")


def band_chart(bands: Sequence[Band], *, title: str, dashed: bool = False) -> str:
    """Draw the means of trainings over epochs, each with a band of one standard deviation.

    Parameters
    ----------
    dashed
        For what is not compared, but stands beside it.
    """
    left, right, top, bottom = 48, CURVES_WIDTH - 12, 52, CURVES_HEIGHT - 38
    lowest = min(float(np.nanmin(band.values)) for band in bands)
    y_of = _Axis(min(math.floor(10 * lowest) / 10, 0.9), 1.0, bottom, top)
    x_of = _Axis(0.0, max(band.values.shape[1] for band in bands), left, right)
    heights = [(y_of(mark / 100), f"{mark:g}") for mark in ticks(100 * y_of.low, 100)]
    epochs = [(x_of(mark), bottom + 18, f"{mark:g}") for mark in ticks(0, x_of.high)]
    parts = [texts([(0, 14, title)], "title")]
    parts += [_rule("grid", (left, y), (right, y)) for y, _ in heights]
    parts.append(texts([(left - 6, y + 4, text) for y, text in heights], "axis end"))
    parts.append(texts([*epochs, ((left + right) / 2, CURVES_HEIGHT - 2, "epoch")], "axis middle"))
    x = 0.0
    for tone, band in enumerate(bands):
        css = f"curve-{tone}{' dashed' if dashed else ''}"
        label = _rule("line", (x, 32), (x + 20, 32)) + texts([(x + 26, 36, band.label)], "axis")
        parts.append(f'<g class="{css}">{label}{_band(band, x_of, y_of)}</g>')
        x += 46 + LETTER * len(band.label)
    return _svg(CURVES_WIDTH, CURVES_HEIGHT, title, parts)


def _limits(shares: Sequence[float]) -> Interval:
    """Ends of an axis: round to 5 %, never empty."""
    if not shares:
        return 0.0, 1.0
    low = max(0.0, math.floor(20 * min(shares) - 0.2) / 20)
    return low, max(min(1.0, math.ceil(20 * max(shares) + 0.2) / 20), low + 0.05)


def _key(rows: Sequence[Dots]) -> str:
    """Say what the marks are, those that occur."""
    kinds = [(_dot(8, 32), "mean over seeds", True)]
    has = {
        "seed": any(row.values for row in rows),
        "interval": any(row.interval for row in rows),
        "people": any(row.people for row in rows),
        "other": any(row.other is not None for row in rows),
    }
    kinds.append((_ring(8, 32), "each seed", has["seed"]))
    kinds.append((_rule("span", (0, 32), (16, 32)), "95 % interval, over seeds", has["interval"]))
    kinds.append((_whisker(0, 16, 32), "95 % interval, other people", has["people"]))
    kinds.append((_diamond(8, 32), "the paper: its own data, its random split", has["other"]))
    parts, x = [], 0.0
    for mark, label, there in kinds:
        if there:
            parts.append(f'<g transform="translate({x:.0f} 0)">{mark}{texts([(24, 36, label)], "axis")}</g>')
            x += 50 + LETTER * len(label)
    return "".join(parts)


def _row(row: Dots, x_of: _Axis, y: float) -> str:
    parts = []
    if row.people:
        parts.append(_whisker(x_of(row.people[0]), x_of(row.people[1]), y))
    if row.interval:
        parts.append(_rule("span", (x_of(row.interval[0]), y), (x_of(row.interval[1]), y)))
    parts += [_ring(x_of(value), y) for value in row.values]
    if row.other is not None:
        parts.append(_diamond(x_of(row.other), y))
    if row.mean is not None:
        parts.append(_dot(x_of(row.mean), y))
    return "".join(parts)


def _band(band: Band, x_of: _Axis, y_of: _Axis) -> str:
    mean = band.values.mean(axis=0)
    sd = band.values.std(axis=0, ddof=1) if len(band.values) > 1 else np.zeros_like(mean)
    epoch = x_of.at(np.arange(1.0, len(mean) + 1))
    there, back = y_of.at(mean + sd), y_of.at(mean - sd)
    around = path(10 * np.append(epoch, epoch[::-1]), 10 * np.append(there, back[::-1]))
    line = path(10 * epoch, 10 * y_of.at(mean))
    return f'<g transform="scale(0.1)"><path class="band" d="{around}z"/><path class="line" d="{line}"/></g>'


def _dot(x: float, y: float) -> str:
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:g}" r="5"/>'


def _ring(x: float, y: float) -> str:
    return f'<circle class="ring" cx="{x:.1f}" cy="{y:g}" r="3"/>'


def _diamond(x: float, y: float) -> str:
    return f'<path class="diamond" d="M{x:.1f} {y - 6:g}l6 6-6 6-6-6z"/>'


def _whisker(low: float, high: float, y: float) -> str:
    return f'<path class="whisker" d="M{low:.1f} {y - 5:g}v10m0-5H{high:.1f}m0-5v10"/>'


def _rule(css: str, start: tuple[float, float], stop: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, stop
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _svg(width: int, height: float, title: str, parts: Sequence[str], *, css: str = "") -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        f'role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
