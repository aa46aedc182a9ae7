"""Intervals around shares."""

from __future__ import annotations

import math
from statistics import NormalDist

from ecgkit.errors import TrainingError


def wilson(k: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share.

    It takes the trials for independent. Windows of one recording are not, so over windows it is
    narrower than the truth.

    Parameters
    ----------
    k
        Hits, 0 to n.
    n
        Trials, at least 1.
    confidence
        Between 0 and 1.

    Raises
    ------
    TrainingError
        `k` or `n` is out of range.

    References
    ----------
    Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.

    Examples
    --------
    >>> low, high = wilson(720, 799)
    >>> round(low, 3), round(high, 3)
    (0.878, 0.92)
    """
    if not (n >= 1 and 0 <= k <= n and 0 < confidence < 1):
        raise TrainingError(
            f"interval of {k} hits in {n} at confidence {confidence}: expected at least 1 trial, "
            "0 to n hits, and a confidence between 0 and 1"
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = k / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the ends the bound is the end itself; rounding would put it a little off.
    low = 0.0 if k == 0 else (centre - half) / scale
    high = 1.0 if k == n else (centre + half) / scale
    return low, high
