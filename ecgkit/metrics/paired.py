"""Two models on the same windows: is one right where the other is wrong?"""

from __future__ import annotations

import math

from ecgkit.errors import TrainingError


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Windows that both answered right, or both wrong, say nothing of the difference. It takes windows as
    independent; those of one recording are not, so that the true p-value is larger.

    Parameters
    ----------
    only_first, only_second
        How many windows only the first, and only the second answered right.

    Raises
    ------
    TrainingError
        A number is below 0.

    References
    ----------
    McNemar, Psychometrika 12 (1947) 153-157; the exact form is the binomial test with share 1/2.

    Examples
    --------
    >>> round(mcnemar(1, 5), 4)
    0.2188
    """
    if min(only_first, only_second) < 0:
        raise TrainingError(f"McNemar's test of {only_first} and {only_second} windows; expected 0 or more")
    n, fewer = only_first + only_second, min(only_first, only_second)
    if 2 * fewer >= n:
        return 1.0
    # from the largest term down, until nothing is added any more
    term = math.exp(_log_binomial(n, fewer) - n * math.log(2))
    tail = 0.0
    for k in range(fewer, -1, -1):
        tail, before = tail + term, tail
        if tail == before:
            break
        term *= k / (n - k + 1)
    return min(1.0, 2 * tail)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
