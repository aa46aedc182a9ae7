"""Anti-aliased resampling with a linear-phase low-pass of stated pass and stop band."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError

# Of the new Nyquist frequency: half amplitude at 0.89. With 0.5 s of taps and a Blackman window the
# pass band (<= 0.1 dB) ends at 0.80 and the stop band (<= -70 dB) begins at 1.00.
CUTOFF_SHARE = 0.89
TAPS_S_HZ = 50.0  # taps' length in seconds times the new rate in Hz
MAX_RATIO = 10_000


def resample(signal: NDArray[np.float64], fs: float, *, to_fs: float) -> NDArray[np.float64]:
    """Bring a signal from one rate to a lower one.

    Parameters
    ----------
    signal
        (n,), evenly sampled, finite.
    fs, to_fs
        Rates in Hz; `to_fs` at most `fs`.

    Returns
    -------
    NDArray
        (ceil(n * to_fs / fs),); the first sample is the first one's time. The same values where the
        rates are equal.

    Raises
    ------
    SignalError
        The signal would have to be invented (`to_fs` above `fs`), or the ratio is no fraction of small
        whole numbers.
    """
    from scipy.signal import resample_poly

    up, down = rate_ratio(fs, to_fs)
    if up == down:
        return signal
    taps = anti_alias_taps(fs * up, to_fs)
    # Mirrored at both ends by half the taps, in whole steps of `down` so that the new samples keep
    # their times. The baseline goes on so; hum turns its phase there, and up to 0.7 of its amplitude
    # stays in the first and last 50 ms (other ways to extend a signal leave as much, or disturb more).
    pad = -(-len(taps) // (2 * up * down)) * down
    mirrored = np.pad(signal, pad, mode="reflect")
    resampled: NDArray[np.float64] = resample_poly(mirrored, up, down, window=taps)
    first = pad * up // down
    return resampled[first : first - (-len(signal) * up // down)]


def rate_ratio(fs: float, to_fs: float) -> tuple[int, int]:
    """Return whole numbers (up, down) with ``to_fs / fs = up / down``.

    Raises
    ------
    SignalError
        `to_fs` is above `fs`, or there are no such numbers up to 10,000.
    """
    if to_fs > fs:
        raise SignalError(
            f"recorded at {fs:g} Hz, below the {to_fs:g} Hz asked for: samples would have to be invented. "
            f"Set pipeline.fs to {fs:g} or less"
        )
    ratio = Fraction(to_fs / fs).limit_denominator(MAX_RATIO)
    if abs(float(ratio) * fs / to_fs - 1) > 1e-9:
        raise SignalError(
            f"from {fs!r} Hz to {to_fs!r} Hz is no ratio of whole numbers up to {MAX_RATIO}; choose a "
            "pipeline.fs that divides the recorded rate"
        )
    return ratio.numerator, ratio.denominator


def anti_alias_taps(fs: float, to_fs: float) -> NDArray[np.float64]:
    """Design the low-pass for a new rate: an odd number of linear-phase taps at rate `fs`.

    Half a second of Blackman-windowed taps for 100 Hz (scaled with the new rate): at most 0.1 dB at
    0.8 of the new Nyquist frequency, at least 70 dB down from the new Nyquist frequency on.
    """
    from scipy.signal import firwin

    half = round(TAPS_S_HZ / to_fs * fs / 2)
    taps: NDArray[np.float64] = firwin(2 * half + 1, CUTOFF_SHARE * to_fs / 2, window="blackman", fs=fs)
    return taps
