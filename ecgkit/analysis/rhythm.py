"""The rhythm of the heart: rate, variability, and how it follows slow breathing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.heart_rate import RR_RANGE_S
from ecgkit.analysis.respiration import power_share, slow_spectrum, strongest_hz

Floats = NDArray[np.float64]

AROUND, FAR_AROUND = 11, 91  # intervals
SPREADS = 5.2  # quartile deviations: 3.5 standard deviations of a normal distribution
LIMITS = (0.2, 0.5)  # of the logarithm: a fifth, and what turns 1 s to 0.61 or 1.65 s
BESIDE = 0.5  # of the limit, for the neighbours of an interval that is not normal: they share its odd beat

TACHOGRAM_FS = 4.0
LEAST_INTERVALS = 5
OVER_MS = 50 + 1e-6  # differences of times in seconds are not exact
SHORTEST_S = 30.0
NORMAL_TIME = 0.8
BAND_HZ = (0.04, 0.4)
PACED_HZ = (0.07, 0.13)

END_S = 30.0
SLOPE_STEP_S, SLOPE_STEPS, LEAST_STEPS = 10.0, 200, 6
BREATH_S, LEAST_BREATHS = 10.0, 3
LEAST_TOGETHER = 4  # intervals in a breath, or in a step


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is measured on the heart beats of a session; NaN where it can't be told.

    Attributes
    ----------
    n_beats
        All that were found.
    heart_rate_bpm, median_heart_rate_bpm
        60 over the mean and over the median normal RR interval.
    sdnn_ms, rmssd_ms, pnn50
        Standard deviation of the normal intervals, root mean square of the differences of neighbours, and
        percentage of these above 50 ms (Task Force, Circulation 93:1043, 1996).
    slope_bpm_per_min
        Of the heart rate over the session, robust.
    start_heart_rate_bpm, stop_heart_rate_bpm
        Mean in the first and in the last 30 s.
    breathing_hz
        Strongest frequency of the heart rate's rhythm from 0.04 to 0.4 Hz.
    breathing_share
        Share of the power there that lies from 0.07 to 0.13 Hz, where six breaths a minute are.
    e_minus_i_bpm
        Median over the breaths of the highest less the lowest heart rate (Löllgen et al., Muscle Nerve
        39:536, 2009).
    e_to_i_ratio
        Mean over the breaths of the longest over the shortest RR interval.
    """

    n_beats: int
    heart_rate_bpm: float
    median_heart_rate_bpm: float
    sdnn_ms: float
    rmssd_ms: float
    pnn50: float
    slope_bpm_per_min: float
    start_heart_rate_bpm: float
    stop_heart_rate_bpm: float
    breathing_hz: float
    breathing_share: float
    e_minus_i_bpm: float
    e_to_i_ratio: float


def measure_rhythm(stretches: Sequence[Floats]) -> Rhythm:
    """Measure the rhythm of a session.

    Parameters
    ----------
    stretches
        Times of the R peaks, ascending, seconds on one clock, for each stretch without a gap.
    """
    intervals = [normal_intervals(peaks_s) for peaks_s in stretches]
    ends_s = np.concatenate([np.empty(0), *(ends for ends, _ in intervals)])
    rr_s = np.concatenate([np.empty(0), *(rr for _, rr in intervals)])
    is_normal = np.isfinite(rr_s)
    ends_s, normal_s = ends_s[is_normal], rr_s[is_normal]
    enough = len(normal_s) >= LEAST_INTERVALS
    steps_ms = 1e3 * np.concatenate([np.empty(0), *(_neighbour_steps(rr) for _, rr in intervals)])
    at_hz, power = tachogram_spectrum(stretches)
    breathing_hz = strongest_hz(at_hz, power, band_hz=BAND_HZ)
    e_minus_i_bpm, e_to_i_ratio = _breaths(ends_s, normal_s, breathing_hz)
    return Rhythm(
        n_beats=sum(map(len, stretches)),
        heart_rate_bpm=_rate_bpm(normal_s),
        median_heart_rate_bpm=60 / float(np.median(normal_s)) if len(normal_s) else np.nan,
        sdnn_ms=1e3 * float(np.std(normal_s, ddof=1)) if enough else np.nan,
        rmssd_ms=float(np.sqrt(np.mean(steps_ms**2))) if enough and len(steps_ms) else np.nan,
        pnn50=100 * float(np.mean(np.abs(steps_ms) > OVER_MS)) if enough and len(steps_ms) else np.nan,
        slope_bpm_per_min=_slope(ends_s, normal_s),
        start_heart_rate_bpm=_rate_bpm(normal_s[ends_s <= _first(ends_s) + END_S]),
        stop_heart_rate_bpm=_rate_bpm(normal_s[ends_s >= _first(ends_s[::-1]) - END_S]),
        breathing_hz=breathing_hz,
        breathing_share=power_share(at_hz, power, PACED_HZ, of_hz=BAND_HZ),
        e_minus_i_bpm=e_minus_i_bpm,
        e_to_i_ratio=e_to_i_ratio,
    )


def normal_intervals(peaks_s: Floats) -> tuple[Floats, Floats]:
    """Return the RR intervals of a stretch, with NaN for those that end or begin with an odd beat.

    The logarithm of an interval is compared with the median of the 11 around it. It may differ by 5.2
    quartile deviations of the 91 around, as Lipponen & Tarvainen do it (J Med Eng Technol 43:173, 2019),
    but by 0.2 in any case, and by no more than 0.5: deep breaths of the young come close to that, a missed
    beat makes 0.69. What is not normal is left out, never made up.

    Parameters
    ----------
    peaks_s
        Times of the R peaks, ascending, seconds.

    Returns
    -------
    tuple
        When each interval ends, and how long it is, seconds, (interval,) each.
    """
    from scipy.ndimage import median_filter, percentile_filter

    rr_s = np.diff(peaks_s)
    if len(rr_s) == 0:
        return np.empty(0), rr_s
    log_rr = np.log(np.maximum(rr_s, 1e-3))
    away = log_rr - median_filter(log_rr, _odd(AROUND, len(rr_s)), mode="reflect")
    size = _odd(FAR_AROUND, len(rr_s))
    low, high = (percentile_filter(away, percent, size, mode="reflect") for percent in (25, 75))
    limit = np.clip(SPREADS * (high - low) / 2, *LIMITS)
    odd = np.abs(away) > limit
    beside = np.convolve(odd, [1, 0, 1])[1:-1] > 0
    odd |= beside & (np.abs(away) > BESIDE * limit)
    normal = ~odd & (rr_s >= RR_RANGE_S[0]) & (rr_s <= RR_RANGE_S[1])
    return peaks_s[1:], np.where(normal, rr_s, np.nan)


def tachogram_spectrum(stretches: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the power density of the RR intervals, (frequency,): Hz, and seconds squared per Hz.

    The intervals are interpolated to 4 Hz, over those that are not normal too; a stretch counts as long as
    it is, and not at all where it is shorter than 30 s or less than four fifths of it are normal.
    """
    parts, weights = [], []
    for peaks_s in stretches:
        ends_s, rr_s = normal_intervals(peaks_s)
        normal = np.isfinite(rr_s)
        length_s = float(np.ptp(ends_s[normal])) if normal.any() else 0.0
        if length_s < SHORTEST_S or rr_s[normal].sum() < NORMAL_TIME * np.ptp(peaks_s):
            continue
        grid_s = np.arange(ends_s[normal][0], ends_s[normal][-1], 1 / TACHOGRAM_FS)
        parts.append(slow_spectrum(_interpolated(grid_s, ends_s[normal], rr_s[normal]), TACHOGRAM_FS))
        weights.append(length_s)
    if not parts:
        return np.empty(0), np.empty(0)
    return parts[0][0], np.average([power for _, power in parts], axis=0, weights=weights)


def _interpolated(grid_s: Floats, at_s: Floats, values: Floats) -> Floats:
    from scipy.interpolate import PchipInterpolator  # overshoots nowhere

    on_grid: Floats = PchipInterpolator(at_s, values)(grid_s)
    return on_grid


def _neighbour_steps(rr_s: Floats) -> Floats:
    steps = np.diff(rr_s)
    return steps[np.isfinite(steps)]


def _odd(most: int, n: int) -> int:
    return min(most, n - 1 + n % 2)


def _first(times_s: Floats) -> float:
    return float(times_s[0]) if len(times_s) else np.nan


def _rate_bpm(rr_s: Floats) -> float:
    return 60 / float(np.mean(rr_s)) if len(rr_s) else np.nan


def _slope(ends_s: Floats, rr_s: Floats) -> float:
    """Return the median slope between the median rates of all pairs of 10 s (Theil 1950, Sen 1968)."""
    if len(ends_s) == 0:
        return np.nan
    step_s = max(SLOPE_STEP_S, float(np.ptp(ends_s)) / SLOPE_STEPS)
    steps = _runs(np.floor((ends_s - ends_s[0]) / step_s))
    if len(steps) < LEAST_STEPS:
        return np.nan
    at_s = np.array([np.mean(ends_s[step]) for step in steps])
    rate = np.array([60 / np.mean(rr_s[step]) for step in steps])
    first, second = np.triu_indices(len(steps), 1)
    return 60 * float(np.median((rate[second] - rate[first]) / (at_s[second] - at_s[first])))


def _breaths(ends_s: Floats, rr_s: Floats, breathing_hz: float) -> tuple[float, float]:
    """Return E - I difference and E : I ratio, over stretches as long as a slow breath.

    In the time of one breath lie its fastest and its slowest beat, wherever it begins; so that no phase need
    be known. A breath is as long as the heart rate's rhythm says where that is paced, else 10 s.
    """
    paced = PACED_HZ[0] <= breathing_hz <= PACED_HZ[1]
    breaths = _runs(np.floor((ends_s - _first(ends_s)) * (breathing_hz if paced else 1 / BREATH_S)))
    if len(breaths) < LEAST_BREATHS:
        return np.nan, np.nan
    longest, shortest = (np.array([pick(rr_s[breath]) for breath in breaths]) for pick in (np.max, np.min))
    return float(np.median(60 / shortest - 60 / longest)), float(np.mean(longest / shortest))


def _runs(numbers: Floats) -> list[NDArray[np.int64]]:
    """Return the indexes of each run of one number, (interval,), that has four or more."""
    runs = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers)) + 1)
    return [run for run in runs if len(run) >= LEAST_TOGETHER]
