"""The drawing of a recording: overview, strip on ECG paper, spectrum and heart rate, on one sheet."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgkit.report.ecg_paper import STRIP_S, WIDTH_MM, StripLead, draw_strip, paper_mm
from ecgkit.report.recording_overview import (
    CHART_LEFT_MM,
    CHART_RIGHT_MM,
    EDGE_MM,
    HEADING_MM,
    X_AXIS_MM,
    draw_overview,
    lead_color,
    leads_shown,
    overview_mm,
    robust_limits,
    time_axis,
    time_unit,
    write_heading,
)
from ecgkit.report.sheet import (
    INK,
    SOFT,
    TONES,
    WARN,
    WARN_INK,
    WARN_LINE,
    axes_at,
    draw_trace,
    new_sheet,
    number,
    power_of_ten,
    say_instead,
    shortened,
    shown,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ecgkit.report.recording import RecordingPicture

SHEET_MM = WIDTH_MM + 2 * EDGE_MM  # A4 across with margins of 10 mm: printed so, the paper is to scale
CHART_MM = 36.0
SPECTRUM_RIGHT_MM = 128.0
LINE_MM = 4.2
CHARACTERS = 160
MOST_LINES = 14
HIGHEST_HZ = 150.0
MAINS_HZ = {50: "--", 60: ":"}
BEATS_AS_DOTS = 400


def recording_figure(picture: RecordingPicture, *, with_texts: bool = True) -> Figure:
    """Draw a recording on one sheet.

    Parameters
    ----------
    with_texts
        Whether title and faults are written on it, which a page has beside it.
    """
    blocks: list[tuple[float, Callable[[Figure, RecordingPicture, float], None]]] = [
        (overview_mm(picture), draw_overview),
        (HEADING_MM + paper_mm(_strips(picture)) + 4, _draw_strip),
        (HEADING_MM + 2 + CHART_MM + X_AXIS_MM, _draw_charts),
    ]
    if with_texts:
        faults_mm = HEADING_MM + LINE_MM * len(_fault_lines(picture)) + 2
        blocks = [(19.0, _draw_title), *blocks, (faults_mm, _draw_faults)]
    sheet = new_sheet(SHEET_MM, sum(height_mm for height_mm, _ in blocks))
    top_mm = 0.0
    for height_mm, draw in blocks:
        draw(sheet, picture, top_mm)
        top_mm += height_mm
    return sheet


def _strips(picture: RecordingPicture) -> list[StripLead]:
    return [lead.strip for lead in leads_shown(picture)]


def _draw_title(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    write(sheet, EDGE_MM, top_mm + 6, shortened(picture.title, 90), size=13, weight="bold")
    write(sheet, EDGE_MM, top_mm + 11.2, shortened(picture.summary, CHARACTERS - 20), color=SOFT, size=9)
    good = picture.is_good
    box: Any = None if good else {"facecolor": WARN, "edgecolor": WARN_LINE, "linewidth": 0.6, "pad": 2}
    look: dict[str, Any] = {"color": TONES[2] if good else WARN_INK, "weight": "bold", "bbox": box}
    write(sheet, EDGE_MM + (0 if good else 0.8), top_mm + 16.4, picture.verdict, size=9, **look)
    if picture.simulated:
        stamp = {"facecolor": WARN, "edgecolor": WARN_INK, "linewidth": 1.2, "pad": 4}
        look = {"color": WARN_INK, "weight": "bold", "bbox": stamp, "ha": "right"}
        write(sheet, CHART_RIGHT_MM - 1.5, top_mm + 6.5, "SIMULATED", size=13, **look)


def _draw_strip(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    start_s = picture.strip_start_s
    stop_s = min(start_s + STRIP_S, picture.duration_s)
    minutes, seconds = divmod(round(start_s, 1), 60)
    since = f"{int(minutes) // 60}:{int(minutes) % 60:02}:{seconds:04.1f}" if minutes else f"{seconds:.1f} s"
    title = f"{stop_s - start_s:.3g} seconds from {since}"
    note = "large square 5 mm = 0.2 s; triangles: R peaks; baseline: the strip's median"
    write_heading(sheet, top_mm, title, note)
    stamp = "SIMULATED" if picture.simulated else ""
    draw_strip(sheet, _strips(picture), left_mm=EDGE_MM, top_mm=top_mm + HEADING_MM, stamp=stamp)


def _draw_charts(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    """Draw the spectrum on the left, the heart rate on the right."""
    write_heading(
        sheet, top_mm, "Spectrum", "50 and 60 Hz and their harmonics are marked", right_mm=SPECTRUM_RIGHT_MM
    )
    write_heading(sheet, top_mm, "Heart rate", "from beat to beat", left_mm=SPECTRUM_RIGHT_MM + 5.5)
    right_mm = SPECTRUM_RIGHT_MM + 22
    top_mm += HEADING_MM + 2
    spectrum = axes_at(
        sheet, CHART_LEFT_MM, top_mm, width_mm=SPECTRUM_RIGHT_MM - CHART_LEFT_MM, height_mm=CHART_MM
    )
    rate = axes_at(sheet, right_mm, top_mm, width_mm=CHART_RIGHT_MM - right_mm, height_mm=CHART_MM)
    _draw_spectra(spectrum, picture)
    _draw_heart_rate(rate, picture)


def _draw_spectra(axes: Axes, picture: RecordingPicture) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    leads = leads_shown(picture)
    drawn = [
        (i, lead.spectrum)
        for i, lead in enumerate(leads)
        if lead.spectrum and np.any(lead.spectrum.power > 0)
    ]
    if not drawn:
        say_instead(axes, "no stretch with a signal is long enough")
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(power_of_ten))
    top_hz = min(max(lead.fs for lead in leads) / 2, HIGHEST_HZ)
    axes.set_xlim(0, top_hz)
    axes.xaxis.set_major_formatter(FuncFormatter(number))
    for i, spectrum in drawn:
        shown_part = (spectrum.power > 0) & (spectrum.frequency_hz <= top_hz)
        x, y = spectrum.frequency_hz[shown_part], spectrum.power[shown_part]
        label = f" {shortened(shown(leads[i].name), 20)}"  # matplotlib leaves out what begins with _
        axes.plot(x, y, color=lead_color(i), linewidth=0.8, label=label, gid="spectrum")
    units = {lead.unit for lead in leads}
    unit = shortened(shown(units.pop()), 12) if len(units) == 1 else ""
    axes.set_ylabel(f"{unit}\N{SUPERSCRIPT TWO}/Hz" if unit else "power", labelpad=2)
    axes.set_xlabel("frequency, Hz", labelpad=2)
    if len(drawn) > 1:
        axes.legend(loc="upper right", fontsize=7, frameon=True, ncols=2, edgecolor="none", framealpha=0.8)
    _mark_mains(axes, leads[0].fs, top_hz)


def _mark_mains(axes: Axes, fs: float, top_hz: float) -> None:
    """Mark the mains frequencies and their harmonics, and where sampling folds a mains frequency to."""
    for mains_hz, style in MAINS_HZ.items():
        for multiple in (1, 2, 3):
            wave_hz = mains_hz * multiple
            seen_hz = abs(wave_hz - fs * round(wave_hz / fs))
            folded = wave_hz > fs / 2
            if not 0 < seen_hz <= top_hz or (folded and multiple > 1):
                continue
            axes.axvline(seen_hz, color=SOFT, linewidth=0.8, linestyle=style, gid="mains")
            text = f"{wave_hz} as {seen_hz:.3g}" if folded else f"{wave_hz}"
            axes.text(
                seen_hz, 1.01, text, transform=axes.get_xaxis_transform(), ha="center", size=7, color=SOFT
            )


def _draw_heart_rate(axes: Axes, picture: RecordingPicture) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    lead = next((lead for lead in leads_shown(picture) if lead.heart_rate and lead.heart_rate.limits), None)
    if lead is None or lead.heart_rate is None:
        say_instead(axes, "no heart beats were found")
        return
    per_s = time_axis(axes, picture, most_ticks=7)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(number))
    low, high = robust_limits(lead.heart_rate)
    middle, half = (low + high) / 2, max((high - low) / 2, 10)
    axes.set_ylim(max(middle - half, 0), middle + half)
    line = draw_trace(axes, lead.heart_rate, per_s=per_s, color=TONES[0], linewidth=0.8, gid="heart-rate")
    if len(lead.heart_rate.time_s) <= BEATS_AS_DOTS:
        line.set(marker=".", markersize=3)
    for pause_s in picture.pauses_s:
        axes.axvline(pause_s * per_s, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    axes.set_ylabel("beats/min", labelpad=2)
    axes.set_xlabel(f"time, {time_unit(picture)[1]}", labelpad=2)


def _fault_lines(picture: RecordingPicture) -> list[tuple[str, str]]:
    """Return (severity, line of text) of the faults, wrapped; the severity at a fault's first line only."""
    lines = [] if picture.faults else [("", "no faults found")]
    for fault in picture.faults:
        lead = f"{shortened(fault.lead, 24)}: " if len(picture.leads) > 1 else ""
        wrapped = textwrap.wrap(shown(f"{lead}{fault.text}"), CHARACTERS) or [""]
        lines += [(fault.severity if i == 0 else "", line) for i, line in enumerate(wrapped)]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], ("", "and more: ecgkit info --check lists all")]
    not_made = sorted({check for _, check, _ in picture.skipped})
    if not_made:
        lines.append(("not checked", shortened(", ".join(not_made), CHARACTERS)))
    return lines


def _draw_faults(sheet: Figure, picture: RecordingPicture, top_mm: float) -> None:
    write_heading(sheet, top_mm, "What the checks found")
    top_mm += HEADING_MM + 2.5
    for i, (severity, text) in enumerate(_fault_lines(picture)):
        y_mm = top_mm + i * LINE_MM
        write(sheet, EDGE_MM, y_mm, severity, weight="bold", color=WARN_INK)
        write(sheet, EDGE_MM + 22, y_mm, text)
