"""What electrodes and amplifiers add to a simulated ECG: wander, mains, muscle, motion, lost contact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

SLOW_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Artefact:
    """A stretch of a recording that is not ECG alone.

    Attributes
    ----------
    kind
        "motion" (ECG with a deflection on it), "flat" or "railed" (an electrode is off: no ECG).
    """

    kind: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class NoiseLevels:
    """How much of each noise one recording has.

    Attributes
    ----------
    breath_mv
        Baseline wander at the breathing rate, amplitude.
    drift_mv, contact_mv, muscle_mv
        Slow wander below 0.5 Hz, contact noise around 0.5-8 Hz, muscle noise above 20 Hz; RMS.
    mains_mv
        Mains hum, amplitude.
    motion_per_min
        Mean number of motion artefacts in a minute.
    detached
        Whether an electrode comes off once.
    """

    offset_mv: float
    breath_mv: float
    drift_mv: float
    contact_mv: float
    muscle_mv: float
    mains_mv: float
    motion_per_min: float
    detached: bool


def shaped_noise(
    n: int, fs: float, density: Callable[[Signal], Signal], *, rng: np.random.Generator
) -> Signal:
    """Draw Gaussian noise of a given spectrum, mean 0 and standard deviation 1.

    Parameters
    ----------
    n
        Number of samples, at least 2.
    fs
        Their rate, Hz.
    density
        Gives the relative power at frequencies (Hz, all above 0).

    Returns
    -------
    Shape (n,).
    """
    frequencies: Signal = np.fft.rfftfreq(n, 1 / fs).astype(np.float64)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[0] = 0.0
    spectrum[1:] *= np.sqrt(density(frequencies[1:]))
    noise = np.fft.irfft(spectrum, n)
    return np.asarray(noise / noise.std(), dtype=np.float64)


def band(low_hz: float, high_hz: float, *, slope: float = 0.0) -> Callable[[Signal], Signal]:
    """Return a density ``f**-slope`` within a band that ends softly on both sides."""

    def density(f: Signal) -> Signal:
        return f**-slope / (1 + (low_hz / f) ** 6) / (1 + (f / high_hz) ** 6)

    return density


def slow_noise(n: int, fs: float, *, high_hz: float, rng: np.random.Generator) -> Signal:
    """Draw noise below `high_hz` (at most 1 Hz) for levels that change in time; SD about 1, shape (n,)."""
    n_slow = int(np.ceil(n / fs * SLOW_HZ)) + 2
    slow = shaped_noise(n_slow, SLOW_HZ, band(0.01, high_hz, slope=1.0), rng=rng)
    return np.interp(np.arange(n) / fs, np.arange(n_slow) / SLOW_HZ, slow)


def baseline(n: int, fs: float, *, breath: Signal, levels: NoiseLevels, rng: np.random.Generator) -> Signal:
    """Draw the electrode's offset, its drift and the wander with each breath, mV, shape (n,).

    Parameters
    ----------
    breath
        Breathing from -1 (out) to 1 (in), shape (n,).
    """
    drift = levels.drift_mv * slow_noise(n, fs, high_hz=0.5, rng=rng)
    return levels.offset_mv + levels.breath_mv * breath + drift


def contact(n: int, fs: float, *, rms_mv: float, rng: np.random.Generator) -> Signal:
    """Draw the noise of skin and electrode in the band of the P and T waves, mV, shape (n,)."""
    envelope = np.exp(0.5 * slow_noise(n, fs, high_hz=0.2, rng=rng))
    return rms_mv * envelope * shaped_noise(n, fs, band(0.5, 8.0, slope=1.0), rng=rng)


def mains(n: int, fs: float, *, mains_hz: float, amplitude_mv: float, rng: np.random.Generator) -> Signal:
    """Draw mains hum with its third harmonic and a slowly changing amplitude, mV, shape (n,).

    Harmonics at or above half the sampling rate are left out, as the amplifier's filter does.
    """
    level = amplitude_mv * (1 + 0.3 * slow_noise(n, fs, high_hz=0.1, rng=rng))
    time_s = np.arange(n) / fs
    phases = rng.uniform(0, 2 * np.pi, 2)
    hum = np.zeros(n)
    for harmonic, share, phase in ((1, 1.0, phases[0]), (3, 0.2, phases[1])):
        if harmonic * mains_hz < fs / 2:
            hum += share * np.sin(2 * np.pi * harmonic * mains_hz * time_s + phase)
    return level * hum


def muscle(n: int, fs: float, *, rms_mv: float, rng: np.random.Generator) -> Signal:
    """Draw muscle noise (20-300 Hz) that swells and fades, mV, shape (n,)."""
    envelope = np.exp(0.6 * slow_noise(n, fs, high_hz=0.3, rng=rng))
    return rms_mv * envelope * shaped_noise(n, fs, band(20.0, min(300.0, 0.45 * fs)), rng=rng)


def motion(
    n: int, fs: float, *, per_min: float, rng: np.random.Generator
) -> tuple[Signal, tuple[Artefact, ...]]:
    """Draw motion artefacts: deflections of 0.5 to 2 s at random times.

    Returns
    -------
    The deflections in mV, shape (n,), and where they are.
    """
    duration_s = n / fs
    count = int(rng.poisson(per_min * duration_s / 60))
    starts = np.sort(rng.uniform(0, duration_s, count))
    signal, spans = np.zeros(n), []
    for start_s in starts:
        length_s, height_mv = rng.uniform(0.5, 2.0), rng.choice((-1, 1)) * rng.uniform(0.2, 0.7)
        first, last = round(start_s * fs), min(round((start_s + length_s) * fs), n)
        if last - first < 2:
            continue
        x = np.arange(last - first) / (length_s * fs)
        swing = np.sin(np.pi * x) ** 2 * (1 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 4) * x))
        signal[first:last] += height_mv * swing
        spans.append(Artefact("motion", first / fs, last / fs))
    return signal, tuple(spans)


def detach(
    ecg_mv: Signal, fs: float, *, rail_mv: float, rng: np.random.Generator
) -> tuple[Signal, tuple[Artefact, ...]]:
    """Let an electrode come off for 1 to 4 s: the amplifier shows a line, sometimes at its rail.

    Returns
    -------
    The signal with the stretch replaced, shape as given, and where it is (nothing where the
    recording is too short for it).
    """
    n, length = ecg_mv.size, round(rng.uniform(1.0, 4.0) * fs)
    kind = "railed" if rng.random() < 0.3 else "flat"
    level_mv = rng.choice((-1, 1)) * rail_mv if kind == "railed" else rng.normal(0, 0.05)
    place = rng.random()
    if n < 3 * length:
        return ecg_mv, ()
    start = round(place * (n - length))
    off = ecg_mv.copy()
    off[start : start + length] = level_mv
    return off, (Artefact(kind, start / fs, (start + length) / fs),)
