"""Temperatures and thresholds on constructed cases; what must hold of any scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecgkit.errors import TrainingError
from ecgkit.metrics.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    brier_score,
    fit_temperature,
    fuse,
    log_softmax,
    negative_log_likelihood,
    person_interval,
    reached_by_new,
    reliability_bins,
    threshold_for,
)
from ecgkit.metrics.intervals import wilson

SCORES = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


def frequencies(*, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of windows whose classes are exactly as frequent as the logits say at a temperature."""
    shares = np.array([[0.5, 0.3, 0.2], [0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    logits = np.repeat(np.log(shares) * temperature, 10, axis=0)
    true = np.concatenate([np.repeat([0, 1, 2], np.rint(10 * share).astype(int)) for share in shares])
    return logits, true


@pytest.mark.parametrize("temperature", [0.25, 0.5, 1.0, 1.7, 6.0, 19.0])
def test_fit_temperature_is_exact_where_the_logits_are_scaled_frequencies(temperature: float) -> None:
    assert fit_temperature(*frequencies(temperature=temperature)) == pytest.approx(temperature, rel=1e-12)


def test_fit_temperature_gives_the_least_likelihood_of_a_grid() -> None:
    generator = np.random.default_rng(4)
    logits, true = generator.normal(0, 3, (200, 5)).astype(np.float32), generator.integers(0, 5, 200)
    logits[np.arange(200), true] += 2
    best = fit_temperature(logits, true)
    likelihoods = {
        t: negative_log_likelihood(log_softmax(logits, temperature=t), true)
        for t in (best, *np.linspace(0.5, 8, 151))
    }
    assert min(likelihoods, key=likelihoods.__getitem__) == best


def test_fit_temperature_stays_within_bounds() -> None:
    sure = np.eye(3)[[0, 1, 2]] * 50
    assert fit_temperature(sure, np.array([0, 1, 2])) == LOWEST_TEMPERATURE
    assert fit_temperature(sure, np.array([1, 2, 0])) == HIGHEST_TEMPERATURE
    assert fit_temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])) == HIGHEST_TEMPERATURE


@given(st.floats(-1e4, 1e4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_fit_temperature_does_not_change_with_a_shift_of_the_logits(shift: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits, true = generator.normal(0, 2, (30, 4)), generator.integers(0, 4, 30)
    assert fit_temperature(logits + shift, true) == pytest.approx(fit_temperature(logits, true), rel=1e-6)


@pytest.mark.parametrize(
    ("logits", "true", "match"),
    [
        (np.zeros((0, 3)), np.zeros(0, dtype=int), "at least 1"),
        (np.zeros((2, 3)), np.array([0]), "expected"),
        (np.zeros((2, 3)), np.array([0, 3]), "true labels from 0 to 3; expected 0 to 2"),
    ],
)
def test_fit_temperature_refuses_what_does_not_go_together(
    logits: np.ndarray, true: np.ndarray, match: str
) -> None:
    with pytest.raises(TrainingError, match=match):
        fit_temperature(logits, true)


def test_log_softmax_takes_minus_infinity_as_a_class_that_can_not_be() -> None:
    log_p = log_softmax(np.array([[0.0, -np.inf, 0.0]]), temperature=3.0)
    np.testing.assert_allclose(np.exp(log_p), [[0.5, 0.0, 0.5]])


def test_fuse_is_the_normalised_geometric_mean() -> None:
    windows = np.log(np.array([[[0.8, 0.2], [0.2, 0.8]], [[0.9, 0.1], [0.5, 0.5]]]))
    np.testing.assert_allclose(np.exp(fuse(windows)), [[0.5, 0.5], [0.75, 0.25]])


def test_negative_log_likelihood_and_brier_score_are_those_of_the_formulas() -> None:
    log_p, true = np.log(np.array([[0.5, 0.5], [0.9, 0.1]])), np.array([0, 1])
    assert negative_log_likelihood(log_p, true) == pytest.approx(-(np.log(0.5) + np.log(0.1)) / 2)
    assert brier_score(log_p, true) == pytest.approx((0.5 + 2 * 0.81) / 2)


def test_reliability_bins_are_of_equal_mass() -> None:
    probability = np.linspace(0.3, 1, 200)
    bins = reliability_bins(probability, np.arange(200) % 2 == 0)
    assert bins.n.tolist() == [20] * 10
    np.testing.assert_allclose(bins.accuracy, 0.5)
    np.testing.assert_allclose(bins.probability, probability.reshape(10, 20).mean(axis=1))
    assert bins.expected_calibration_error == pytest.approx(np.abs(bins.probability - 0.5).mean())


def test_reliability_bins_of_right_probabilities_have_no_error() -> None:
    bins = reliability_bins(np.repeat([0.25, 0.75], 40), np.tile([True, True, True, False], 20)[::-1])
    assert bins.n.tolist() == [40, 40]
    mixed = np.concatenate([np.tile([True, False, False, False], 10), np.tile([True, True, True, False], 10)])
    assert reliability_bins(np.repeat([0.25, 0.75], 40), mixed).expected_calibration_error == 0


@given(SCORES, st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_reliability_bins_hold_every_answer_once_in_any_order(probability: np.ndarray, seed: int) -> None:
    generator = np.random.default_rng(seed)
    right, order = generator.random(len(probability)) < 0.5, generator.permutation(len(probability))
    bins, again = reliability_bins(probability, right), reliability_bins(probability[order], right[order])
    assert bins.n.sum() == len(probability)
    assert np.all(np.diff(bins.probability) > -1e-12)
    np.testing.assert_allclose(bins.accuracy, again.accuracy)


def test_reliability_bins_refuse_nothing() -> None:
    with pytest.raises(TrainingError, match="at least one"):
        reliability_bins(np.zeros(0), np.zeros(0, dtype=bool))


def test_threshold_for_lets_exactly_the_share_through() -> None:
    scores = np.arange(1, 101) / 100
    for target, n_through in ((0.05, 5), (0.059, 5), (0.1, 10), (0.01, 1)):
        threshold = threshold_for(scores, target=target)
        assert np.count_nonzero(scores >= threshold) == n_through
        assert np.count_nonzero(scores >= np.nextafter(threshold, 0)) == n_through + 1, "the lowest such one"


def test_threshold_for_takes_a_share_for_what_people_mean_by_it() -> None:
    assert np.count_nonzero(np.arange(20) / 20 >= threshold_for(np.arange(20) / 20, target=0.05)) == 1
    assert np.count_nonzero(np.arange(10) / 10 >= threshold_for(np.arange(10) / 10, target=0.1)) == 1
    assert np.count_nonzero(np.arange(1000) / 1e3 >= threshold_for(np.arange(1000) / 1e3, target=0.001)) == 1


@given(SCORES, st.floats(0.001, 0.99))
@settings(max_examples=200, deadline=None)
def test_threshold_for_is_never_passed_by_more_than_the_target(scores: np.ndarray, target: float) -> None:
    if len(scores) * target < 1:
        return
    threshold = threshold_for(scores, target=target)
    assert (scores >= threshold).mean() <= target * (1 + 1e-9)


def test_threshold_for_turns_ties_away() -> None:
    assert threshold_for(np.ones(100), target=0.5) > 1


@pytest.mark.parametrize(("n", "target"), [(19, 0.05), (0, 0.05), (9, 0.1), (10, 1.0)])
def test_threshold_for_refuses_what_so_few_scores_can_not_show(n: int, target: float) -> None:
    with pytest.raises(TrainingError, match=f"can't be shown by {n} non-mated scores"):
        threshold_for(np.linspace(0, 1, n), target=target)


def test_reached_by_new_chooses_each_person_s_threshold_from_the_others() -> None:
    # one person's scores are above all others': with them the threshold is theirs, without them they all pass
    scores, persons = np.concatenate([np.full(10, 0.9), np.linspace(0, 0.5, 90)]), np.repeat(range(10), 10)
    reached = reached_by_new(scores, persons, target=0.1)
    assert reached is not None
    assert (scores >= threshold_for(scores, target=0.1)).sum() == 10
    assert reached[:10].all()
    assert not reached[10:].any()


def test_reached_by_new_needs_others_and_enough_of_their_scores() -> None:
    scores = np.linspace(0, 1, 40)
    assert reached_by_new(scores, np.zeros(40, dtype=int), target=0.1) is None
    assert reached_by_new(scores, np.repeat([0, 1], [25, 15]), target=0.05) is None
    assert reached_by_new(scores, np.repeat([0, 1], [20, 20]), target=0.05) is not None


def test_reached_by_new_leaves_many_people_out_in_groups() -> None:
    scores = np.random.default_rng(1).random(600)
    reached = reached_by_new(scores, np.repeat(range(300), 2), target=0.1)
    assert reached is not None
    assert reached.mean() == pytest.approx(0.1, abs=0.02)


def test_person_interval_is_wider_where_a_person_s_trials_agree() -> None:
    persons = np.repeat(range(20), 50)
    alike = np.repeat(np.arange(20) < 10, 50)
    mixed = np.tile(np.arange(50) < 25, 20)
    low, high = person_interval(alike, persons)
    assert low < 0.35
    assert high > 0.65
    assert person_interval(mixed, persons) == (0.5, 0.5)
    assert high - low > 4 * np.diff(wilson(500, 1000))[0]


def test_person_interval_at_the_ends_is_wilson_s_of_the_people() -> None:
    persons = np.repeat(range(15), 100)
    assert person_interval(np.zeros(1500, dtype=bool), persons) == wilson(0, 15)
    assert person_interval(np.ones(1500, dtype=bool), persons) == wilson(15, 15)


def test_person_interval_of_one_person_says_nothing() -> None:
    assert person_interval(np.array([True, False]), ["a", "a"]) == (0.0, 1.0)
    with pytest.raises(TrainingError, match="interval over subjects"):
        person_interval(np.zeros(0, dtype=bool), [])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_person_interval_is_the_same_each_time_and_within_0_and_1(trials: list[tuple[bool, int]]) -> None:
    events, persons = np.array([event for event, _ in trials]), [person for _, person in trials]
    low, high = person_interval(events, persons)
    assert 0 <= low <= high <= 1
    assert (low, high) == person_interval(events, persons)
