"""What needs no fast rate, at little cost: a signal thinned out, and its R peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.rpeaks import find_r_peaks

BEAT_FS = 250.0  # the least for heart rate variability (Task Force of the ESC and NASPE 1996)
TIP_SAMPLES = 2  # the peak finder smooths: the tip may lie this far from what it gives


def thinning(fs: float, *, to_fs: float) -> int:
    """Return how many samples at `fs` may be averaged to one so that `to_fs` or more is left; Hz."""
    return max(int(fs // to_fs), 1)


def thinned(signal: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """Average samples, (n,), by `factor`, to (n // factor,).

    The first one comes to lie ``(factor - 1) / 2`` samples later. What is above the new rate's half is
    weakened, not removed: enough for shapes of beats and for lines far below.
    """
    if factor == 1:
        return signal
    whole = len(signal) // factor * factor
    thin: NDArray[np.float64] = signal[:whole].reshape(-1, factor).mean(axis=1)
    return thin


def beat_times_s(signal: NDArray[np.float64], fs: float) -> NDArray[np.float64]:
    """Find the R peaks on the signal thinned to 250 Hz or more; a parabola gives the tips between samples.

    Parameters
    ----------
    signal
        (n,), finite, without a gap.
    fs
        Rate, Hz.

    Returns
    -------
    NDArray
        Seconds from the first sample, ascending.
    """
    factor = thinning(fs, to_fs=BEAT_FS)
    thin = thinned(signal, factor)
    peaks = find_r_peaks(thin, fs / factor)
    peaks = peaks[(peaks > TIP_SAMPLES) & (peaks < len(thin) - TIP_SAMPLES - 1)]
    if len(peaks) == 0:
        return np.empty(0)
    around = thin[peaks[:, None] + np.arange(-TIP_SAMPLES, TIP_SAMPLES + 1)]  # (beat, 5)
    peaks = np.unique(peaks + around.argmax(axis=1) - TIP_SAMPLES)
    left, tip, right = thin[peaks - 1], thin[peaks], thin[peaks + 1]
    bend = left - 2 * tip + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros(len(peaks)), where=bend < 0)
    at = (peaks + np.clip(shift, -0.5, 0.5)) * factor + (factor - 1) / 2
    times_s: NDArray[np.float64] = at / fs
    return times_s
