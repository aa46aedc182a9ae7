"""Linear-phase FIR filters that change the rate, as matrix products of whole numbers.

Sums of floats depend on their order, so on the BLAS, its threads and the processor. Here samples and taps are
whole numbers so small that float64 holds every sum of their products exactly: the result is the same, bit for
bit, in whatever order and blocks it is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Of a sample, and of the sum of all taps: products of 53 bits are exact in float64.
SAMPLE_BITS, TAPS_BITS = 27, 26
# Multiplications up to which OpenBLAS starts no threads (interface/gemm.c: 65536 * 4): on a busy machine they
# cost many times what they save.
ONE_THREAD = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """As much of a signal of `n_samples` as is needed at a time: its samples from `start` on."""

    samples: NDArray[Any]
    start: int
    n_samples: int


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A filter that makes a row of `outputs` from each row of `step` inputs, and from what lies around it.

    Attributes
    ----------
    before
        Inputs that are needed before the first output's time.
    products
        (first input, matrix (inputs, outputs)): side by side they make a row.
    """

    before: int
    step: int
    outputs: int
    products: tuple[tuple[int, NDArray[Any]], ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """What it computes in."""
        return self.products[0][1].dtype

    def n_inputs(self, rows: int) -> int:
        """Return how many inputs so many rows need, `before` included."""
        return (rows - 1) * self.step + max(first + len(matrix) for first, matrix in self.products)


def row_filter(taps: NDArray[Any], *, up: int, down: int, group: int) -> RowFilter:
    """Prepare the filter ``y[k] = sum over n of taps[half + k * down - n * up] * x[n]``.

    Parameters
    ----------
    taps
        (2 * half + 1,), at `up` times the rate of `x`; their type is that of the products.
    up, down
        The new rate over the old one, without a common divisor.
    group
        Outputs of a product: fewer leave the BLAS idle, more make it multiply by more zeros.
    """
    before = len(taps) // 2 // up
    longest = before + (group * down + len(taps) // 2) // up + 1  # inputs of a group; none is longer
    periods = -(-longest // down)  # rows that are as long do not overlap: BLAS takes them as they lie
    periods += -periods % max(1, group // up)
    outputs = up * periods
    products = []
    for first in range(0, outputs, group):
        start, matrix = _product(taps, up, down, first, min(first + group, outputs))
        products.append((start + before, matrix))
    return RowFilter(before, periods * down, outputs, tuple(products))


def _product(taps: NDArray[Any], up: int, down: int, first: int, last: int) -> tuple[int, NDArray[Any]]:
    """Return the first input that the outputs [first, last) need, and the matrix that makes them."""
    half = len(taps) // 2
    start = -((half - first * down) // up)
    stop = ((last - 1) * down + half) // up + 1
    at = half + np.arange(first, last) * down - np.arange(start, stop)[:, None] * up  # (inputs, outputs)
    inside = (at >= 0) & (at < len(taps))
    return start, np.where(inside, taps[np.where(inside, at, 0)], 0).astype(taps.dtype)


def filter_rows(inputs: NDArray[Any], filter_: RowFilter, *, rows: int) -> NDArray[Any]:
    """Filter inputs, (n_inputs(rows),) or more of the filter's type in one piece, to (rows * outputs,)."""
    size = inputs.itemsize
    outputs = np.empty((rows, filter_.outputs), dtype=inputs.dtype)
    done = 0
    for first, matrix in filter_.products:
        n_inputs, n_outputs = matrix.shape
        strides = (filter_.step * size, size)
        overlaid: NDArray[Any] = np.ndarray((rows, n_inputs), inputs.dtype, inputs, first * size, strides)
        at_once = max(1, ONE_THREAD // max(matrix.size, 1))
        for row in range(0, rows, at_once):
            some = slice(row, row + at_once)
            np.matmul(overlaid[some], matrix, out=outputs[some, done : done + n_outputs])
        done += n_outputs
    return outputs.reshape(-1)


def whole_taps(taps: NDArray[np.float64], *, up: int) -> NDArray[np.float64]:
    """Multiply taps so that they can be whole numbers as large as `TAPS_BITS` allow, and round them.

    An output has every `up`-th of them.
    """
    largest = max(np.abs(taps[phase::up]).sum() for phase in range(up))
    most = 2.0**TAPS_BITS - len(taps) / 2  # rounding may add half a unit each
    whole: NDArray[np.float64] = np.rint(taps * (most / largest))
    return whole


def whole_samples(samples: NDArray[np.float64]) -> float:
    """Round samples in place to whole numbers as large as `SAMPLE_BITS` allow; return their unit.

    Whole numbers of no more bits are only multiplied by a power of two.
    """
    peak = max(float(samples.max()), -float(samples.min()))
    unit = 2.0 ** np.clip(np.frexp(peak)[1] - SAMPLE_BITS, -1000, 1000)
    samples *= 1 / unit
    np.rint(samples, out=samples)
    return float(unit)


def mirrored(piece: Piece, start: int, n: int, *, dtype: DTypeLike) -> NDArray[Any]:
    """Return a copy of a signal's samples [start, start + n), those beyond its ends mirrored there."""
    samples = np.empty(n, dtype=dtype)
    first, last = min(max(-start, 0), n), max(min(piece.n_samples - start, n), 0)
    samples[first:last] = piece.samples[start + first - piece.start : start + last - piece.start]
    period = max(1, 2 * (piece.n_samples - 1))
    for outside in (slice(0, first), slice(last, n)):
        at = np.arange(start + outside.start, start + outside.stop) % period
        samples[outside] = piece.samples[np.minimum(at, period - at) - piece.start]
    return samples


def mirrored_span(start: int, stop: int, n_samples: int) -> tuple[int, int]:
    """Return which samples of a signal `mirrored` needs for those from `start` to before `stop`."""
    first = min(start, 2 * n_samples - 1 - stop) if stop > n_samples else start
    last = max(stop, 1 - start) if start < 0 else stop
    return max(first, 0), min(last, n_samples)
