"""The drawings of one session for the study's page: reads what is drawn, not the whole signal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import thinned, thinning
from ecgkit.analysis.quality import VERDICTS
from ecgkit.analysis.respiration import WORKING_FS, slow_spectrum
from ecgkit.analysis.rhythm import tachogram_spectrum
from ecgkit.errors import EcgkitError
from ecgkit.protocol.compliance import CheckResult
from ecgkit.readers.ecg_channel import millivolts_per_unit, physical_unit
from ecgkit.records import Session
from ecgkit.report.ecg_paper import StripLead
from ecgkit.report.study import Figures
from ecgkit.report.study_figures import STRIP_S, Spectrum, clock, draw_spectra, draw_strip, strip_trace
from ecgkit.report.study_rate import RatePicture, draw_rate
from ecgkit.stages.signal_blocks import read_blocks
from ecgkit.study.session_file import Observations, QualityTrack, read_observations, read_session

TOUCHING_S = 1e-6
SHORTEST_BREATHS_S = 20.0
LARGEST = 1e30  # what is beyond is no signal, and would overflow in the drawing
NOTES = {
    "accept": "",
    "doubtful": "; no better stretch: its quality is doubtful",
    "reject": "; no better stretch: its quality is rejected",
}

Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class FigureTask:
    """What it takes to draw a session, in whatever process.

    Attributes
    ----------
    expected_s, breath_period_s, delay_s
        What the protocol says of the condition; None where it says nothing.
    """

    path: Path
    checks: tuple[CheckResult, ...]
    expected_s: float | None
    breath_period_s: float | None
    delay_s: float | None


def draw_session(task: FigureTask) -> tuple[Figures, str]:
    """Draw a session; also say from when its strip is, or why there is none."""
    try:
        session, seen = read_session(task.path), read_observations(task.path)
        strip, note = _strip(session, seen)
        breath = _breath(session)
    except EcgkitError as error:
        return Figures("", "", ""), f"not drawn: {error}"
    ends = tuple((item.start_s, item.stop_s) for item in session.excluded)
    rate = RatePicture(
        beats_s=seen.beats_s,
        rhythm=seen.measures.rhythm,
        checks=task.checks,
        duration_s=seen.measures.duration_s,
        expected_s=task.expected_s or seen.measures.duration_s,
        breath_period_s=task.breath_period_s,
        delay_s=task.delay_s,
        rejected_s=windows_of(seen.quality, "reject"),
        doubtful_s=windows_of(seen.quality, "doubtful"),
        excluded_s=ends,
    )
    heart = Spectrum(*tachogram_spectrum(seen.beats_s))
    return Figures(strip, draw_rate(rate), draw_spectra(heart, breath, task.checks)), note


def strip_start_s(quality: QualityTrack, *, duration_s: float, at_least: str) -> float | None:
    """Find 6 s within windows of this quality or better; what is excluded has no windows.

    Returns
    -------
    float or None
        The middle of the longest such stretch, whole seconds; None where there is none.
    """
    spans_s = _joined(quality, quality.indices.verdict >= VERDICTS.index(at_least))
    clipped = [(start_s, min(stop_s, duration_s)) for start_s, stop_s in spans_s]
    start_s, stop_s = max(clipped, key=lambda span: span[1] - span[0], default=(0.0, 0.0))
    spare_s = stop_s - start_s - STRIP_S
    return start_s + spare_s // 2 if spare_s >= 0 else None


def windows_of(quality: QualityTrack, verdict: str) -> Spans:
    """Return the windows of one verdict as spans in seconds; those that touch are one."""
    return _joined(quality, quality.indices.verdict == VERDICTS.index(verdict))


def _joined(quality: QualityTrack, wanted: NDArray[np.bool_]) -> Spans:
    spans: list[tuple[float, float]] = []
    for start_s in quality.start_s[wanted].tolist():
        begin = spans.pop()[0] if spans and start_s <= spans[-1][1] + TOUCHING_S else start_s
        spans.append((begin, start_s + quality.window_s))
    return tuple(spans)


def _strip(session: Session, seen: Observations) -> tuple[str, str]:
    """Draw some seconds of the first lead, the best that there are; say from when they are."""
    channel = session.recording.channels[session.ecg[0]]
    start_s, quality = 0.0, "reject"
    for quality in reversed(VERDICTS):
        found = strip_start_s(seen.quality, duration_s=channel.duration_s, at_least=quality)
        if found is not None:
            start_s = found
            break
    start = min(round(start_s * channel.fs), channel.n_samples)
    stop = min(start + round(STRIP_S * channel.fs), channel.n_samples)
    samples = channel.read(start, stop) * (millivolts_per_unit(channel.unit) or 1.0)
    samples[~(np.abs(samples) < LARGEST)] = np.nan
    peaks_s = np.concatenate([np.empty(0), *seen.beats_s]) - start_s
    inside_s = peaks_s[(peaks_s >= 0) & (peaks_s < STRIP_S)]
    trace = strip_trace(samples, channel.fs)
    lead = StripLead(session.leads[0], physical_unit(channel.unit), trace, inside_s)
    more = f", the first of {len(session.leads)} leads" if len(session.leads) > 1 else ""
    drawing, scale = draw_strip(lead, start_s=start_s)
    note = "" if session.is_excluded else NOTES[quality]
    return drawing, f"{scale}; from {clock(start_s)}{more}{note}"


def _breath(session: Session) -> Spectrum | None:
    """Return the spectrum of the respiration channel's longest stretch, None where there is no channel."""
    if session.respiration is None:
        return None
    channel = session.recording.channels[session.respiration]
    pieces = (piece.own for block in read_blocks(session.recording, channel) for piece in block.pieces)
    longest = max(pieces, key=len, default=np.empty(0))
    factor = thinning(channel.fs, to_fs=WORKING_FS)
    thin: NDArray[np.float64] = thinned(longest, factor)
    if len(thin) < SHORTEST_BREATHS_S * channel.fs / factor:
        return Spectrum(np.empty(0), np.empty(0))
    return Spectrum(*slow_spectrum(thin, channel.fs / factor))
