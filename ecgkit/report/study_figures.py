"""The drawings of a session on a study's page that show its signal: a strip of ECG, spectra of the rhythm.

Small, since a page may hold a thousand of each: lines in whole tenths of a millimetre, few words. Colours
come from the page's style sheet by class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.rhythm import PACED_HZ
from ecgkit.protocol.compliance import CheckResult
from ecgkit.protocol.model import closed
from ecgkit.report import svg
from ecgkit.report.ecg_paper import LEAD_IN_MM, MM_PER_S, PULSE_S, Band, StripLead, bands
from ecgkit.report.sheet import shortened, shown
from ecgkit.report.traces import Trace

Samples = NDArray[np.float64]

MM = 10  # units
EDGE = 40  # free at both ends, for half a text
TEXT = 38  # height of a line of text
STRIP_S = 6.0
STRIP_POINTS_PER_S = 80
PAPER = round((LEAD_IN_MM + STRIP_S * MM_PER_S) * MM)
WIDTH = PAPER + EDGE

LANE_WIDTH, LANE_TOP, LANE_HEIGHT = 910, 50, 240
HIGHEST_HZ, STEP_HZ = 0.5, 0.004
SLOWEST_HZ = 0.04  # what is slower are drifts: they may leave the frame


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Power over frequency, (n,) each, any unit; empty where there is none."""

    at_hz: Samples
    power: Samples


def strip_trace(samples: Samples, fs: float) -> Trace:
    """Thin a strip out to about eighty points a second, keeping the tips of its waves.

    Of each few samples the one is taken that lies furthest from the line between the means of the few
    before and the few after.

    Parameters
    ----------
    samples
        (n,); what is no number is left out of the line.
    fs
        Rate, Hz.
    """
    values = np.where(np.isfinite(samples), samples, np.nan)
    size = max(1, round(fs / STRIP_POINTS_PER_S))
    n_bins = len(values) // size
    taken = np.arange(len(values))
    if size > 1 and n_bins:
        bins = values[: n_bins * size].reshape(n_bins, size)  # (bin, time)
        means = np.pad(bins.mean(axis=1), 1, mode="edge")
        before, after = means[:-2, None], means[2:, None]
        line = before + (after - before) * np.linspace(0.25, 0.75, size)  # (bin, time)
        taken = np.arange(n_bins) * size + np.argmax(np.nan_to_num(np.abs(bins - line)), axis=1)
    return Trace(taken / fs, values[taken], values[taken])


def draw_strip(lead: StripLead, *, start_s: float) -> tuple[str, str]:
    """Draw some seconds of a lead on ECG paper, to scale where its unit is mV.

    Parameters
    ----------
    start_s
        Where in the session the strip begins, for the marks of the seconds.

    Returns
    -------
    tuple
        The drawing, and its lead and scale in words.
    """
    [band] = bands([lead])
    height = round((band.above_mm + band.below_mm) * MM)
    left, zero = round(LEAD_IN_MM * MM), round(band.above_mm * MM)
    marks = [
        (left + (s - start_s) * MM_PER_S * MM, height + TEXT, clock(s))
        for s in range(math.ceil(start_s), math.floor(start_s + STRIP_S) + 1)
    ]
    parts = [
        f'<rect class="paper" width="{PAPER}" height="{height}"/>',
        f'<rect fill="url(#paper)" width="{PAPER}" height="{height}"/>',
        "" if band.fitted else f'<path class="ecg" d="{_pulse(band, zero)}"/>',
        _signal(lead, band, left=left, zero=zero),
        svg.texts(marks, "axis middle"),
    ]
    drawing = svg.in_tenths_of_mm(WIDTH, height + TEXT + 8, title=f"ECG from {clock(start_s)}", parts=parts)
    return drawing, f"{shortened(shown(lead.name), 30)}, {shown(band.scale)}"


def draw_spectra(heart: Spectrum, breath: Spectrum | None, checks: Sequence[CheckResult]) -> str:
    """Draw the spectrum of the heart rate, and beneath it that of the respiration channel.

    Parameters
    ----------
    checks
        The session's; those of breathing say where the strongest rhythm should be.
    """
    judged = {check.measure: check for check in checks}
    share = judged.get("breathing_share")
    said = "" if share is None or math.isnan(share.value) else f", {share.value:.0%} at 0.07–0.13 Hz"
    lanes = [_lane(f"rhythm of the heart rate{said}", heart, judged.get("breathing_hz"), share=share)]
    if breath is not None:
        lanes.append(_lane("respiration channel", breath, judged.get("respiration_hz")))
    step = LANE_TOP + LANE_HEIGHT
    floor = step * len(lanes)
    marks = [(_x(at_hz), floor + TEXT, f"{at_hz:g}") for at_hz in (0.1, 0.2, 0.3, 0.4)]
    parts = [f'<g transform="translate(0 {step * i})">{lane}</g>' for i, lane in enumerate(lanes)]
    parts.append(svg.texts([*marks, (LANE_WIDTH - 50, floor + TEXT, "0.5 Hz")], "axis middle"))
    return svg.in_tenths_of_mm(LANE_WIDTH, floor + TEXT + 8, title="spectra of the rhythm", parts=parts)


def clock(seconds: float) -> str:
    """Write a time within a session: minutes and seconds, and hours where there are any."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def _pulse(band: Band, zero: int) -> str:
    """Draw 1 mV over 0.2 s, the mark by which the scale is read."""
    high, wide = round(band.mm_per_unit * MM), round(PULSE_S * MM_PER_S * MM)
    return f"M15 {zero}h10v{-high}h{wide}v{high}h10"


def _signal(lead: StripLead, band: Band, *, left: int, zero: int) -> str:
    """Draw the line and, above it, a triangle at each R peak."""
    if lead.trace.limits is None:
        return svg.texts([(PAPER / 2, zero, "no samples here")], "axis middle")
    x = left + lead.trace.time_s * MM_PER_S * MM
    y = zero - (lead.trace.low - band.zero) * band.mm_per_unit * MM
    peaks = "".join(f"M{left + at_s * MM_PER_S * MM:.0f} 22l-9-16h18z" for at_s in lead.peaks_s)
    marks = f'<path class="peak" d="{peaks}"/>' if peaks else ""
    return f'<path class="ecg" d="{svg.path(x, y)}"/>{marks}'


def _lane(
    title: str, spectrum: Spectrum, check: CheckResult | None, *, share: CheckResult | None = None
) -> str:
    """Draw one spectrum, and where its strongest rhythm should be, or where only a share of it may be."""
    floor = LANE_TOP + LANE_HEIGHT
    parts = [svg.texts([(0, 34, title)], "axis")]
    if check is not None:
        parts.append(_box("expected", *closed(check.pass_range)))
    elif share is not None:
        parts.append(_box("watched", *PACED_HZ))
    parts.append(f'<path class="grid" d="M0 {floor}H{LANE_WIDTH}"/>')
    at_hz = np.arange(0, HIGHEST_HZ + STEP_HZ / 2, STEP_HZ)
    highest = spectrum.power[(spectrum.at_hz >= SLOWEST_HZ) & (spectrum.at_hz <= HIGHEST_HZ)].max(initial=0)
    if highest > 0:
        power = np.interp(at_hz, spectrum.at_hz, spectrum.power, right=np.nan) / highest
        line = svg.path(at_hz * _x(1.0), floor - LANE_HEIGHT * np.minimum(power, 1.0))
        parts.append(f'<path class="rate" d="{line}"/>')
    else:
        parts.append(svg.texts([(LANE_WIDTH / 2, floor - 70, "too short, or no waves")], "axis middle"))
    return "".join(parts)


def _box(css: str, low_hz: float, high_hz: float) -> str:
    left, right = (round(_x(min(max(at_hz, 0.0), HIGHEST_HZ))) for at_hz in (low_hz, high_hz))
    return f'<rect class="{css}" x="{left}" y="{LANE_TOP}" width="{right - left}" height="{LANE_HEIGHT}"/>'


def _x(at_hz: float) -> float:
    return at_hz * (LANE_WIDTH / HIGHEST_HZ)
