"""Zero-phase high-pass: takes the baseline away and moves no wave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.preprocess.zero_phase import zero_phase


def high_pass(
    signal: NDArray[np.float64], fs: float, *, high_pass_hz: float, order: int
) -> NDArray[np.float64]:
    """Filter forwards and backwards with a Butterworth high-pass in second-order sections, float64.

    Parameters
    ----------
    signal
        (n,), finite.
    fs
        Rate, Hz; a low one (100 Hz) keeps the filter well conditioned.
    high_pass_hz
        Where one pass is 3 dB down, so the result 6 dB, Hz.
    order
        Of one pass.

    Returns
    -------
    NDArray
        (n,)
    """
    from scipy.signal import butter

    sos = butter(order, high_pass_hz, "highpass", fs=fs, output="sos")
    settling = round(3 * fs / high_pass_hz)  # three periods of the corner frequency at each end
    return zero_phase(sos, signal, padding=settling)
