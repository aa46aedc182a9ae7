"""Drawings for reports: small pure functions from numbers to inline SVG text.

Colours come from the page's style sheet by class (`tone-0`, `tone-1`, `axis`, `grid`, `chance`), so that
one drawing serves light, dark and printed pages. All text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.faults import runs

MOST_UNITS = 1e6  # far outside of any drawing
MOST_CELL_NUMBERS = 20
MOST_CELL_LABELS = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    label
        Name for the legend; "" for a line that belongs to the one named before it.
    tone
        Which colour, from 0; the same tone is the same thing in every chart of a page.
    faint
        Whether it is drawn thin, behind the others.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    tone: int = 0
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """A share of right answers with its interval, as one row of an interval plot."""

    label: str
    value: float
    low: float
    high: float
    n: int


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Return round numbers (1, 2 or 5 times a power of ten) from `low` to `high`, at most `most`.

    Examples
    --------
    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10, 20) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Write a line as the data of a path, in a third of the room that a polyline takes.

    In whole units, each step from the last, without points that lie on the way to the next one.

    Parameters
    ----------
    x, y
        Its points in the drawing's units, (n,) each; the line breaks where one is NaN.

    Examples
    --------
    >>> path(np.array([1.0, 3.2, 5.0]), np.array([10.0, 4.0, 8.0]))
    'M1 10l2-6 2 4'
    """
    whole = np.rint(np.clip(np.stack([x, y], axis=1), -MOST_UNITS, MOST_UNITS))  # (n, 2)
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(whole).all(axis=1))
    parts = []
    for start, stop in runs(finite):
        points = whole[start:stop].astype(np.int64)
        steps = np.diff(points, axis=0)
        steps = steps[steps.any(axis=1)]
        (dx, dy), (next_dx, next_dy) = steps[:-1].T, steps[1:].T
        bends = (dx * next_dy != dy * next_dx) | (dx * next_dx + dy * next_dy < 0)
        corners = points[0] + np.cumsum(steps, axis=0)[np.append(bends, True)[: len(steps)]]
        steps = np.diff(corners, axis=0, prepend=points[:1])
        numbers = " ".join(map(str, steps.ravel().tolist())) or "0 0"
        parts.append(f"M{points[0, 0]} {points[0, 1]}l{numbers}".replace(" -", "-"))
    return "".join(parts)


def texts(places: Sequence[tuple[float, float, str]], css: str) -> str:
    """Write texts of one look at (x, y) in whole units, in one group."""
    written = "".join(f'<text x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>' for x, y, text in places)
    return f'<g class="{css}">{written}</g>' if places else ""


def in_tenths_of_mm(width: int, height: int, *, title: str, parts: Sequence[str]) -> str:
    """Put a drawing of a page together whose unit is 0.1 mm; printed unscaled it is as large as that."""
    body = "".join(parts)
    return (
        f'<svg class="mm" viewBox="0 0 {width} {height}" width="{width / 10:g}mm" '
        f'role="img" aria-label="{escape(title)}">{body}</svg>'
    )


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_label: str,
    y_range: tuple[float, float] | None = None,
    chance: Sequence[tuple[float, int]] = (),
    size: tuple[int, int] = (460, 240),
) -> str:
    """Draw lines over a common x axis, with a legend.

    Parameters
    ----------
    lines
        What is drawn, in this order.
    y_range
        Ends of the y axis; by default what the values need.
    chance
        (height, tone) of dashed reference lines.
    size
        Width and height in pixels.
    """
    width, height = size
    left, right, top, bottom = 46, width - 12, 46, height - 34
    x_low, x_high = _range([line.x for line in lines])
    y_low, y_high = y_range or _range([line.y for line in lines])
    x_of = _scale(x_low, x_high, left, right)
    y_of = _scale(y_low, y_high, bottom, top)
    parts = [_text(0, 14, title, "title"), _legend(lines, y=32)]
    for value in ticks(y_low, y_high):
        parts.append(_rule(left, y_of(value), right, y_of(value), "grid"))
        parts.append(_text(left - 6, y_of(value) + 4, f"{value:g}", "axis", anchor="end"))
    parts += [_text(x_of(v), bottom + 16, f"{v:g}", "axis", anchor="middle") for v in ticks(x_low, x_high)]
    parts.append(_text((left + right) / 2, height - 2, x_label, "axis", anchor="middle"))
    parts += [_rule(left, y_of(level), right, y_of(level), f"chance tone-{tone}") for level, tone in chance]
    parts += [_polyline(line, x_of, y_of) for line in sorted(lines, key=lambda line: not line.faint)]
    return _svg(width, height, title, parts)


def confusion_map(counts: NDArray[np.int64], *, labels: Sequence[str], title: str, tone: int = 0) -> str:
    """Draw a confusion matrix: rows are the truth, columns the answers, shaded by the share of the row.

    Cells carry their counts up to 20 classes; only cells that are not empty are drawn, so that a matrix
    of many hundred classes stays small.
    """
    n = len(labels)
    cell = max(4, min(96, 420 // max(n, 1)))
    named = n <= MOST_CELL_LABELS
    left = 14 + (7 * max((len(label) for label in labels), default=0) if named else 14)
    top, side = 40, cell * n
    foot = top + side + (16 if named and n <= MOST_CELL_NUMBERS else 4)
    totals = np.maximum(counts.sum(axis=1), 1)
    parts = [
        _text(0, 14, title, "title"),
        f'<rect class="frame" x="{left}" y="{top}" width="{side}" height="{side}"/>',
    ]
    for row, column in np.argwhere(counts):
        share, place = counts[row, column] / totals[row], (left + cell * column, top + cell * row)
        parts.append(
            _cell(place, cell, int(counts[row, column]), share, tone=tone, numbered=n <= MOST_CELL_NUMBERS)
        )
    if named:
        for i, label in enumerate(labels):
            middle = cell * (i + 0.5)
            parts.append(_text(left - 6, top + middle + 4, label, "axis", anchor="end"))
            if n <= MOST_CELL_NUMBERS:
                parts.append(_text(left + middle, foot, _shorten(label, cell), "axis", anchor="middle"))
    parts.append(_text(left, 32, "down: true; across: answered", "axis"))
    return _svg(max(left + side + 4, 210), foot + 6, title, parts)


def interval_plot(
    rows: Sequence[Share], *, title: str, chance: float | None = None, tone: int = 0, width: int = 460
) -> str:
    """Draw shares of right answers as dots with intervals on a 0-100 % axis, one row each."""
    left = 16 + 7 * max((len(row.label) for row in rows), default=0)
    right, top, step = width - 92, 42, 20
    bottom = top + step * len(rows)
    x_of = _scale(0.0, 1.0, left, right)
    parts = [_text(0, 14, title, "title")]
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_rule(x_of(value), top - 6, x_of(value), bottom, "grid"))
        parts.append(_text(x_of(value), top - 12, f"{value:.0%}", "axis", anchor="middle"))
    if chance is not None:
        parts.append(_rule(x_of(chance), top - 6, x_of(chance), bottom + 4, f"chance tone-{tone}"))
        parts.append(_text(x_of(chance) + 4, bottom + 10, "chance", "axis"))
    for i, row in enumerate(rows):
        y = top + step * (i + 0.5)
        parts.append(_text(left - 8, y + 4, row.label, "axis", anchor="end"))
        parts.append(_rule(x_of(row.low), y, x_of(row.high), y, f"span tone-{tone}"))
        parts.append(f'<circle class="dot tone-{tone}" cx="{x_of(row.value):.1f}" cy="{y:.1f}" r="4"/>')
        parts.append(_text(width, y + 4, f"{row.value:.0%} of {row.n}", "axis", anchor="end"))
    return _svg(width, bottom + 14, title, parts)


def interval_bar(share: Share, *, chance: float, tone: int = 0, width: int = 260) -> str:
    """Draw one score on a 0-100 % bar: a dot with its interval, and a tick for chance."""
    x_of = _scale(0.0, 1.0, 6, width - 6)
    parts = [
        _rule(x_of(0), 12, x_of(1), 12, "track"),
        _rule(x_of(share.low), 12, x_of(share.high), 12, f"span tone-{tone}"),
        f'<circle class="dot tone-{tone}" cx="{x_of(share.value):.1f}" cy="12" r="5"/>',
        _rule(x_of(chance), 4, x_of(chance), 20, "chance"),
        _text(x_of(chance), 32, f"chance {chance:.0%}", "axis", anchor="start" if chance < 0.2 else "middle"),
    ]
    return _svg(width, 36, share.label, parts)


def ecg_strip(
    window: NDArray[np.float32], *, fs: float, title: str, size: tuple[int, int] = (300, 92)
) -> str:
    """Draw one window, leads below each other, with a tick for each second.

    Parameters
    ----------
    window
        Shape (lead, T).
    fs
        Sampling rate, Hz.
    """
    width, height = size
    n_lead, n_time = window.shape
    x_of = _scale(0.0, n_time / fs, 2, width - 2)
    parts = [_rule(x_of(s), 2, x_of(s), height - 2, "grid") for s in ticks(0.0, n_time / fs, most=11)]
    seconds = np.arange(n_time) / fs
    for lead in range(n_lead):
        band = (height - 8) / n_lead
        floor = 4 + band * (lead + 1)
        y_of = _scale(*_range([window[lead].astype(np.float64)]), floor - 2, floor - band + 2)
        parts.append(_polyline(Line("", seconds, window[lead].astype(np.float64)), x_of, y_of, css="ecg"))
    return _svg(width, height, title, parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """A straight map from values to pixels."""

    low: float
    factor: float
    start: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) * self.factor


def _scale(low: float, high: float, start: float, stop: float) -> _Scale:
    return _Scale(low, (stop - start) / ((high - low) or 1.0), start)


def _range(arrays: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Ends that hold every finite value; never empty, never of no width."""
    finite = [array[np.isfinite(array)] for array in arrays]
    values = np.concatenate(finite) if finite else np.zeros(0)
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _polyline(line: Line, x_of: _Scale, y_of: _Scale, *, css: str = "line") -> str:
    points = " ".join(
        f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)
    )
    faint = " faint" if line.faint else ""
    return f'<polyline class="{css}{faint} tone-{line.tone}" points="{points}"/>'


def _legend(lines: Sequence[Line], *, y: float) -> str:
    parts, x = [], 0.0
    for line in lines:
        if line.label:
            faint = " faint" if line.faint else ""
            parts.append(_rule(x, y - 4, x + 18, y - 4, f"line{faint} tone-{line.tone}"))
            parts.append(_text(x + 23, y, line.label, "axis"))
            x += 40 + 6.4 * len(line.label)
    return "".join(parts)


def _cell(
    place: tuple[float, float], side: int, count: int, share: float, *, tone: int, numbered: bool
) -> str:
    x, y = place
    box = (
        f'<rect class="cell tone-{tone}" x="{x}" y="{y}" width="{side}" height="{side}" '
        f'fill-opacity="{share:.2f}"/>'
    )
    if not numbered:
        return box
    css = "on-cell" if share > 0.7 else "in-cell"
    return box + _text(x + side / 2, y + side / 2 + 4, str(count), css, anchor="middle")


def _shorten(label: str, pixels: int) -> str:
    most = max(2, int(pixels / 6.2))
    return label if len(label) <= most else label[: most - 1] + "…"


def _rule(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, css: str, *, anchor: str = "start") -> str:
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(title)}">{body}</svg>'
    )
