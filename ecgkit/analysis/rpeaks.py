"""R peaks."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

SHORTEST_S = 2.0
LARGEST = 1e100
LOWEST_FS = 20.0  # NeuroKit2 fails on slower signals


def find_r_peaks(signal: NDArray[np.float64], fs: float) -> NDArray[np.int64]:
    """Find the R peaks of an ECG by NeuroKit2's default method (Makowski et al. 2021).

    Parameters
    ----------
    signal
        (n,), any unit, finite, unfiltered or filtered.
    fs
        Rate, Hz.

    Returns
    -------
    NDArray
        Sample indexes, ascending; none where the signal is flat, absurdly large, shorter
        than 2 s or slower than 20 Hz.
    """
    span = np.ptp(signal) if len(signal) else 0.0
    if len(signal) < SHORTEST_S * fs or fs < LOWEST_FS or not 0 < span < LARGEST:
        return np.empty(0, dtype=np.int64)
    import neurokit2

    with warnings.catch_warnings():
        # a stretch without a single peak makes NeuroKit2 average an empty list
        warnings.simplefilter("ignore", category=RuntimeWarning)
        cleaned = neurokit2.ecg_clean(signal, sampling_rate=fs, method="neurokit")
        found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=fs, method="neurokit")
    return np.asarray(found["ECG_R_Peaks"], dtype=np.int64)
