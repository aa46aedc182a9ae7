"""A strip of ECG on its paper: 25 mm a second, 10 mm a millivolt, squares of 1 and 5 mm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.report.sheet import (
    INK,
    PAPER,
    PAPER_COARSE,
    PAPER_FINE,
    SOFT,
    TONES,
    WARN_INK,
    axes_at,
    shortened,
    shown,
)
from ecgkit.report.traces import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_S = 25.0
GAINS_MM_PER_MV = (10.0, 5.0, 2.5)  # the first at which the leads have room
STRIP_S = 10.0
LEAD_IN_MM = 10.0  # for the calibration pulse
WIDTH_MM = LEAD_IN_MM + STRIP_S * MM_PER_S + LEAD_IN_MM
SQUARE_MM = 5.0
PULSE_S = 0.2
FITTED_MM = 25.0
NAME_MM = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class StripLead:
    """One lead's stretch, up to 10 s.

    Attributes
    ----------
    unit
        "mV" is drawn to scale; any other, as recorded, is made to fit.
    trace
        Time from the strip's start.
    peaks_s
        Its R peaks on the same clock, (k,).
    """

    name: str
    unit: str
    trace: Trace
    peaks_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Band:
    """The part of the paper that a lead takes, in whole squares.

    Attributes
    ----------
    mm_per_unit
        How high one unit is.
    zero
        The value that lies on the baseline.
    above_mm, below_mm
        From the baseline up and down.
    scale
        The scale in words.
    fitted
        Whether the scale is one that fits, not a cardiograph's.
    """

    mm_per_unit: float
    zero: float
    above_mm: float
    below_mm: float
    scale: str
    fitted: bool


def bands(leads: Sequence[StripLead]) -> list[Band]:
    """Give each lead its part of the paper; those in mV have one scale."""
    gain = _gain(leads)
    return [_band(lead, gain) for lead in leads]


def paper_mm(leads: Sequence[StripLead]) -> float:
    """Height of the paper for these leads."""
    return sum(NAME_MM + band.above_mm + band.below_mm for band in bands(leads))


def draw_strip(
    sheet: Figure, leads: Sequence[StripLead], *, left_mm: float, top_mm: float, stamp: str = ""
) -> Axes:
    """Draw the leads below each other on one paper, in axes that count millimetres.

    Parameters
    ----------
    left_mm, top_mm
        Where the paper's upper left corner comes to lie on the sheet.
    stamp
        Written at the paper's top.
    """
    height_mm = paper_mm(leads)
    axes = axes_at(sheet, left_mm, top_mm, width_mm=WIDTH_MM, height_mm=height_mm, color=PAPER)
    axes.set(xlim=(0, WIDTH_MM), ylim=(0, height_mm), xticks=[], yticks=[])
    _rule(axes, height_mm)
    bottom_mm = height_mm
    for lead, band in zip(leads, bands(leads), strict=True):
        bottom_mm -= NAME_MM + band.above_mm + band.below_mm
        _draw_lead(axes, lead, band, baseline_mm=bottom_mm + band.below_mm)
    if stamp:
        look: dict[str, Any] = {"size": 11, "weight": "bold", "color": WARN_INK}
        axes.text(WIDTH_MM / 2, height_mm - 2.8, stamp, ha="center", va="center", **look)
    return axes


def _rule(axes: Axes, height_mm: float) -> None:
    """Rule the paper."""
    from matplotlib.collections import LineCollection

    for step_mm, color, width in ((1.0, PAPER_FINE, 0.35), (SQUARE_MM, PAPER_COARSE, 0.6)):
        down = [[(x, 0), (x, height_mm)] for x in np.arange(0, WIDTH_MM + 0.5, step_mm)]
        across = [[(0, y), (WIDTH_MM, y)] for y in np.arange(0, height_mm + 0.5, step_mm)]
        axes.add_collection(LineCollection(down + across, colors=color, linewidths=width, zorder=0.5))
    for spine in axes.spines.values():
        spine.set(visible=True, color=PAPER_COARSE)


def _draw_lead(axes: Axes, lead: StripLead, band: Band, *, baseline_mm: float) -> None:
    top_mm = baseline_mm + band.above_mm
    plate = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
    axes.text(1.5, top_mm + 1.2, shortened(shown(lead.name), 60), weight="bold", size=9, bbox=plate)
    axes.text(WIDTH_MM - 1.5, top_mm + 1.2, shown(band.scale), ha="right", color=SOFT, bbox=plate)
    if lead.trace.limits is None:
        axes.text(WIDTH_MM / 2, baseline_mm + 1.2, "no samples here", ha="center", color=SOFT)
        return
    if not band.fitted:
        _draw_pulse(axes, baseline_mm, band.mm_per_unit)
    x = np.repeat(LEAD_IN_MM + lead.trace.time_s * MM_PER_S, 2)
    values = np.column_stack([lead.trace.low, lead.trace.high]).ravel()
    y = baseline_mm + (values - band.zero) * band.mm_per_unit
    axes.plot(x, y, color=INK, linewidth=0.8, solid_joinstyle="round", gid="strip")
    peaks = LEAD_IN_MM + lead.peaks_s * MM_PER_S
    marks_mm = np.full(len(peaks), top_mm - 0.8)
    axes.plot(peaks, marks_mm, "v", color=TONES[0], markersize=3, alpha=0.6, gid="peaks")


def _draw_pulse(axes: Axes, baseline_mm: float, mm_per_mv: float) -> None:
    """Draw 1 mV over 0.2 s, the mark by which a scale is read."""
    start, stop = 2.5, 2.5 + PULSE_S * MM_PER_S
    x = [start - 1, start, start, stop, stop, stop + 1]
    y = baseline_mm + mm_per_mv * np.array([0, 0, 1, 1, 0, 0])
    axes.plot(x, y, color=INK, linewidth=0.8, gid="pulse")


def _gain(leads: Sequence[StripLead]) -> float | None:
    """Choose how many mm a millivolt is, None where even the smallest gain would take too much paper."""
    spans = [high - low for lead in leads if lead.unit == "mV" for low, high in [lead.trace.limits or (0, 0)]]
    room_mm = 60.0 if len(leads) == 1 else 40.0
    return next((gain for gain in GAINS_MM_PER_MV if max(spans, default=0) * gain <= room_mm), None)


def _band(lead: StripLead, gain: float | None) -> Band:
    low, high = lead.trace.limits or (0.0, 0.0)
    middle = (lead.trace.low + lead.trace.high) / 2
    zero = float(np.nanmedian(middle)) if np.isfinite(middle).any() else 0.0
    fitted = lead.unit != "mV" or gain is None
    mm_per_unit, scale = gain or 1.0, f"{MM_PER_S:g} mm/s, {gain:g} mm/mV" if gain else ""
    if fitted:
        square = _round_up((high - low) * SQUARE_MM / FITTED_MM)
        mm_per_unit = SQUARE_MM / square
        unit = f" {shortened(lead.unit, 20)}" if lead.unit else ", no unit"
        scale = f"{MM_PER_S:g} mm/s, amplitude as recorded: 5 mm are {square:g}{unit}"
    above, below = (high - zero) * mm_per_unit, (zero - low) * mm_per_unit
    return Band(mm_per_unit, zero, max(_squares(above), 10.0), _squares(below), scale, fitted)


def _squares(mm: float) -> float:
    """Round up to whole squares, with half a millimetre to spare."""
    return SQUARE_MM * math.ceil((mm + 0.5) / SQUARE_MM)


def _round_up(value: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten; 1 for what is as good as nothing."""
    if not value > 1e-30:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 5, 10, 20) if m * power >= value * (1 - 1e-9))
