"""Probabilities that can be believed, and the probability under which an answer is "unknown".

Terms of identification as in ISO/IEC 19795-1: a non-mated score is that of someone who is not enrolled, a
mated one that of someone who is. FPIR, the false-positive identification rate, is the share of non-mated
scores that reach the threshold; FNIR, the false-negative one, the share of mated answers that are another's
or stay under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgkit.errors import TrainingError
from ecgkit.metrics.resampling import subject_interval

# Beyond them the outputs say nothing of the truth, or all answers are right and nothing shows how sure to be.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.2, 20.0
MOST_BINS, LEAST_IN_A_BIN = 10, 20
MOST_GROUPS = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityBins:
    """Answers of much the same probability, (bins,) each, by ascending probability: how many, how good."""

    n: NDArray[np.int64]
    probability: Floats
    accuracy: Floats

    @property
    def expected_calibration_error(self) -> float:
        """Mean distance of probability and accuracy over the bins, weighted by their windows."""
        return float(np.average(np.abs(self.probability - self.accuracy), weights=self.n))


def log_softmax(logits: NDArray[Any], *, temperature: float = 1.0) -> Floats:
    """Return log-probabilities (…, classes) of logits (…, classes), in float64."""
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(axis=-1, keepdims=True)
    normed: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normed


def fuse(log_probabilities: Floats) -> Floats:
    """Fuse windows by the mean of their log-probabilities, as of one person in one state.

    Parameters
    ----------
    log_probabilities
        (…, windows, classes)

    Returns
    -------
    Log-probabilities, (…, classes)
    """
    return log_softmax(log_probabilities.mean(axis=-2))


def fit_temperature(logits: NDArray[Any], true: NDArray[np.int64]) -> float:
    """Return the temperature at which logits explain the truth best: of the least negative log-likelihood.

    That is convex in the temperature's inverse; where its slope is zero is found by bisection's kin, which is
    exact to the last digits, as a search for the least value is not.

    Parameters
    ----------
    logits
        (N, classes), finite, of windows that the network was not trained on; N >= 1.
    true
        Codes of the true classes, (N,).

    Returns
    -------
    float
        From 0.2 to 20: the lowest where (nearly) every answer is right, the highest where the outputs say
        nothing of the truth.

    Raises
    ------
    TrainingError
        There is nothing to fit to, or the shapes don't go together.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017.

    Examples
    --------
    Three of four right at log-odds of 4 are worth log-odds of log(3):

    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> round(float(fit_temperature(logits, np.array([0, 0, 0, 1])) * np.log(3)), 9)
    4.0
    """
    from scipy.optimize import brentq

    _check(logits, true)
    values = logits.astype(np.float64)
    values = values - values.max(axis=1, keepdims=True)
    of_truth = float(values[np.arange(len(true)), true].mean())

    def slope(inverse: float) -> float:
        weights = np.exp(values * inverse)
        return float(((weights * values).sum(axis=1) / weights.sum(axis=1)).mean()) - of_truth

    lowest, highest = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE
    if slope(lowest) >= 0:
        return HIGHEST_TEMPERATURE
    if slope(highest) <= 0:
        return LOWEST_TEMPERATURE
    return float(1 / brentq(slope, lowest, highest, xtol=1e-14, rtol=1e-14))


def negative_log_likelihood(log_probabilities: Floats, true: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood of the true classes (N,), nats."""
    _check(log_probabilities, true)
    return float(-log_probabilities[np.arange(len(true)), true].mean())


def brier_score(log_probabilities: Floats, true: NDArray[np.int64]) -> float:
    """Return the mean squared distance of the probabilities (N, classes) from the truth (N,), 0 to 2.

    References
    ----------
    Brier, Mon. Weather Rev. 78 (1950) 1-3.
    """
    _check(log_probabilities, true)
    probabilities = np.exp(log_probabilities)
    of_truth = probabilities[np.arange(len(true)), true]
    return float(((probabilities**2).sum(axis=1) - 2 * of_truth + 1).mean())


def reliability_bins(probability: Floats, right: NDArray[np.bool_]) -> ReliabilityBins:
    """Sort answers by probability into bins of equal mass: at most 10, of about 20 or more each.

    Answers of one and the same probability share a bin. Bins of equal width would be nearly empty where
    networks seldom go, and their error would be chance.

    Parameters
    ----------
    probability, right
        Of each answer, (N,), N >= 1.
    """
    if len(probability) == 0 or probability.shape != right.shape:
        raise TrainingError(
            f"reliability of {len(probability)} probabilities and {len(right)} verdicts: expected equally "
            "many, at least one"
        )
    n_bins = max(1, min(MOST_BINS, len(probability) // LEAST_IN_A_BIN))
    in_order = np.sort(probability)
    edges = in_order[np.arange(1, n_bins) * len(in_order) // n_bins]
    _, bins, n = np.unique(
        np.searchsorted(edges, probability, side="right"), return_inverse=True, return_counts=True
    )
    return ReliabilityBins(n, np.bincount(bins, probability) / n, np.bincount(bins, right) / n)


def threshold_for(non_mated: Floats, *, target: float) -> float:
    """Return the lowest threshold that at most the target share of the non-mated scores reaches.

    Parameters
    ----------
    non_mated
        Scores of people who are not enrolled, (n,).
    target
        FPIR, above 0 and under 1.

    Raises
    ------
    TrainingError
        So few scores can't show so small a share: it is under 1/n.
    """
    n = len(non_mated)
    if not 1 / max(n, 1) <= target < 1:
        raise TrainingError(
            f"a false-positive identification rate of {target:g} can't be shown by {n} non-mated scores; "
            f"expected from {1 / max(n, 1):.2g} to under 1, or more scores"
        )
    n_above = allowed(n, target)
    return float(np.nextafter(np.partition(non_mated, n - 1 - n_above)[n - 1 - n_above], np.inf))


def allowed(n: int, target: float) -> int:
    """Return how many of n are at most the target share; 0.05 of 20 is 1, whatever binary fractions say."""
    return int(np.floor(n * target * (1 + 1e-12)))


def reached_by_new(non_mated: Floats, persons: ArrayLike, *, target: float) -> NDArray[np.bool_] | None:
    """Tell which scores reach a threshold that was chosen without their person.

    This is what FPIR to expect of new people; that of the scores that the threshold was chosen by is the
    target by construction. More than 50 people are left out in groups.

    Parameters
    ----------
    non_mated, persons
        Scores and who each is of, (n,).

    Returns
    -------
    (n,), or None where the others' scores are too few for the target, or there is one person only.
    """
    people, codes = np.unique(np.asarray(persons), return_inverse=True)
    if len(people) < 2:
        return None
    group_of = np.arange(len(people)) * min(len(people), MOST_GROUPS) // len(people)
    groups, reached = group_of[codes], np.zeros(len(non_mated), dtype=np.bool_)
    for group in range(groups.max() + 1):
        others = non_mated[groups != group]
        if len(others) * target * (1 + 1e-12) < 1:
            return None
        mine = groups == group
        reached[mine] = non_mated[mine] >= threshold_for(others, target=target)
    return reached


def person_interval(events: NDArray[np.bool_], persons: ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of a share by resampling persons: the trials of one are not independent.

    Parameters
    ----------
    events, persons
        Whether it happened in each trial, and whose trial it is, (n,), n >= 1.

    Raises
    ------
    TrainingError
        There is no trial.
    """
    _, codes = np.unique(np.asarray(persons), return_inverse=True)
    return subject_interval(np.bincount(codes, events), np.bincount(codes))


def _check(outputs: NDArray[Any], true: NDArray[np.int64]) -> None:
    """Refuse outputs and truths that don't go together."""
    if outputs.ndim != 2 or true.shape != outputs.shape[:1] or true.size == 0:
        raise TrainingError(
            f"calibration: outputs {outputs.shape} and {true.shape} true labels; expected (N, classes) and "
            "(N,), N at least 1"
        )
    if true.min() < 0 or true.max() >= outputs.shape[1]:
        raise TrainingError(
            f"calibration: true labels from {true.min()} to {true.max()}; expected 0 to "
            f"{outputs.shape[1] - 1}"
        )
