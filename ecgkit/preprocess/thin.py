"""Where a rate falls far: every second or fourth sample is taken first, of sums of neighbours.

That leaves the long filter half or a quarter of the samples. The sums are powers of (1 + z) and (1 + z**2),
whose zeros lie where the spectrum folds onto what is kept; their droop is undone by the taps that follow.
They add up to 2**6 and 2**9, so that sums of int16 are exact in float32, which is twice as fast as float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecgkit.preprocess.fir import Piece, RowFilter, filter_rows, mirrored, row_filter, whole_samples

POWERS = {4: (4, 5), 2: (6, 0)}  # thinning -> of (1 + z) and of (1 + z**2)
LEAST_RATIO = 4  # of the thinned rate to the one wanted: what folds onto what is kept is 85 dB down or more
GROUP = 8
SETTLING = 4  # taps more at each side that undo the droop


@dataclass(frozen=True, slots=True)
class Thinner:
    """Sums of `taps` at every `step`-th sample; they add up to `gain`, a power of two."""

    step: int
    taps: NDArray[np.float64]
    gain: float
    filter: RowFilter


@lru_cache(maxsize=8)
def thinner_for(down: int, *, of_int16: bool) -> Thinner | None:
    """Return the sums to take before a rate falls to 1 / `down`; None where it does not fall far enough."""
    step = next((step for step in POWERS if down % step == 0 and down >= LEAST_RATIO * step), None)
    if step is None:
        return None
    neighbours, others = POWERS[step]
    taps = np.ones(1)
    for factor in [[1.0, 1.0]] * neighbours + [[1.0, 0.0, 1.0]] * others:
        taps = np.convolve(taps, factor)
    dtype = np.float32 if of_int16 else np.float64
    return Thinner(
        step, taps, float(taps.sum()), row_filter(taps.astype(dtype), up=1, down=step, group=GROUP)
    )


def inputs_of(thinner: Thinner, start: int, n_outputs: int) -> tuple[int, int]:
    """Return from which sample to before which one is needed for so many sums, the first around `start`."""
    first = start - thinner.filter.before
    return first, first + thinner.filter.n_inputs(-(-n_outputs // thinner.filter.outputs))


def thinned(piece: Piece, thinner: Thinner, start: int, n_outputs: int) -> tuple[NDArray[np.float64], float]:
    """Return `n_outputs` or more sums, whole numbers, the first one around sample `start`; and their unit."""
    rows = -(-n_outputs // thinner.filter.outputs)
    first, last = inputs_of(thinner, start, n_outputs)
    samples = mirrored(piece, first, last - first, dtype=thinner.filter.dtype)
    if thinner.filter.dtype == np.float32:
        return filter_rows(samples, thinner.filter, rows=rows).astype(np.float64), 1.0
    unit = whole_samples(samples)
    sums = filter_rows(samples, thinner.filter, rows=rows)
    sums /= thinner.gain
    return np.rint(sums, out=sums), unit * thinner.gain


def taps_after(thinner: Thinner, taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the taps that filter the sums as `taps` would the signal.

    By division of the responses, up to half the thinned rate: `taps` let nothing pass beyond it.
    """
    n = thinner.step * 2 ** int(np.ceil(np.log2(4 * len(taps) / thinner.step)))
    n_thinned = n // thinner.step
    kept = n_thinned // 2 + 1
    ratio = _response(taps, n)[:kept] / _response(thinner.taps, n)[:kept]
    half = len(taps) // 2 // thinner.step + SETTLING
    one_side = np.fft.irfft(ratio, n_thinned)[: half + 1]
    return np.concatenate([one_side[:0:-1], one_side])


def _response(taps: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the response of taps around time 0: real, (n // 2 + 1,) from 0 to half the rate."""
    half = len(taps) // 2
    around = np.zeros(n)
    around[: half + 1], around[n - half :] = taps[half:], taps[:half]
    response: NDArray[np.float64] = np.fft.rfft(around).real
    return response
