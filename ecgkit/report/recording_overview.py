"""The upper part of a recording's picture: every lead from start to end, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgkit.report.ecg_paper import STRIP_S, WIDTH_MM
from ecgkit.report.sheet import (
    INCH_MM,
    INK,
    SOFT,
    TONES,
    WARN,
    WARN_INK,
    WARN_LINE,
    axes_at,
    draw_trace,
    number,
    say_instead,
    shortened,
    shown,
    write,
)
from ecgkit.report.traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ecgkit.report.recording import LeadPicture, RecordingPicture

EDGE_MM = 3.5
CHART_LEFT_MM = 20.0
CHART_RIGHT_MM = EDGE_MM + WIDTH_MM
HEADING_MM = 7.0
NAME_MM = 4.2
X_AXIS_MM = 10.0
MARKER_ROWS = 2
MOST_MARKER_LINES = 40  # more are short, so that the signal stays to be seen
MARKER_ROW_MM = 3.4
LABEL_SIZE = 7  # points
LEAST_GAP_MM = 0.2
BETWEEN_LABELS_MM = 3.0  # a PNG draws letters to whole pixels, so up to a twentieth wider
RESPIRATION_MM = 16.0
MOST_LEADS = 12


def leads_shown(picture: RecordingPicture) -> tuple[LeadPicture, ...]:
    return picture.leads[:MOST_LEADS]


def lead_color(index: int) -> str:
    """Return a lead's colour; those past the palette share one."""
    return TONES[index] if index < len(TONES) else SOFT


def write_heading(
    sheet: Figure,
    top_mm: float,
    text: str,
    note: str = "",
    *,
    left_mm: float = EDGE_MM,
    right_mm: float = CHART_RIGHT_MM,
) -> None:
    """Write a panel's title, and a note at its right end."""
    write(sheet, left_mm, top_mm + 4.5, text, size=9.5, weight="bold")
    write(sheet, right_mm, top_mm + 4.5, note, color=SOFT, ha="right")


def _channel_mm(picture: RecordingPicture) -> float:
    return {1: 30.0, 2: 26.0, 3: 20.0}.get(len(leads_shown(picture)), 14.0)


def _marker_rows_mm(picture: RecordingPicture) -> float:
    return MARKER_ROWS * MARKER_ROW_MM if _labels(picture) else 0.0


def overview_mm(picture: RecordingPicture) -> float:
    """Return how high the overview is, with its heading and its axis."""
    leads_mm = len(leads_shown(picture)) * (NAME_MM + _channel_mm(picture))
    breath_mm = NAME_MM + RESPIRATION_MM if picture.respiration else 0.0
    return HEADING_MM + _marker_rows_mm(picture) + leads_mm + breath_mm + X_AXIS_MM


def draw_overview(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    """Draw each lead from start to end, and the respiration beneath, on one time axis."""
    note = "the bar marks the strip below"
    if any(len(_beyond_s(lead.overview)) for lead in leads_shown(picture) if lead.overview.limits):
        note = f"triangles: beyond what is shown; {note}"
    if len(picture.leads) > MOST_LEADS:
        note = f"the first {MOST_LEADS} of {len(picture.leads)} leads; {note}"
    write_heading(sheet, top_mm, "The whole recording", note)
    _write_labels(sheet, picture, top_mm + HEADING_MM)
    top_mm += HEADING_MM + _marker_rows_mm(picture)
    height_mm = _channel_mm(picture)
    axes = None
    for i, lead in enumerate(leads_shown(picture)):
        axes = _channel_axes(sheet, top_mm, height_mm, lead.name, color=lead_color(i))
        _draw_channel(axes, picture, lead.overview, unit=lead.unit, color=lead_color(i))
        _mark_faults(axes, picture, lead.name)
        _mark_strip(axes, picture)
        top_mm += NAME_MM + height_mm
    if picture.respiration:
        breath = picture.respiration
        axes = _channel_axes(sheet, top_mm, RESPIRATION_MM, breath.name, color=SOFT)
        _draw_channel(axes, picture, breath.overview, unit=breath.unit, color=SOFT)
    if axes is not None:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(f"time, {time_unit(picture)[1]}", labelpad=2)


def _channel_axes(sheet: Figure, top_mm: float, height_mm: float, name: str, *, color: str) -> Axes:
    write(sheet, CHART_LEFT_MM, top_mm + 3.2, shortened(name, 100), color=color, weight="bold")
    width_mm = CHART_RIGHT_MM - CHART_LEFT_MM
    return axes_at(sheet, CHART_LEFT_MM, top_mm + NAME_MM, width_mm=width_mm, height_mm=height_mm)


def time_unit(picture: RecordingPicture) -> tuple[float, str]:
    """Return what a second is in the unit of the time axis, and that unit."""
    if picture.duration_s <= 180:
        return 1.0, "s"
    return (1 / 60, "min") if picture.duration_s <= 3 * 3600 else (1 / 3600, "h")


def time_axis(axes: Axes, picture: RecordingPicture, *, most_ticks: int = 12) -> float:
    """Let the axes show all of the recording; return what a second is on them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    per_s, _ = time_unit(picture)
    axes.set_xlim(0, max(picture.duration_s, 1e-6) * per_s)
    axes.xaxis.set_major_locator(MaxNLocator(most_ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(number))
    return per_s


def _draw_channel(axes: Axes, picture: RecordingPicture, trace: Trace, *, unit: str, color: str) -> None:
    """Draw one channel from start to end, with pauses and markers."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    per_s = time_axis(axes, picture)
    axes.tick_params(labelbottom=False)
    if trace.limits is None:
        say_instead(axes, "not one sample is a number")
        return
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(number))
    low, high = robust_limits(trace)
    axes.set_ylim(low, high)
    draw_trace(axes, trace, per_s=per_s, color=color, linewidth=0.7, gid="overview")
    beyond_s = _beyond_s(trace)
    if len(beyond_s):
        top = np.full(len(beyond_s), high)
        axes.plot(beyond_s * per_s, top, "^", color=WARN_INK, markersize=3, clip_on=False, gid="beyond")
    for pause_s in picture.pauses_s:
        axes.axvline(pause_s * per_s, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    columns = np.unique(np.round([time_s / picture.duration_s for time_s, _ in picture.markers], 3))
    foot = low if len(columns) <= MOST_MARKER_LINES else high - 0.08 * (high - low)
    axes.vlines(columns * picture.duration_s * per_s, foot, high, color=SOFT, linewidth=0.5, alpha=0.7)
    axes.set_ylabel(shortened(shown(unit or "no unit"), 14), labelpad=2)


def _beyond_s(trace: Trace) -> NDArray[np.float64]:
    """Return the times at which a trace leaves the axis."""
    low, high = robust_limits(trace)
    return trace.time_s[(trace.high > high) | (trace.low < low)]


def robust_limits(trace: Trace) -> tuple[float, float]:
    """Choose what an axis shows: all, unless a hundredth of it would press the rest into a line."""
    lowest, highest = trace.limits or (0.0, 1.0)
    low, high = np.nanpercentile(trace.low, 1), np.nanpercentile(trace.high, 99)
    room = 1.5 * (high - low)
    if room > 0:
        lowest, highest = max(lowest, low - room), min(highest, high + room)
    pad = 0.06 * (highest - lowest) or 0.5 * abs(highest) or 1.0
    return float(lowest - pad), float(highest + pad)


def _mark_faults(axes: Axes, picture: RecordingPicture, lead: str) -> None:
    """Shade where a check found something, and name it there, once where names would overlap."""
    per_s, _ = time_unit(picture)
    s_per_mm = picture.duration_s / (CHART_RIGHT_MM - CHART_LEFT_MM)
    named: list[tuple[float, float]] = []
    for fault in picture.faults:
        half_s = s_per_mm * (_width_mm(shown(fault.name)) + BETWEEN_LABELS_MM) / 2
        for start_s, stop_s in _joined(fault.spans_s if fault.lead == lead else (), s_per_mm * LEAST_GAP_MM):
            shade = axes.axvspan(start_s * per_s, stop_s * per_s, alpha=0.35, linewidth=0.5, gid="fault")
            shade.set(facecolor=WARN_LINE, edgecolor=WARN_INK)
            middle_s = (start_s + stop_s) / 2
            if all(abs(middle_s - other_s) >= half_s + other_half_s for other_s, other_half_s in named):
                named.append((middle_s, half_s))
                _name_fault(axes, shown(fault.name), middle_s * per_s)


def _joined(spans: Sequence[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Join spans no further apart than `gap`: an eye can't part them, and a file may have thousands."""
    joined: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def _name_fault(axes: Axes, name: str, at: float) -> None:
    axes.annotate(
        name,
        (at, 0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        color=WARN_INK,
        size=LABEL_SIZE,
        weight="bold",
        bbox={"facecolor": WARN, "edgecolor": "none", "pad": 0.8},
    )


def _mark_strip(axes: Axes, picture: RecordingPicture) -> None:
    per_s, _ = time_unit(picture)
    stop_s = min(picture.strip_start_s + STRIP_S, picture.duration_s)
    span = (picture.strip_start_s * per_s, stop_s * per_s)
    frame = axes.get_xaxis_transform()
    axes.plot(span, (0, 0), color=INK, linewidth=3, transform=frame, clip_on=False, solid_capstyle="butt")


def _labels(picture: RecordingPicture) -> list[tuple[float, str]]:
    """Return what is written above the overview: pauses and markers, in order of time."""
    pauses = {(pause_s, "pause") for pause_s in picture.pauses_s}
    return sorted({*pauses, *((time_s, text) for time_s, text in picture.markers if text.strip())})


def _write_labels(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    """Write above the overview what fits in two rows; every marker has its line all the same."""
    width_mm = CHART_RIGHT_MM - CHART_LEFT_MM
    ends_mm = [0.0] * MARKER_ROWS
    for time_s, text in _labels(picture):
        x_mm = CHART_LEFT_MM + width_mm * time_s / max(picture.duration_s, 1e-6)
        if min(ends_mm) > x_mm:
            continue
        label = shortened(shown(text), 24)
        label_mm = _width_mm(label)
        left_mm = min(x_mm, CHART_RIGHT_MM - label_mm)
        row = next((row for row in reversed(range(MARKER_ROWS)) if ends_mm[row] <= left_mm), None)
        if row is not None and x_mm <= CHART_RIGHT_MM:
            write(sheet, left_mm, top_mm + MARKER_ROW_MM * (row + 0.8), label, size=LABEL_SIZE, color=INK)
            ends_mm[row] = left_mm + label_mm + BETWEEN_LABELS_MM


def _width_mm(label: str) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), label, size=LABEL_SIZE).get_extents().width) * INCH_MM / 72
