"""Rhythm of a simulated heart: when it beats and how its owner breathes, per condition.

The rate is a trend plus slow variability plus respiratory sinus arrhythmia; beats come from it by
integral pulse frequency modulation (Mateo & Laguna, IEEE Trans Biomed Eng 47:985, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecgkit.simulate.noise import Signal, shaped_noise, slow_noise

GRID_HZ = 20.0
MARGIN_S = 5.0
DEEP_BREATHING_HZ = 0.1
LOWEST_BPM = 40.0


@dataclass(frozen=True, slots=True)
class HeartTraits:
    """How one person's heart and breathing behave.

    Attributes
    ----------
    recovery_start_bpm, recovered_rise_bpm, recovery_s
        After the run: rate at the first sample, what it settles at above rest, time constant.
    variability_bpm
        Standard deviation at rest of what is not respiratory.
    rsa_bpm, deep_rsa_bpm
        Respiratory sinus arrhythmia, peak to peak, at rest and in deep breathing.
    """

    rest_bpm: float
    recovery_start_bpm: float
    recovered_rise_bpm: float
    recovery_s: float
    deep_rise_bpm: float
    variability_bpm: float
    rsa_bpm: float
    deep_rsa_bpm: float
    breathing_hz: float


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Beats and breathing of one recording, with a margin on both sides.

    Attributes
    ----------
    time_s
        Grid of the next two, from before 0 to after the end, shape (grid,).
    rate_bpm, breath
        Heart rate, and breathing from -1 (out) to 1 (in), shape (grid,).
    r_peaks_s
        Times of the R peaks, rising, shape (beat,); some lie outside the recording.
    inspire_s, expire_s
        When each breath in and each breath out starts.
    """

    time_s: Signal
    rate_bpm: Signal
    breath: Signal
    r_peaks_s: Signal
    inspire_s: Signal
    expire_s: Signal


def draw_traits(rng: np.random.Generator) -> HeartTraits:
    """Draw one healthy young adult."""
    rest_bpm = float(np.clip(rng.normal(68, 9), 50, 88))
    return HeartTraits(
        rest_bpm=rest_bpm,
        recovery_start_bpm=max(float(rng.uniform(105, 135)), rest_bpm + 30),
        recovered_rise_bpm=float(rng.uniform(3, 10)),
        recovery_s=float(rng.uniform(60, 95)),
        deep_rise_bpm=float(rng.uniform(2, 6)),
        variability_bpm=float(rng.uniform(1.5, 3.5)),
        rsa_bpm=float(rng.uniform(2, 7)),
        deep_rsa_bpm=float(rng.uniform(6, 20)),
        breathing_hz=float(rng.uniform(0.2, 0.3)),
    )


def simulate_rhythm(
    traits: HeartTraits, condition: str, *, duration_s: float, rng: np.random.Generator
) -> Rhythm:
    """Draw beats and breathing of one recording.

    Parameters
    ----------
    condition
        "rest", "exercise" (recovery from one minute after the run) or "deep_breathing" (5 s in, 5 s out).
    """
    time_s = np.arange(-MARGIN_S, duration_s + MARGIN_S, 1 / GRID_HZ)
    clock = _breathing_clock(traits, condition, time_s, rng=rng)
    # breathing in is shorter than breathing out, except where it is paced
    angle = clock if condition == "deep_breathing" else clock + 0.3 * (1 - np.cos(clock))
    breath = -np.cos(angle)
    rate_bpm = _rate(traits, condition, time_s, breath, rng=rng)
    return Rhythm(
        time_s=time_s,
        rate_bpm=rate_bpm,
        breath=breath,
        r_peaks_s=_crossings(np.cumsum(rate_bpm / 60 / GRID_HZ) + rng.random(), time_s),
        inspire_s=_crossings(angle / (2 * np.pi), time_s),
        expire_s=_crossings(angle / (2 * np.pi) - 0.5, time_s),
    )


def _breathing_clock(
    traits: HeartTraits, condition: str, time_s: Signal, *, rng: np.random.Generator
) -> Signal:
    """Return the phase of breathing in radians; a multiple of 2 pi starts a breath in."""
    wobble = slow_noise(time_s.size, GRID_HZ, high_hz=0.05, rng=rng)
    if condition == "deep_breathing":
        paced: Signal = 2 * np.pi * DEEP_BREATHING_HZ * time_s + 0.15 * wobble
        return paced
    frequency_hz = np.full(time_s.size, traits.breathing_hz)
    if condition == "exercise":
        frequency_hz += 0.12 * np.exp(-np.maximum(time_s, 0) / traits.recovery_s)
    frequency_hz *= 1 + 0.08 * wobble
    free: Signal = rng.uniform(0, 2 * np.pi) + np.cumsum(2 * np.pi * frequency_hz) / GRID_HZ
    return free


def _rate(
    traits: HeartTraits, condition: str, time_s: Signal, breath: Signal, *, rng: np.random.Generator
) -> Signal:
    """Return the heart rate in bpm on the grid."""
    today_bpm = rng.normal(0, 4)
    variability = shaped_noise(time_s.size, GRID_HZ, _variability_density, rng=rng)
    calm = traits.rest_bpm + today_bpm
    if condition == "exercise":
        settled = calm + traits.recovered_rise_bpm
        excess = np.maximum(traits.recovery_start_bpm - settled, 10.0)
        trend = settled + excess * np.exp(-np.maximum(time_s, 0) / traits.recovery_s)
        spread_bpm, rsa_bpm = 0.5 * traits.variability_bpm, 0.2 * traits.rsa_bpm
    elif condition == "deep_breathing":
        trend = np.full(time_s.size, calm + traits.deep_rise_bpm)
        spread_bpm, rsa_bpm = 0.8 * traits.variability_bpm, traits.deep_rsa_bpm
    else:
        trend = np.full(time_s.size, calm)
        spread_bpm, rsa_bpm = traits.variability_bpm, traits.rsa_bpm
    rate_bpm: Signal = np.maximum(trend + spread_bpm * variability + rsa_bpm / 2 * breath, LOWEST_BPM)
    return rate_bpm


def _variability_density(f: Signal) -> Signal:
    """Relative power of heart rate variability: 1/f up to 0.4 Hz and the 0.1 Hz (LF) wave."""
    low_frequency = 8.0 * np.exp(-0.5 * ((f - 0.1) / 0.02) ** 2)
    return np.asarray((1 / np.maximum(f, 0.01) + low_frequency) / (1 + (f / 0.4) ** 6), dtype=np.float64)


def _crossings(count: Signal, time_s: Signal) -> Signal:
    """Return the times at which a rising count passes a whole number."""
    whole = np.arange(np.ceil(count[0]), np.floor(count[-1]) + 1)
    return np.interp(whole, count, time_s)
