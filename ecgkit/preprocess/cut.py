"""Where windows begin, by time or by beats, and cutting them out."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ecgkit.errors import ConfigError


def time_starts(n_samples: int, fs: float, *, window_s: float, stride_s: float) -> NDArray[np.int64]:
    """Return where windows begin that follow each other; what is left at the end is left out.

    Parameters
    ----------
    n_samples
        Length of the signal, without a gap.
    fs
        Rate, Hz.
    window_s, stride_s
        Length, and from start to start, seconds: whole numbers of samples.

    Returns
    -------
    NDArray
        Sample indexes, (N,); none where the signal is shorter than a window.

    Raises
    ------
    ConfigError
        A length is not a whole number of samples.
    """
    size = whole_samples(window_s, fs, name="window_s")
    stride = whole_samples(stride_s, fs, name="stride_s")
    return np.arange(max(0, (n_samples - size) // stride + 1), dtype=np.int64) * stride


def beat_starts(
    n_samples: int, fs: float, *, r_peaks_s: NDArray[np.float64], window_s: float, r_peak_at_s: float
) -> NDArray[np.int64]:
    """Return where windows begin that have an R peak each at one place; those that reach out are left out.

    The peak lies at sample ``r_peak_at_s * fs`` of its window, to the nearest sample: 5 ms off at most at
    100 Hz.

    Parameters
    ----------
    n_samples
        Length of the signal, without a gap.
    fs
        Rate, Hz.
    r_peaks_s
        (beats,), ascending, seconds from the first sample.
    window_s, r_peak_at_s
        Length, and from a window's start to its peak, seconds: whole numbers of samples.

    Returns
    -------
    NDArray
        Sample indexes, (N,).

    Raises
    ------
    ConfigError
        A length is not a whole number of samples, or the peak would not lie in its window.
    """
    size = whole_samples(window_s, fs, name="window_s")
    before = whole_samples(r_peak_at_s, fs, name="r_peak_at_s", least=0)
    if before >= size:
        raise ConfigError(
            f"pipeline.r_peak_at_s: {r_peak_at_s:g} s, expected less than pipeline.window_s, {window_s:g} s"
        )
    starts = np.rint(r_peaks_s * fs).astype(np.int64) - before
    return np.unique(starts[(starts >= 0) & (starts + size <= n_samples)])


def cut(signal: NDArray[np.float64], start_sample: NDArray[np.int64], *, size: int) -> NDArray[np.float64]:
    """Cut windows of `size` samples out of a signal (lead, n), to (N, lead, size): views if they can be."""
    if len(start_sample) == 0:
        return np.empty((0, signal.shape[0], size))
    steps = np.unique(np.diff(start_sample))
    every = sliding_window_view(signal, size, axis=1).swapaxes(0, 1)  # (start, lead, T)
    if len(steps) > 1:
        return every[start_sample]  # (N, lead, T)
    stride = int(steps[0]) if len(steps) else 1
    return every[start_sample[0] : start_sample[-1] + 1 : stride]  # (N, lead, T)


def whole_samples(length_s: float, fs: float, *, name: str, least: int = 1) -> int:
    """Return a length in samples.

    Raises
    ------
    ConfigError
        It is not a whole number, or less than `least`.
    """
    samples = round(length_s * fs)
    if samples < least or abs(samples - length_s * fs) > 1e-6:
        raise ConfigError(
            f"pipeline.{name}: {length_s:g} s at {fs:g} Hz is {length_s * fs:g} samples, "
            "expected a whole number"
        )
    return samples
