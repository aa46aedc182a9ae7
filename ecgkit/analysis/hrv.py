"""The usual figures of heart rate variability, after the Task Force (Circulation 93:1043, 1996)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.rhythm import (
    LEAST_INTERVALS,
    NORMAL_TIME,
    TACHOGRAM_FS,
    measure_rhythm,
    normal_intervals,
)

Floats = NDArray[np.float64]

BANDS_HZ = ((0.003, 0.04), (0.04, 0.15), (0.15, 0.4))  # VLF, LF, HF
LEAST_S = (300.0, 120.0, 60.0)  # that each band needs, by the Task Force
EDGES_S = 4.0  # the first and the last beat lie within a recording of that length
GAP_S = 3.0  # without a normal interval; a spline across it would make power up. An odd beat is shorter
SEGMENT_S, RESOLUTION_HZ = 300.0, 0.001


@dataclass(frozen=True, slots=True)
class Hrv:
    """Figures of heart rate variability; NaN where the recording is too short for one.

    Attributes
    ----------
    n_beats, n_intervals
        All R peaks, and the intervals that are normal: only these count.
    left_out_share
        Share of the intervals that are not normal, 0 to 1.
    mean_rr_ms, heart_rate_bpm
        Mean normal interval, and 60 over it.
    sdnn_ms, rmssd_ms, pnn50
        As `Rhythm` has them.
    sd1_ms, sd2_ms
        Standard deviations of the Poincaré plot, across and along its diagonal (Brennan et al., IEEE Trans
        Biomed Eng 48:1342, 2001).
    vlf_ms2, lf_ms2, hf_ms2
        Power from 0.003 to 0.04, to 0.15 and to 0.4 Hz; of stretches of at least 5, 2 and 1 min.
    total_power_ms2
        Sum of the three.
    lf_hf, lf_nu, hf_nu
        LF over HF, and each in percent of both; of stretches of at least 2 min.
    """

    n_beats: int
    n_intervals: int
    left_out_share: float
    mean_rr_ms: float
    heart_rate_bpm: float
    sdnn_ms: float
    rmssd_ms: float
    pnn50: float
    sd1_ms: float
    sd2_ms: float
    vlf_ms2: float
    lf_ms2: float
    hf_ms2: float
    total_power_ms2: float
    lf_hf: float
    lf_nu: float
    hf_nu: float


def measure_hrv(stretches: Sequence[Floats]) -> Hrv:
    """Measure the heart rate variability of a session.

    Parameters
    ----------
    stretches
        Times of the R peaks, ascending, seconds on one clock, for each stretch without a gap.
    """
    rhythm = measure_rhythm(stretches)
    intervals = [normal_intervals(peaks_s)[1] for peaks_s in stretches]
    rr_ms = 1e3 * np.concatenate([np.empty(0), *intervals])
    normal_ms = rr_ms[np.isfinite(rr_ms)]
    pairs_ms = 1e3 * np.concatenate([np.empty((2, 0)), *map(_neighbours, intervals)], axis=1)
    powers, lengths_s = _powers(stretches)
    vlf, lf, hf = (_mean(band, lengths_s) for band in powers)
    hf_beside_lf = _mean(np.where(np.isfinite(powers[1]), powers[2], np.nan), lengths_s)
    both = lf + hf_beside_lf
    return Hrv(
        n_beats=rhythm.n_beats,
        n_intervals=len(normal_ms),
        left_out_share=1 - len(normal_ms) / len(rr_ms) if len(rr_ms) else np.nan,
        mean_rr_ms=float(np.mean(normal_ms)) if len(normal_ms) else np.nan,
        heart_rate_bpm=rhythm.heart_rate_bpm,
        sdnn_ms=rhythm.sdnn_ms,
        rmssd_ms=rhythm.rmssd_ms,
        pnn50=rhythm.pnn50,
        sd1_ms=_spread(pairs_ms[1] - pairs_ms[0]),
        sd2_ms=_spread(pairs_ms[1] + pairs_ms[0]),
        vlf_ms2=vlf,
        lf_ms2=lf,
        hf_ms2=hf,
        total_power_ms2=_mean(powers.sum(axis=0), lengths_s),
        lf_hf=lf / hf_beside_lf if hf_beside_lf > 0 else np.nan,
        lf_nu=100 * lf / both if both > 0 else np.nan,
        hf_nu=100 * hf_beside_lf / both if both > 0 else np.nan,
    )


def _neighbours(rr_s: Floats) -> Floats:
    """Return each two normal intervals that follow each other, (2, pair)."""
    pairs = np.stack([rr_s[:-1], rr_s[1:]])
    return pairs[:, np.isfinite(pairs).all(axis=0)]


def _spread(across_ms: Floats) -> float:
    """Return the standard deviation along an axis of the plot, which is turned by 45 degrees."""
    return float(np.std(across_ms, ddof=1) / np.sqrt(2)) if len(across_ms) >= LEAST_INTERVALS else np.nan


def _powers(stretches: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the power of each run in each band, ms², (band, run), NaN where too short; and its length, s."""
    powers, lengths_s = [], []
    for ends_s, rr_s in _runs(stretches):
        length_s = float(ends_s[-1] - ends_s[0] + rr_s[0])
        if length_s + EDGES_S < min(LEAST_S) or rr_s.sum() < NORMAL_TIME * length_s:
            continue
        at_hz, density = _spectrum(ends_s, rr_s)
        for (low_hz, high_hz), least_s in zip(BANDS_HZ, LEAST_S, strict=True):
            power = density[(at_hz >= low_hz) & (at_hz < high_hz)].sum() * RESOLUTION_HZ
            powers.append(power if length_s + EDGES_S >= least_s else np.nan)
        lengths_s.append(length_s)
    return np.reshape(powers, (-1, len(BANDS_HZ))).T, np.array(lengths_s)


def _runs(stretches: Sequence[Floats]) -> Iterator[tuple[Floats, Floats]]:
    """Yield the normal intervals, their ends and lengths in seconds, of each run without a longer gap."""
    for peaks_s in stretches:
        ends_s, rr_s = normal_intervals(peaks_s)
        normal = np.isfinite(rr_s)
        ends_s, rr_s = ends_s[normal], rr_s[normal]
        breaks = 1 + np.flatnonzero(ends_s[1:] - rr_s[1:] - ends_s[:-1] > GAP_S)
        for run in np.split(np.arange(len(rr_s)), breaks):
            if len(run):
                yield ends_s[run], rr_s[run]


def _spectrum(ends_s: Floats, rr_s: Floats) -> tuple[Floats, Floats]:
    """Return frequencies and power density of RR intervals, ms² per Hz.

    A cubic spline at 4 Hz; the mean of periodograms of at most 5 min, half overlapping or more, of which each
    loses a straight line and gets a Hann window (Welch's method).
    """
    from scipy.interpolate import CubicSpline
    from scipy.signal import periodogram

    tachogram_ms = 1e3 * CubicSpline(ends_s, rr_s)(np.arange(ends_s[0], ends_s[-1], 1 / TACHOGRAM_FS))
    size = min(round(SEGMENT_S * TACHOGRAM_FS), len(tachogram_ms))
    n_segments = 1 + -(-(len(tachogram_ms) - size) // (size // 2))
    starts = np.linspace(0, len(tachogram_ms) - size, n_segments).astype(np.int64)
    segments = tachogram_ms[starts[:, None] + np.arange(size)]  # (segment, time)
    n_fft = round(TACHOGRAM_FS / RESOLUTION_HZ)
    at_hz, density = periodogram(segments, TACHOGRAM_FS, window="hann", nfft=n_fft, detrend="linear")
    return at_hz, density.mean(axis=0)


def _mean(powers: Floats, lengths_s: Floats) -> float:
    """Return the mean over the runs that have this power, (run,), each as heavy as it is long."""
    known = np.isfinite(powers)
    return float(np.average(powers[known], weights=lengths_s[known])) if known.any() else np.nan
