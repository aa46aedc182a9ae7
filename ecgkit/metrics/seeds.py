"""Means over trainings that differ by their seed alone, and differences of two such series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ecgkit.errors import TrainingError

LEAST_SEEDS = 3  # below, an interval says nothing
CONFIDENCE = 0.95
NO_SPREAD = 1e-12  # standard deviations of shares below this are rounding


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """A mean over seeds; None where there are too few seeds.

    Attributes
    ----------
    sd
        Sample standard deviation, from two seeds on.
    low, high
        95 % interval of the mean, Student's t. It covers seeds: other trainings on the same recordings,
        not other people.
    p
        Two-sided, of a mean of 0 (for differences: the paired t-test); None as well where all values are
        the same.
    """

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def over_seeds(values: ArrayLike) -> OverSeeds:
    """Return the mean over seeds with its interval.

    Given the differences of two series, seed by seed, this is the paired t-test.

    Parameters
    ----------
    values
        One number a seed, (n,), n >= 1.

    Raises
    ------
    TrainingError
        There is no value, or one that is not finite.

    References
    ----------
    Student, Biometrika 6 (1908) 1-25.

    Examples
    --------
    >>> seen = over_seeds([0.5, 0.6, 0.7])
    >>> round(seen.mean, 3), round(seen.sd, 3), round(seen.low, 3), round(seen.high, 3)
    (0.6, 0.1, 0.352, 0.848)
    """
    seen = np.asarray(values, dtype=np.float64)
    if seen.ndim != 1 or not seen.size or not np.isfinite(seen).all():
        raise TrainingError(f"mean over seeds of {seen.tolist()}: expected one finite number a seed")
    n, mean = len(seen), float(seen.mean())
    if n == 1:
        return OverSeeds(n, mean)
    sd = float(seen.std(ddof=1))
    if n < LEAST_SEEDS:
        return OverSeeds(n, mean, sd)
    if sd < NO_SPREAD:
        return OverSeeds(n, mean, 0.0, mean, mean)
    from scipy.stats import t

    error = sd / math.sqrt(n)
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return OverSeeds(n, mean, sd, mean - half, mean + half, float(2 * t.sf(abs(mean) / error, n - 1)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number, so that one false finding among them is as rare as with one test.

    Parameters
    ----------
    p_values
        None where no test was made: it stays None and does not count.

    References
    ----------
    Holm, Scand. J. Stat. 6 (1979) 65-70.

    Examples
    --------
    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    corrected: list[float | None] = [None] * len(p_values)
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for rank, (p, place) in enumerate(made):
        highest = max(highest, min(1.0, p * (len(made) - rank)))
        corrected[place] = highest
    return corrected
