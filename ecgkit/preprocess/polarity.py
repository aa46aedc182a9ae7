"""Leads whose electrodes were changed over, turned upright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgkit.errors import SignalError


def upright(signal: NDArray[np.float64], *, qrs_sign: Sequence[int]) -> NDArray[np.float64]:
    """Turn the leads whose QRS points down.

    Parameters
    ----------
    signal
        (lead, n)
    qrs_sign
        A lead each: 1 where the QRS points up, -1 where it points down (or should be turned), 0 where nobody
        can tell, which is left as it is.

    Returns
    -------
    NDArray
        (lead, n), a new array.

    Raises
    ------
    SignalError
        There are not as many signs as leads, or one is something else.
    """
    if len(qrs_sign) != len(signal) or not set(qrs_sign) <= {-1, 0, 1}:
        raise SignalError(
            f"signs of the QRS {list(qrs_sign)}: expected 1, -1 or 0 for each of {len(signal)} leads"
        )
    return signal * np.where(np.array(qrs_sign) == -1, -1.0, 1.0)[:, None]
