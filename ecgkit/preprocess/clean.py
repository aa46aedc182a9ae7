"""The filters in their order: what a lead goes through before it is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgkit.preprocess.high_pass import high_pass
from ecgkit.preprocess.low_pass import low_pass
from ecgkit.preprocess.mains import MainsPlan, notch
from ecgkit.preprocess.resample import resample


def clean(
    signal: NDArray[Any],
    fs: float,
    *,
    to_fs: float,
    mains: MainsPlan,
    high_pass_hz: float,
    order: int,
    low_pass_hz: float | None = None,
) -> NDArray[np.float64]:
    """Resample with anti-aliasing, notch mains where it is still there, high-pass, low-pass if asked for.

    Only the resampler sees the recorded rate: every other filter costs a fraction at the new one, and is
    better conditioned there.

    Parameters
    ----------
    signal
        (n,), without a gap, finite; counts as recorded (int16 is the fastest) or in any unit.
    fs, to_fs
        Rates in Hz.
    mains, high_pass_hz, order, low_pass_hz
        See `clean_resampled`.

    Returns
    -------
    NDArray
        (ceil(n * to_fs / fs),), in the unit of `signal`, without its offset.
    """
    resampled = resample(signal, fs, to_fs=to_fs)
    return clean_resampled(
        resampled, to_fs, mains=mains, high_pass_hz=high_pass_hz, order=order, low_pass_hz=low_pass_hz
    )


def clean_resampled(
    signal: NDArray[np.float64],
    fs: float,
    *,
    mains: MainsPlan,
    high_pass_hz: float,
    order: int,
    low_pass_hz: float | None = None,
) -> NDArray[np.float64]:
    """Do all that `clean` does after resampling.

    Parameters
    ----------
    signal
        (n,), at the new rate.
    fs
        The new rate, Hz.
    mains
        What `plan_mains` says for the recorded rate and this one.
    high_pass_hz, order
        See `high_pass`.
    low_pass_hz
        See `low_pass`; None for none.

    Returns
    -------
    NDArray
        (n,), in the unit of `signal`, without its offset.
    """
    for line_hz in mains.lines_hz:
        signal = notch(signal, fs, notch_hz=line_hz)
    signal = high_pass(signal, fs, high_pass_hz=high_pass_hz, order=order)
    return signal if low_pass_hz is None else low_pass(signal, fs, low_pass_hz=low_pass_hz)
