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
