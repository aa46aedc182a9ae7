"""Scaling to 0-1, and the constants that undo it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import ConfigError
from ecgkit.lookup import unknown

PERCENTILES = (0.5, 99.5)
AT_ONCE = 1000  # windows
LEAST_SHARE = 1e-3  # of the recording's range: what spans less is dust of the filters, not signal

# name -> (over each window or the whole recording, lowest and highest percentile); None: no scaling
SCALES: dict[str, tuple[bool, tuple[float, float]] | None] = {
    "recording": (False, (0.0, 100.0)),
    "recording-percentile": (False, PERCENTILES),
    "window": (True, (0.0, 100.0)),
    "window-percentile": (True, PERCENTILES),
    "none": None,
}


def scale_constants(
    windows: NDArray[np.float64], recording: NDArray[np.float64], *, scale: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what to subtract and what to divide by, so that low becomes 0 and high becomes 1.

    Parameters
    ----------
    windows
        (N, lead, T), cleaned.
    recording
        (lead, n), everything that was cleaned of this recording.
    scale
        A name of `SCALES`.

    Returns
    -------
    offset, gain
        (N, lead) each, in the unit of the windows; ``scaled = (window - offset) / gain``. A gain is 1
        where there is nothing to stretch (a detached electrode).
    """
    if scale not in SCALES:
        raise ConfigError(unknown("scale", scale, SCALES))
    choice = SCALES[scale]
    if choice is None:
        return np.zeros(windows.shape[:2]), np.ones(windows.shape[:2])
    per_window, percentiles = choice
    if per_window:
        low, high = np.percentile(windows, percentiles, axis=2)  # (N, lead) each
    else:
        low, high = np.percentile(recording, percentiles, axis=1)  # (lead,) each
        low, high = (np.tile(edge, (len(windows), 1)) for edge in (low, high))  # (N, lead)
    gain = high - low
    dust = LEAST_SHARE * np.ptp(recording, axis=1)  # (lead,)
    return low, np.where(gain > dust, gain, 1.0)


def apply_scale(
    windows: NDArray[np.float64], offset: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Scale windows (N, lead, T) by constants (N, lead); float32, (N, lead, T)."""
    scaled = np.empty(windows.shape, dtype=np.float32)
    for first in range(0, len(windows), AT_ONCE):  # in the cache, and little memory
        rows = slice(first, first + AT_ONCE)
        scaled[rows] = (windows[rows] - offset[rows, :, None]) / gain[rows, :, None]
    return scaled
