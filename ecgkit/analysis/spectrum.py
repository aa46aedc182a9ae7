"""Lines in the spectrum: mains hum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEGMENT_S = 4.0
HALF_WIDTH_HZ = 1.0  # mains strays by some 0.2 Hz, and a hum that swells is broader than a line
NEIGHBOURS_HZ = (1.5, 5.0)
STANDS_OUT = 4.0


def can_measure_line(fs: float, *, at_hz: float) -> bool:
    """Tell whether a line at `at_hz` has room on both sides in the spectrum of a signal at `fs`."""
    return NEIGHBOURS_HZ[1] <= at_hz <= fs / 2 - NEIGHBOURS_HZ[0]


def line_amplitudes(signal: NDArray[np.float64], fs: float, *, at_hz: float) -> NDArray[np.float64]:
    """Measure a line in each 4 s of a signal.

    The power within 1 Hz of the line, less what the neighbouring frequencies lead to expect there; in
    segments with a Hann window, as in Welch's method, but kept apart, so that a hum that comes and goes is
    seen, and one artefact does not count for all.

    Parameters
    ----------
    signal
        (n,), finite.
    fs
        Rate, Hz.
    at_hz
        Where the line lies; one that `can_measure_line`.

    Returns
    -------
    NDArray
        Amplitude (half of peak to peak) in the signal's unit, (segment,); 0 where the line is less than 4
        times as strong as its neighbours.
    """
    size = round(SEGMENT_S * fs)
    segments = signal[: len(signal) // size * size].reshape(-1, size)  # (segment, time)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    centred = segments - segments.mean(axis=1, keepdims=True)
    away_hz = np.abs(np.fft.rfftfreq(size, 1 / fs) - at_hz)
    line = away_hz <= HALF_WIDTH_HZ
    beside = (away_hz >= NEIGHBOURS_HZ[0]) & (away_hz <= NEIGHBOURS_HZ[1])
    power = np.abs(np.fft.rfft(centred * window, axis=1)) ** 2  # (segment, frequency)
    in_line, expected = power[:, line].sum(axis=1), power[:, beside].mean(axis=1) * line.sum()
    squared = 4 * (in_line - expected) / (size * (window**2).sum())
    return np.sqrt(np.where(in_line >= STANDS_OUT * expected, np.maximum(squared, 0), 0))
