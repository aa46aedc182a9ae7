"""The beats of a stretch laid over each other, and what the median beat's shape tells of the recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BEFORE_S, AFTER_S = 0.3, 0.5
QRS_S = 0.1  # on both sides of the R peak
ALIKE_S = 0.25
T_WAVE_S = (0.15, 0.45)  # after the R peak

DOWN_RATIO = 2.0
PULSE_WIDTH_S = (0.07, 0.2)
PULSE_REBOUND = 0.2  # T waves leave some of themselves at 17 Hz


@dataclass(frozen=True, slots=True)
class BeatShape:
    """What is measured on a median beat.

    Attributes
    ----------
    up, down
        Height of the highest and depth of the lowest point of the QRS, in the signal's unit.
    t_wave
        Furthest point of the T wave, with its sign.
    width_s
        Width at half height of the higher deflection of the QRS.
    rebound
        Largest rise on the way down from the top, to both sides, as a share of the top's height: 0 for one
        smooth pulse, and no less than the P wave, the T wave and the dip before them for an ECG.
    """

    up: float
    down: float
    t_wave: float
    width_s: float
    rebound: float


def cut_beats(
    signal: NDArray[np.float64], fs: float, *, beats_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Cut out the beats, lying with the larger deflection of their QRS in one place, each less its median.

    Peak finders sit on the R wave of one beat and the S wave of the next where these are alike, and beside
    the R wave where it points down. Which way is the larger, most beats decide.

    Parameters
    ----------
    signal
        (n,), finite.
    fs
        Rate, Hz.
    beats_s
        Times of the R peaks, seconds from the first sample.

    Returns
    -------
    The beats that are whole, (whole, time), from 0.3 s before the peak to 0.5 s after it; and which of all
    these are, (beat,).
    """
    reach, before, after = round(QRS_S * fs), round(BEFORE_S * fs), round(AFTER_S * fs)
    peaks = np.rint(beats_s * fs).astype(np.int64)
    whole = (peaks >= before + reach) & (peaks < len(signal) - after - reach)
    peaks = peaks[whole]
    if len(peaks) == 0:
        return np.empty((0, before + after + 1)), whole
    beats = _cut(signal, peaks, before, after)
    qrs = beats[:, before - reach : before + reach + 1]  # (beat, time)
    sign = 1.0 if np.median(qrs.max(axis=1) + qrs.min(axis=1)) >= 0 else -1.0
    return _cut(signal, peaks + (sign * qrs).argmax(axis=1) - reach, before, after), whole


def _cut(
    signal: NDArray[np.float64], peaks: NDArray[np.int64], before: int, after: int
) -> NDArray[np.float64]:
    beats = signal[peaks[:, None] + np.arange(-before, after + 1)]  # (beat, time)
    centred: NDArray[np.float64] = beats - np.median(beats, axis=1, keepdims=True)
    return centred


def qrs_heights(beats: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Return the larger deflection of each beat's QRS, (beat,), above 0."""
    heights: NDArray[np.float64] = np.abs(_around_peak(beats, fs, reach_s=QRS_S)).max(axis=1, initial=0.0)
    return heights


def likeness(beats: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Correlate each beat with the median beat, 0.25 s on both sides of the peak; (beat,).

    Orphanidou et al. (IEEE J Biomed Health Inform 19:832, 2015) take an ECG as good where the mean of this
    is 0.66 or more.
    """
    if len(beats) == 0:
        return np.empty(0)
    near = _around_peak(beats, fs, reach_s=ALIKE_S)
    near = near - near.mean(axis=1, keepdims=True)
    template = np.median(near, axis=0)
    template = template - template.mean()
    norm = np.linalg.norm(near, axis=1) * np.linalg.norm(template)
    alike: NDArray[np.float64] = np.divide(near @ template, norm, out=np.zeros(len(near)), where=norm > 0)
    return alike


def shape_of(beat: NDArray[np.float64], fs: float, *, rr_s: float) -> BeatShape:
    """Measure a median beat, (time,), as `cut_beats` lays it; `rr_s` keeps the next beat out."""
    at_s = np.arange(len(beat)) / fs - round(BEFORE_S * fs) / fs
    qrs = np.abs(at_s) <= QRS_S
    up, down = float(beat[qrs].max()), float(-beat[qrs].min())
    own = (at_s >= -0.5 * rr_s) & (at_s <= 0.6 * rr_s)
    t_wave = beat[own & (at_s >= T_WAVE_S[0]) & (at_s <= T_WAVE_S[1])]
    upright = beat[own] if up >= down else -beat[own]
    top = int(np.argmax(np.where(qrs[own], upright, -np.inf)))
    sides = (upright[top:], upright[top::-1])
    height = max(up, down)
    rebound = max(float((side - np.minimum.accumulate(side)).max()) for side in sides)
    return BeatShape(
        up=up,
        down=down,
        t_wave=float(t_wave[np.abs(t_wave).argmax()]) if len(t_wave) else 0.0,
        width_s=sum(_samples_above(side, height / 2) for side in sides) / fs,
        rebound=rebound / height if height > 0 else 0.0,
    )


def points_down(shape: BeatShape) -> bool:
    """Tell whether an ECG is upside down: its QRS points down, clearly, and its T wave too.

    A QRS that points down with a T wave that points up is normal in some leads, and in lead I for some
    hearts. That arms changed over turn P, QRS and T alike is how it is told (AHA/ACCF/HRS
    recommendations on the ECG, part I, 2007). Lead aVR is upside down and right so.
    """
    return shape.down >= DOWN_RATIO * max(shape.up, 0.0) and shape.down > 0 and shape.t_wave < 0


def is_pulse(shape: BeatShape) -> bool:
    """Tell whether there is one smooth pulse a beat and nothing else: an R-wave detector's output.

    BIOPAC's detector is a band-pass at 17 Hz with a Q of 5, the absolute value, and a low-pass at 10 Hz
    (lesson H26; the R-wave switch of the ECG100C does the same). Its pulse is 0.1 s wide at half height,
    an R wave 0.02 to 0.05 s, a pulse wave of the blood 0.25 s.
    """
    narrowest_s, widest_s = PULSE_WIDTH_S
    is_wide = narrowest_s <= shape.width_s <= widest_s
    return is_wide and shape.up > shape.down and shape.rebound <= PULSE_REBOUND


def _around_peak(beats: NDArray[np.float64], fs: float, *, reach_s: float) -> NDArray[np.float64]:
    centre, reach = round(BEFORE_S * fs), round(reach_s * fs)
    return beats[:, centre - reach : centre + reach + 1]


def _samples_above(side: NDArray[np.float64], level: float) -> float:
    """Return after how many samples a falling side (time,) first goes below a level, between samples."""
    below = np.flatnonzero(side < level)
    if len(below) == 0:
        return float(len(side) - 1)
    at = int(below[0])
    return float(at - 1 + (side[at - 1] - level) / (side[at - 1] - side[at])) if at else 0.0
