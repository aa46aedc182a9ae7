"""R peaks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.analysis.coarse import beat_times_s


def find_r_peaks(signal: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    """Find the R peaks of an ECG, which may point up or down.

    Two detectors say where a QRS may be, the rhythm decides which are beats, and what can't be told from
    noise is left out; docs/results/rpeaks.md says how well. Linear in time: an hour at 2000 Hz takes
    half a second.

    Parameters
    ----------
    signal
        (n,), any unit, finite, unfiltered or filtered.
    fs
        Rate, Hz.

    Returns
    -------
    NDArray
        Sample indexes, ascending: the tip of the larger deflection of each QRS, the same one in all beats;
        none where the signal is flat, noise alone, absurdly large, shorter than 2 s or slower than 50 Hz.
    """
    return np.rint(beat_times_s(signal, fs) * fs).astype(np.int64)
