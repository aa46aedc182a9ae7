"""Zero-phase low-pass, for who wants less than the resampler keeps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError
from ecgkit.preprocess.zero_phase import zero_phase

ORDER = 4  # of one pass: -40 dB at 1.8 times the corner, and no ringing to speak of beside a QRS


def low_pass(signal: NDArray[np.float64], fs: float, *, low_pass_hz: float) -> NDArray[np.float64]:
    """Filter forwards and backwards with a Butterworth low-pass in second-order sections, float64.

    Parameters
    ----------
    signal
        (n,), finite.
    fs
        Rate, Hz.
    low_pass_hz
        Where one pass is 3 dB down, so the result 6 dB, Hz.

    Returns
    -------
    NDArray
        (n,)

    Raises
    ------
    SignalError
        `low_pass_hz` does not lie below half the rate.
    """
    from scipy.signal import butter

    if not 0 < low_pass_hz < fs / 2:
        raise SignalError(
            f"a low-pass at {low_pass_hz:g} Hz can't be designed at {fs:g} Hz: it must lie below "
            f"{fs / 2:g} Hz. Set pipeline.low_pass_hz lower, or to none: resampling has a low-pass of its own"
        )
    sos = butter(ORDER, low_pass_hz, "lowpass", fs=fs, output="sos")
    return zero_phase(sos, signal, padding=round(3 * fs / low_pass_hz))
