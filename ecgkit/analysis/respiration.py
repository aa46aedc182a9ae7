"""Breathing: from a respiration channel, or from how the QRS changes with each breath."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import thinned, thinning

EDR_FS = 4.0
QRS_S = 0.05  # on both sides of the R peak
OUTLIER = 5.0  # times the median distance from the median: a beat under an artefact
BREATHING_HZ = (0.05, 0.7)  # 3 to 42 breaths a minute
WORKING_FS = 10.0
SEGMENT_S, RESOLUTION_HZ = 60.0, 0.002
SHORTEST_S = 20.0  # two slow breaths
NEAR_HZ = 0.03


def edr(signal: NDArray[np.float64], fs: float, peaks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Derive breathing from an ECG: the size of each QRS, or its level, whichever shows it better.

    Breathing turns the heart and changes the chest's impedance, which changes the size (Moody et al., Comput
    Cardiol 12:113, 1985), and moves the baseline; Charlton et al. (Physiol Meas 37:610, 2016) compare both.
    The series is taken whose strongest rhythm holds more of its power. Nothing is filtered, so slow breaths
    stay; a filter from 0.1 Hz on (van Gent et al. 2019) halves those of 0.1 Hz. An estimate: it shows deep
    breaths mostly, free ones often not (docs/results/rpeaks.md).

    Parameters
    ----------
    signal
        (n,), any unit, without a gap, as recorded: a high-pass takes the level away.
    fs
        Rate, Hz.
    peaks
        R peaks, sample indexes, ascending.

    Returns
    -------
    NDArray
        At 4 Hz, from the first to the last whole beat, in the signal's unit; empty with fewer than four.
    """
    reach = round(QRS_S * fs)
    inner = peaks[(peaks >= reach) & (peaks < len(signal) - reach)]
    if len(inner) < 4:
        return np.empty(0)
    beats = signal[inner[:, None] + np.arange(-reach, reach + 1)]  # (beat, time)
    size, level = (_at_4_hz(inner / fs, of(beats, axis=1)) for of in (np.ptp, np.median))
    shown = [np.nan_to_num(breathing_rate(series, EDR_FS)[1]) for series in (size, level)]
    return size if shown[0] >= shown[1] else level


def _at_4_hz(beats_s: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate what each beat has, (beat,), without beats under an artefact."""
    away = np.abs(values - np.median(values))
    usual = away <= OUTLIER * max(float(np.median(away)), np.finfo(np.float64).tiny)
    return np.interp(np.arange(beats_s[0], beats_s[-1], 1 / EDR_FS), beats_s[usual], values[usual])


def breathing_rate(samples: NDArray[np.float64], fs: float) -> tuple[float, float]:
    """Find the frequency of breathing in a respiration channel or in what `edr` returns.

    Parameters
    ----------
    samples
        (n,), finite, without a gap, any unit.
    fs
        Rate, Hz; at least 1.4.

    Returns
    -------
    tuple
        The strongest frequency from 0.05 to 0.7 Hz; and which share of the power there lies within 0.03 Hz of
        it, 0 to 1. NaN for both where there are less than 20 s, or no waves.
    """
    thin = thinned(samples, thinning(fs, to_fs=WORKING_FS))
    fs /= thinning(fs, to_fs=WORKING_FS)
    if len(thin) < SHORTEST_S * fs or fs < 2 * BREATHING_HZ[1]:
        return np.nan, np.nan
    at_hz, power = slow_spectrum(thin, fs)
    peak_hz = strongest_hz(at_hz, power, band_hz=BREATHING_HZ)
    return peak_hz, power_share(at_hz, power, (peak_hz - NEAR_HZ, peak_hz + NEAR_HZ), of_hz=BREATHING_HZ)


def slow_spectrum(samples: NDArray[np.float64], fs: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the power density of slow waves: Welch's method (IEEE Trans Audio Electroacoust 15:70, 1967).

    Segments of a minute, or all where that is less, overlap by half or more; each loses a parabola, which
    takes drifts and the fall of the heart rate after exercise, and gets a Hann window.

    Parameters
    ----------
    samples
        (n,), finite.
    fs
        Rate, Hz.

    Returns
    -------
    tuple
        Frequencies, 0.002 Hz or less apart, and density in the samples' unit squared per Hz, (frequency,).
    """
    size = min(round(SEGMENT_S * fs), len(samples))
    n_segments = 1 + -(-(len(samples) - size) // max(size // 2, 1))
    starts = np.linspace(0, len(samples) - size, n_segments).astype(np.int64)
    segments = samples[starts[:, None] + np.arange(size)]  # (segment, time)
    parabolas, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, size), 3))  # (time, 3)
    window = np.hanning(size)
    flat = (segments - segments @ parabolas @ parabolas.T) * window
    n_fft = max(size, round(fs / RESOLUTION_HZ))
    power = np.abs(np.fft.rfft(flat, n_fft, axis=1)) ** 2  # (segment, frequency)
    density: NDArray[np.float64] = 2 * power.mean(axis=0) / (fs * (window**2).sum())
    return np.fft.rfftfreq(n_fft, 1 / fs).astype(np.float64), density


def strongest_hz(
    at_hz: NDArray[np.float64], power: NDArray[np.float64], *, band_hz: tuple[float, float]
) -> float:
    """Return the frequency of the highest peak in a band; NaN where the spectrum has none there."""
    inside = (at_hz[1:-1] >= band_hz[0]) & (at_hz[1:-1] <= band_hz[1])
    is_peak = inside & (power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:])
    if not is_peak.any():
        return float("nan")
    return float(at_hz[1 + np.argmax(np.where(is_peak, power[1:-1], 0))])


def power_share(
    at_hz: NDArray[np.float64],
    power: NDArray[np.float64],
    band_hz: tuple[float, float],
    *,
    of_hz: tuple[float, float],
) -> float:
    """Return the share of the power in `of_hz` that lies in `band_hz`; NaN where there is none."""
    whole = (at_hz >= of_hz[0]) & (at_hz <= of_hz[1])
    part = whole & (at_hz >= band_hz[0]) & (at_hz <= band_hz[1])
    total = float(power[whole].sum())
    return float(power[part].sum()) / total if total > 0 and part.any() else float("nan")
