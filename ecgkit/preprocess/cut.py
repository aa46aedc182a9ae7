"""Cutting windows out of a signal."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecgkit.errors import ConfigError


def cut(
    signal: NDArray[np.float64], fs: float, *, window_s: float, stride_s: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cut windows of one length; what is left at the end is left out.

    Parameters
    ----------
    signal
        (lead, n), without a gap.
    fs
        Rate, Hz.
    window_s, stride_s
        Length, and from start to start, seconds: whole numbers of samples.

    Returns
    -------
    windows, start_sample
        (N, lead, T) views of the signal, and (N,); N is 0 where the signal is shorter than a window.

    Raises
    ------
    ConfigError
        A length is not a whole number of samples.
    """
    size = whole_samples(window_s, fs, name="window_s")
    stride = whole_samples(stride_s, fs, name="stride_s")
    n_windows = max(0, (signal.shape[1] - size) // stride + 1)
    start = np.arange(n_windows) * stride
    if n_windows == 0:
        return np.empty((0, signal.shape[0], size)), start
    windows = sliding_window_view(signal, size, axis=1)[:, ::stride]  # (lead, N, T)
    return windows[:, :n_windows].swapaxes(0, 1), start  # (N, lead, T)


def cut_beats(
    signal: NDArray[np.float64],
    fs: float,
    *,
    r_peaks_s: NDArray[np.float64],
    before_s: float,
    after_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Cut one window around each R peak; beats too close to an end are left out.

    The peak lies at sample ``before_s * fs`` of each window, to the nearest sample: 5 ms off at most at
    100 Hz.

    Parameters
    ----------
    signal
        (lead, n), without a gap.
    fs
        Rate, Hz.
    r_peaks_s
        (beats,), seconds from the first sample.
    before_s, after_s
        How much to take on both sides of the peak, seconds: whole numbers of samples.

    Returns
    -------
    windows, start_sample, beat
        (N, lead, T), (N,), and the index into `r_peaks_s`, (N,).

    Raises
    ------
    ConfigError
        A length is not a whole number of samples.
    """
    before = whole_samples(before_s, fs, name="before_s")
    size = before + whole_samples(after_s, fs, name="after_s")
    starts = np.rint(np.asarray(r_peaks_s) * fs).astype(np.int64) - before
    beat = np.flatnonzero((starts >= 0) & (starts + size <= signal.shape[1]))
    if not len(beat):
        return np.empty((0, signal.shape[0], size)), starts[beat], beat
    windows = sliding_window_view(signal, size, axis=1)[:, starts[beat]]  # (lead, N, T)
    return windows.swapaxes(0, 1), starts[beat], beat  # (N, lead, T)


def usable_share(
    usable: NDArray[np.bool_], start_sample: NDArray[np.int64], *, size: int
) -> NDArray[np.float64]:
    """Return what part of each window's samples is usable: to mark windows by, or to drop them.

    Parameters
    ----------
    usable
        (n,), per sample of the signal that is cut.
    start_sample, size
        Where the windows begin, (N,), and their length, in samples.

    Returns
    -------
    NDArray
        (N,), from 0 to 1.
    """
    before = np.concatenate([[0], np.cumsum(usable)])  # usable samples before each one
    share: NDArray[np.float64] = (before[start_sample + size] - before[start_sample]) / size
    return share


def whole_samples(length_s: float, fs: float, *, name: str) -> int:
    """Return a length in samples.

    Raises
    ------
    ConfigError
        It is not a whole number, or none.
    """
    samples = round(length_s * fs)
    if samples < 1 or abs(samples - length_s * fs) > 1e-6:
        raise ConfigError(
            f"pipeline.{name}: {length_s:g} s at {fs:g} Hz is {length_s * fs:g} samples, "
            "expected a whole number"
        )
    return samples
