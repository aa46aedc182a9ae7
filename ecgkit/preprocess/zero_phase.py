"""A recursive filter forwards and backwards, so that it moves no wave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 15


def zero_phase(sos: NDArray[np.float64], signal: NDArray[np.float64], *, padding: int) -> NDArray[np.float64]:
    """Filter as scipy's sosfiltfilt does with even padding, to the bit, but holding one copy of the signal.

    Mirrored ends err half as much as scipy's odd padding, which turns the signal about its end's value: that
    may lie anywhere in a QRS (docs/filters.md).

    Parameters
    ----------
    sos
        (sections, 6)
    signal
        (n,), finite, at least one sample.
    padding
        Samples that are mirrored at both ends, n - 1 at most.

    Returns
    -------
    NDArray
        (n,), a new array.
    """
    from scipy.signal import sosfilt, sosfilt_zi

    n, settled = min(padding, len(signal) - 1), sosfilt_zi(sos)
    extended: NDArray[np.float64] = np.concatenate([signal[n:0:-1], signal, signal[::-1][1 : n + 1]])
    for direction in (extended, extended[::-1]):
        state = settled * direction[0]
        for first in range(0, len(direction), BLOCK):
            block = direction[first : first + BLOCK]
            block[:], state = sosfilt(sos, block, zi=state)
    return extended[n : n + len(signal)]
