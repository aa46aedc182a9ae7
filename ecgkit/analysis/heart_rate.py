"""Heart rate from R peaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Beat-to-beat intervals outside of this are missed or invented beats: 300 and 24 beats a minute.
RR_RANGE_S = (0.2, 2.5)
AT_ONCE = 1 << 20  # intervals


def mean_heart_rate_bpm(stretches: Sequence[NDArray[np.float64]]) -> float:
    """Return the mean heart rate: 60 over the mean plausible RR interval; NaN without one.

    Parameters
    ----------
    stretches
        Times of the R peaks, ascending, seconds, for each stretch without a gap: the time from the last
        beat before a gap to the first one after it is no interval.
    """
    rr_s = [interval for peaks_s in stretches for interval in plausible(np.diff(peaks_s))]
    return float(60 / np.mean(rr_s)) if rr_s else float("nan")


def window_heart_rates_bpm(
    peaks_s: NDArray[np.float64], start_s: NDArray[np.float64], *, window_s: float
) -> NDArray[np.float64]:
    """Return the heart rate of each window: 60 over the median RR interval that overlaps it.

    Parameters
    ----------
    peaks_s
        Times of the R peaks, ascending, seconds.
    start_s
        Starts of the windows on the same clock, seconds, (N,).
    window_s
        Length of a window, seconds.

    Returns
    -------
    NDArray
        (N,), NaN where no plausible interval overlaps the window.
    """
    rates = np.full(len(start_s), np.nan)
    if len(peaks_s) < 2:
        return rates
    rr_s = np.diff(peaks_s)
    before = np.concatenate([[0], np.cumsum(is_plausible(rr_s))])  # plausible intervals before each
    first = before[np.searchsorted(peaks_s[1:], start_s, side="right")]
    n_rr, rr_s = before[np.searchsorted(peaks_s[:-1], start_s + window_s)] - first, plausible(rr_s)
    for n in np.unique(n_rr[n_rr > 0]):  # windows with as many intervals, together
        rows = np.flatnonzero(n_rr == n)
        for some in np.array_split(rows, -(-len(rows) * n // AT_ONCE)):
            rates[some] = 60 / np.median(rr_s[first[some, None] + np.arange(n)], axis=1)
    return rates


def heart_rates_bpm(
    stretches: Sequence[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the heart rate at each beat, from the one before it.

    Parameters
    ----------
    stretches
        Times of the R peaks, ascending, seconds, for each stretch without a gap.

    Returns
    -------
    tuple
        Times in seconds and beats a minute, (beat,) each; NaN at the first beat of a stretch and after an
        interval that no heart has.
    """
    shortest_s, longest_s = RR_RANGE_S
    times_s = np.concatenate([np.empty(0), *stretches])
    begins = np.cumsum([0, *map(len, stretches)])[:-1]
    rr_s = np.diff(times_s, prepend=np.nan)
    rr_s[begins[begins < len(rr_s)]] = np.nan
    rates = np.full(len(rr_s), np.nan)
    np.divide(60, rr_s, out=rates, where=(rr_s >= shortest_s) & (rr_s <= longest_s))
    return times_s, rates


def plausible(rr_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the intervals that a heart can have, seconds."""
    return rr_s[is_plausible(rr_s)]


def is_plausible(rr_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which intervals a heart can have, seconds."""
    shortest_s, longest_s = RR_RANGE_S
    return (rr_s >= shortest_s) & (rr_s <= longest_s)
