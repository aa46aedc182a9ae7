"""Spectra: of a whole channel, and lines in it (mains hum)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SEGMENT_S = 4.0
HALF_WIDTH_HZ = 1.0  # mains strays by some 0.2 Hz, and a hum that swells is broader than a line
NEIGHBOURS_HZ = (1.5, 5.0)
STANDS_OUT = 4.0
FEWEST_SAMPLES = 8

Samples = NDArray[np.float64]


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
    window = _hann(size)
    centred = segments - segments.mean(axis=1, keepdims=True)
    away_hz = np.abs(np.fft.rfftfreq(size, 1 / fs) - at_hz)
    line = away_hz <= HALF_WIDTH_HZ
    beside = (away_hz >= NEIGHBOURS_HZ[0]) & (away_hz <= NEIGHBOURS_HZ[1])
    power = np.abs(np.fft.rfft(centred * window, axis=1)) ** 2  # (segment, frequency)
    in_line, expected = power[:, line].sum(axis=1), power[:, beside].mean(axis=1) * line.sum()
    squared = 4 * (in_line - expected) / (size * (window**2).sum())
    return np.sqrt(np.where(in_line >= STANDS_OUT * expected, np.maximum(squared, 0), 0))


def mean_density(
    chunks: Iterable[Samples], fs: float, *, pauses: Sequence[int] = ()
) -> tuple[Samples, Samples] | None:
    """Return the spectrum of a channel that is read chunk by chunk (Welch 1967).

    The mean periodogram of windows of 4 s, or of the first chunk where that is shorter: Hann, half
    overlapping, mean removed, one-sided density.

    Parameters
    ----------
    chunks
        Its samples, in order; a window with a NaN is left out.
    fs
        Rate, Hz.
    pauses
        First samples after a pause; no window crosses one.

    Returns
    -------
    tuple
        Frequencies in Hz and power in the signal's unit squared per Hz, (n,) each; None where there is no
        such window.
    """
    size, start, total, n_windows = 0, 0, np.zeros(0), 0
    for chunk in chunks:
        if not size and len(chunk) >= FEWEST_SAMPLES:
            size = min(max(round(SEGMENT_S * fs), FEWEST_SAMPLES), len(chunk))
            total = np.zeros(size // 2 + 1)
        rows = _windows(chunk, size, np.asarray(pauses) - start)
        if len(rows):
            total += (np.abs(np.fft.rfft(rows * _hann(size))) ** 2).sum(axis=0)
        n_windows += len(rows)
        start += len(chunk)
    if not n_windows:
        return None
    density: Samples = total / n_windows / (fs * (_hann(size) ** 2).sum())
    density[1 : len(density) - (size % 2 == 0)] *= 2  # the negative frequencies
    return np.arange(size // 2 + 1) * fs / size, density


def _windows(chunk: Samples, size: int, pauses: NDArray[np.int64]) -> Samples:
    """Cut half-overlapping windows (window, time) without a NaN or a pause, their means removed."""
    if not 0 < size <= len(chunk):
        return np.empty((0, size))
    begins = np.arange(0, len(chunk) - size + 1, size // 2)
    before, behind = (np.searchsorted(pauses, begins + shift, side="right") for shift in (0, size - 1))
    rows = np.lib.stride_tricks.sliding_window_view(chunk, size)[begins[before == behind]]  # (window, time)
    rows = rows[np.isfinite(rows).all(axis=1)]
    centred: Samples = rows - rows.mean(axis=1, keepdims=True)
    return centred


def _hann(size: int) -> Samples:
    taper: Samples = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return taper
