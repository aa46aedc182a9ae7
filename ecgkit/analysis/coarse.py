"""What needs no fast rate, at little cost: a signal thinned out, and its R peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.qrs_choice import find_qrs

BEAT_FS = 250.0  # the least for heart rate variability (Task Force of the ESC and NASPE 1996)


def thinning(fs: float, *, to_fs: float) -> int:
    """Return how many samples at `fs` may be averaged to one so that `to_fs` or more is left; Hz."""
    return max(int(fs // to_fs), 1)


def thinned(signal: NDArray[Any], factor: int) -> NDArray[np.float64]:
    """Average samples, (n,), by `factor`, to (n // factor,).

    The first one comes to lie ``(factor - 1) / 2`` samples later. What is above the new rate's half is
    weakened, not removed: enough for shapes of beats and for lines far below.
    """
    if factor == 1:
        return signal
    whole = len(signal) // factor * factor
    if signal.dtype.kind == "i":  # exact in any order, so in the fastest
        total = signal[:whole:factor].astype(np.float64)
        for first in range(1, factor):
            total += signal[first:whole:factor]
        total /= factor
        return total
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
        Seconds from the first sample, ascending; as `qrs_choice.find_qrs`.
    """
    factor = thinning(fs, to_fs=BEAT_FS)
    with np.errstate(all="ignore"):  # the mean of absurdly large samples may be infinite; none is found then
        thin = thinned(signal, factor)
    tips = find_qrs(thin, fs / factor)
    left, tip, right = thin[tips - 1], thin[tips], thin[tips + 1]
    bend = left - 2 * tip + right
    shift = np.divide(left - right, 2 * bend, out=np.zeros(len(tips)), where=bend != 0)
    at = (tips + np.clip(shift, -0.5, 0.5)) * factor + (factor - 1) / 2
    times_s: NDArray[np.float64] = at / fs
    return times_s
