"""Intervals where windows are not independent but subjects are: subjects are drawn anew, not windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgkit.errors import TrainingError
from ecgkit.metrics.intervals import wilson

DRAWS, DRAW_SEED = 2000, 0
CONFIDENCE = 0.95
MOST_COUNTS = 4_000_000  # that are held at a time


def resampled_interval(sums: ArrayLike, counts: ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of sum(sums) / sum(counts) over subjects drawn with replacement.

    Percentiles of 2000 draws of as many subjects, always the same draws (Efron & Tibshirani, An
    Introduction to the Bootstrap, 1993, ch. 13). Few subjects give an interval that is too narrow.

    Parameters
    ----------
    sums, counts
        What each subject adds to the numerator and to the denominator, (subjects,), at least 2; counts
        are above 0.

    Raises
    ------
    TrainingError
        There are fewer than 2 subjects, or a count is not above 0.
    """
    numerators, denominators = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    n = len(denominators)
    if n < 2 or numerators.shape != denominators.shape or not (denominators > 0).all():
        raise TrainingError(
            f"interval over subjects: {numerators.shape} sums and {denominators.shape} counts; expected "
            "equally many, at least 2, and counts above 0"
        )
    random, at_once = np.random.default_rng(DRAW_SEED), max(1, MOST_COUNTS // n)
    drawn = np.empty(DRAWS)
    for start in range(0, DRAWS, at_once):
        size = min(at_once, DRAWS - start)
        times = random.multinomial(n, np.full(n, 1 / n), size=size)  # (size, subjects)
        drawn[start : start + size] = (times @ numerators) / (times @ denominators)
    return _ends(drawn)


def subject_interval(hits: ArrayLike, counts: ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of a share of hits, for other subjects like these.

    Where all are hits or none is, drawing says nothing: then it is Wilson's interval of so many subjects.
    One subject alone says nothing of others.

    Parameters
    ----------
    hits, counts
        Hits and trials of each subject, (subjects,); counts are above 0.

    Raises
    ------
    TrainingError
        There is no subject, or a count is not above 0.

    Examples
    --------
    >>> low, high = subject_interval([50, 90, 70, 60], [100, 100, 100, 100])
    >>> round(low, 3), round(high, 3)
    (0.55, 0.825)
    """
    right, trials = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if len(trials) == 1:
        return 0.0, 1.0
    if len(trials) and (not right.any() or np.array_equal(right, trials)):
        return wilson(len(trials) if right.any() else 0, len(trials), confidence=CONFIDENCE)
    return resampled_interval(right, trials)


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)
