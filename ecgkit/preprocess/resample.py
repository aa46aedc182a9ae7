"""Anti-aliased resampling with a linear-phase low-pass of stated pass and stop band."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError
from ecgkit.preprocess.fir import RowFilter, filter_rows, mirrored, row_filter, whole_samples, whole_taps
from ecgkit.preprocess.thin import Thinner, taps_after, thinned, thinner_for

# Of the new Nyquist frequency: half amplitude at 0.89. With 0.5 s of taps and a Blackman window the
# pass band (<= 0.1 dB) ends at 0.80 and the stop band (<= -70 dB) begins at 1.00.
CUTOFF_SHARE = 0.89
TAPS_S_HZ = 50.0  # taps' length in seconds times the new rate in Hz
MAX_RATIO = 10_000
GROUP = 16
CHUNK, LEAST_ROWS = 8192, 32  # outputs at a time: few calls, and all stays in the processor's cache


@dataclass(frozen=True, slots=True)
class _Resampler:
    """The long filter, the sums before it where there are any, and what both multiply by."""

    thinner: Thinner | None
    filter: RowFilter
    gain: float


def resample(signal: NDArray[Any], fs: float, *, to_fs: float) -> NDArray[np.float64]:
    """Bring a signal from one rate to a lower one.

    Counts may be given as recorded, and scaled afterwards; int16 is the fastest. It is computed in whole
    numbers, so the result is the same on every machine, bit for bit; what is not int16 is rounded to 27 bits
    of the largest value in the minute or so around it.

    At the ends the signal is mirrored. The baseline goes on so; hum turns its phase there, and up to 0.9 of
    its amplitude stays in the first and last 50 ms (other ways to extend a signal leave as much, or disturb
    more).

    Parameters
    ----------
    signal
        (n,), evenly sampled, finite; integers or floats.
    fs, to_fs
        Rates in Hz; `to_fs` at most `fs`.

    Returns
    -------
    NDArray
        (ceil(n * to_fs / fs),), in the unit of `signal`; the first sample is the first one's time. The same
        values where the rates are equal.

    Raises
    ------
    SignalError
        The signal would have to be invented (`to_fs` above `fs`), or the ratio is no fraction of small
        whole numbers.
    """
    up, down = rate_ratio(fs, to_fs)
    if up == down:
        return np.asarray(signal, dtype=np.float64)
    resampler = _resampler(fs, to_fs, of_int16=signal.dtype == np.int16)
    resampled = np.empty(-(-len(signal) * up // down))
    at_once = resampler.filter.outputs * max(LEAST_ROWS, CHUNK // resampler.filter.outputs)
    for first in range(0, len(resampled), at_once):
        part = resampled[first : first + at_once]
        part[:] = _chunk(signal, resampler, first * down // up, n_outputs=len(part))
    return resampled


def _chunk(signal: NDArray[Any], resampler: _Resampler, start: int, *, n_outputs: int) -> NDArray[np.float64]:
    """Return `n_outputs` samples of the new rate, the first one at the time of sample `start`."""
    rows = -(-n_outputs // resampler.filter.outputs)
    before, n_inputs = resampler.filter.before, resampler.filter.n_inputs(rows)
    if resampler.thinner is None:
        samples = mirrored(signal, start - before, n_inputs, dtype=np.float64)
        unit = whole_samples(samples)
    else:
        first = start - before * resampler.thinner.step
        samples, unit = thinned(signal, resampler.thinner, first, n_inputs)
    outputs: NDArray[np.float64] = filter_rows(samples, resampler.filter, rows=rows)[:n_outputs]
    outputs *= unit / resampler.gain
    return outputs


@lru_cache(maxsize=8)
def _resampler(fs: float, to_fs: float, *, of_int16: bool) -> _Resampler:
    up, down = rate_ratio(fs, to_fs)
    taps = anti_alias_taps(fs * up, to_fs)
    thinner = thinner_for(down, of_int16=of_int16) if up == 1 else None
    step, gain = 1, 1.0
    if thinner is not None:
        taps, step, gain = taps_after(thinner, taps), thinner.step, thinner.gain
    whole = whole_taps(taps, up=up)
    gain *= float(whole.sum()) / up
    return _Resampler(thinner, row_filter(whole, up=up, down=down // step, group=GROUP), gain)


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
