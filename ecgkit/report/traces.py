"""Lines over time, reduced to what can be drawn: no peak is lost, however long the recording is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A line over time, or the range that one covers, where there are more samples than can be drawn.

    Attributes
    ----------
    time_s, low, high
        (n,), time in seconds; low and high are one and the same for a line; NaN where there is nothing.
    """

    time_s: Samples
    low: Samples
    high: Samples

    @property
    def limits(self) -> tuple[float, float] | None:
        """The lowest and the highest value, None where there is none."""
        if not np.isfinite(self.low).any():
            return None
        return float(np.nanmin(self.low)), float(np.nanmax(self.high))


def overview(chunks: Iterable[Samples], fs: float, *, n_samples: int, columns: int) -> Trace:
    """Return the range of each column of a channel that is read chunk by chunk.

    Parameters
    ----------
    chunks
        Its samples, in order, together (n_samples,).
    fs
        Rate, Hz.
    columns
        Column k holds the samples from ``k * n_samples // columns`` to the next one's; at most one
        column a sample.
    """
    columns = min(columns, n_samples)
    edges = np.arange(columns + 1) * n_samples // max(columns, 1)
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    start = 0
    for chunk in chunks:
        first = int(np.searchsorted(edges, start, side="right")) - 1
        last = int(np.searchsorted(edges, start + len(chunk), side="left"))
        begins = np.maximum(edges[first:last] - start, 0)
        low[first:last] = np.fmin(low[first:last], np.fmin.reduceat(chunk, begins))  # fmin passes NaN over
        high[first:last] = np.fmax(high[first:last], np.fmax.reduceat(chunk, begins))
        start += len(chunk)
    return Trace((edges[:-1] + edges[1:] - 1) / 2 / fs, low, high)


def reduced(time_s: Samples, values: Samples, *, columns: int) -> Trace:
    """Return a line as it is, or the range of each column of time where it has over two values a column.

    Parameters
    ----------
    time_s
        (n,), ascending.
    values
        (n,); NaN for none.
    """
    if len(values) <= 2 * columns:
        return Trace(time_s, values, values)
    grid_s = np.linspace(time_s[0], time_s[-1], columns + 1)
    begins = np.searchsorted(time_s, grid_s[:-1])
    filled = np.diff(begins, append=len(values)) > 0
    low, high = np.full(columns, np.nan), np.full(columns, np.nan)
    low[filled] = np.fmin.reduceat(values, begins[filled])
    high[filled] = np.fmax.reduceat(values, begins[filled])
    return Trace((grid_s[:-1] + grid_s[1:]) / 2, low, high)
