"""Anti-aliased resampling with a linear-phase low-pass of stated pass and stop band."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError
from ecgkit.preprocess.fir import (
    Piece,
    RowFilter,
    filter_rows,
    mirrored,
    mirrored_span,
    row_filter,
    whole_samples,
    whole_taps,
)
from ecgkit.preprocess.thin import Thinner, inputs_of, taps_after, thinned, thinner_for

# Of the new Nyquist frequency: half amplitude at 0.89. With 0.5 s of taps and a Blackman window the
# pass band (<= 0.1 dB) ends at 0.80 and the stop band (<= -70 dB) begins at 1.00.
CUTOFF_SHARE = 0.89
TAPS_S_HZ = 50.0  # taps' length in seconds times the new rate in Hz
MAX_RATIO = 10_000
GROUP = 16
CHUNK, LEAST_ROWS = 16384, 32  # outputs at a time: few calls, in little memory


@dataclass(frozen=True, slots=True)
class _Resampler:
    """The long filter, the sums before it where there are any, and what both multiply by."""

    thinner: Thinner | None
    filter: RowFilter
    gain: float

    @property
    def at_once(self) -> int:
        """Outputs of a chunk."""
        return self.filter.outputs * max(LEAST_ROWS, CHUNK // self.filter.outputs)


@dataclass(frozen=True, slots=True)
class Portion:
    """A portion of a resampling: its outputs [first, last), and the inputs [start, stop) that they need.

    `n_samples` is how many inputs there are in all.
    """

    first: int
    last: int
    start: int
    stop: int
    n_samples: int


def resample(signal: NDArray[Any], fs: float, *, to_fs: float) -> NDArray[np.float64]:
    """Bring a signal from one rate to a lower one.

    Counts may be given as recorded, and scaled afterwards; int16 is the fastest. It is computed in whole
    numbers, so the result is the same on every machine, bit for bit; what is not int16 is rounded to 27 bits
    of the largest value in the minutes around it.

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
    resampled = np.empty(resampled_size(len(signal), fs, to_fs=to_fs))
    for portion in resampling_portions(len(signal), fs, to_fs=to_fs, dtype=signal.dtype):
        resampled[portion.first : portion.last] = resample_portion(
            signal[portion.start : portion.stop], portion, fs, to_fs=to_fs
        )
    return resampled


def resampled_size(n_samples: int, fs: float, *, to_fs: float) -> int:
    """Return how many samples so many become."""
    up, down = rate_ratio(fs, to_fs)
    return -(-n_samples * up // down)


def resampling_portions(
    n_samples: int, fs: float, *, to_fs: float, dtype: np.dtype[Any], at_least: int = 1, spare: int = 0
) -> Iterator[Portion]:
    """Divide a resampling, so that a long signal need not be held; together the portions give the same bits.

    Parameters
    ----------
    n_samples, dtype
        Of the signal.
    fs, to_fs
        Rates in Hz.
    at_least
        Inputs to take at a time.
    spare
        Inputs that a portion should have before those that it needs.
    """
    up, down = rate_ratio(fs, to_fs)
    resampler = None if up == down else _resampler(fs, to_fs, of_int16=dtype == np.int16)
    at_once = CHUNK if resampler is None else resampler.at_once
    at_once *= max(1, -(-at_least * up // (down * at_once)))
    n_outputs = resampled_size(n_samples, fs, to_fs=to_fs)
    for first in range(0, n_outputs, at_once):
        last = min(first + at_once, n_outputs)
        start, stop = (first, last) if resampler is None else _inputs(resampler, first, last, up, down)
        start, stop = mirrored_span(start, stop, n_samples)
        yield Portion(first, last, max(start - spare, 0), stop, n_samples)


def resample_portion(
    samples: NDArray[Any], portion: Portion, fs: float, *, to_fs: float
) -> NDArray[np.float64]:
    """Return a portion's outputs, (last - first,), from its inputs, (stop - start,)."""
    up, down = rate_ratio(fs, to_fs)
    if up == down:
        return samples[portion.first - portion.start :].astype(np.float64)
    resampler = _resampler(fs, to_fs, of_int16=samples.dtype == np.int16)
    piece = Piece(samples, portion.start, portion.n_samples)
    resampled = np.empty(portion.last - portion.first)
    for first in range(portion.first, portion.last, resampler.at_once):
        chunk = resampled[first - portion.first :][: resampler.at_once]
        chunk[:] = _chunk(piece, resampler, first * down // up, n_outputs=len(chunk))
    return resampled


def _inputs(resampler: _Resampler, first: int, last: int, up: int, down: int) -> tuple[int, int]:
    """Return from which sample to before which one the outputs [first, last) need, beyond the ends too."""
    final = first + (last - 1 - first) // resampler.at_once * resampler.at_once  # the last chunk's first
    before, rows = resampler.filter.before, -(-(last - final) // resampler.filter.outputs)
    n_inputs = resampler.filter.n_inputs(rows)
    start, stop = first * down // up - before, final * down // up - before + n_inputs
    if resampler.thinner is not None:
        step = resampler.thinner.step
        start, _ = inputs_of(resampler.thinner, first * down // up - before * step, n_inputs)
        _, stop = inputs_of(resampler.thinner, final * down // up - before * step, n_inputs)
    return start, stop


def _chunk(piece: Piece, resampler: _Resampler, start: int, *, n_outputs: int) -> NDArray[np.float64]:
    """Return `n_outputs` samples of the new rate, the first one at the time of sample `start`."""
    rows = -(-n_outputs // resampler.filter.outputs)
    before, n_inputs = resampler.filter.before, resampler.filter.n_inputs(rows)
    if resampler.thinner is None:
        samples = mirrored(piece, start - before, n_inputs, dtype=np.float64)
        unit = whole_samples(samples)
    else:
        first = start - before * resampler.thinner.step
        samples, unit = thinned(piece, resampler.thinner, first, n_inputs)
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
