"""How far a stretch of ECG can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HALF_BEAT_S = 0.25


def template_correlation(
    signal: NDArray[np.float64],
    fs: float,
    *,
    peaks: NDArray[np.int64],
    start_sample: NDArray[np.int64],
    size: int,
) -> NDArray[np.float64]:
    """Return how alike a recording's beats are, window by window: 1 all alike, 0 none.

    The mean correlation of the window's beats (0.25 s on both sides of the R peak) with the median
    beat of the recording, negative ones taken as 0 (template matching of Orphanidou et al. 2015).

    Parameters
    ----------
    signal
        (n,), cleaned.
    fs
        Rate, Hz.
    peaks
        R peaks, sample indexes.
    start_sample
        Starts of the windows, sample indexes, (N,).
    size
        Length of a window, samples.

    Returns
    -------
    NDArray
        (N,) from 0 to 1; 0 for a window without a whole beat.
    """
    half = round(HALF_BEAT_S * fs)
    inner = peaks[(peaks >= half) & (peaks < len(signal) - half)]
    if len(inner) == 0:
        return np.zeros(len(start_sample))
    beats = signal[inner[:, None] + np.arange(-half, half + 1)]  # (beat, time)
    likeness = np.clip(_correlation(beats, np.median(beats, axis=0)), 0, 1)
    first = np.searchsorted(inner, start_sample)
    last = np.searchsorted(inner, start_sample + size)
    total = np.concatenate([[0.0], np.cumsum(likeness)])
    mean: NDArray[np.float64] = (total[last] - total[first]) / np.maximum(last - first, 1)
    return np.clip(mean, 0, 1)


def _correlation(rows: NDArray[np.float64], template: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate each row (beat, time) with a template (time,); 0 for a flat one."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    template = template - template.mean()
    norm = np.linalg.norm(rows, axis=1) * np.linalg.norm(template)
    out: NDArray[np.float64] = np.divide(rows @ template, norm, out=np.zeros(len(rows)), where=norm > 0)
    return out


def finite_runs(signal: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return the stretches (start, stop) without a NaN or infinity in any lead, signal (lead, n)."""
    good = np.isfinite(signal).all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
