"""Intervals over subjects."""

from __future__ import annotations

import numpy as np
import pytest

from ecgkit.errors import TrainingError
from ecgkit.metrics import resampling
from ecgkit.metrics.intervals import wilson
from ecgkit.metrics.resampling import resampled_interval, subject_interval

HITS, TRIALS = [50, 90, 70, 60, 20], [100, 100, 100, 100, 50]


def test_subject_interval_holds_the_share() -> None:
    low, high = subject_interval(HITS, TRIALS)
    assert low < sum(HITS) / sum(TRIALS) < high


def test_subject_interval_does_not_narrow_with_more_windows_of_the_same_subjects() -> None:
    many = subject_interval(np.multiply(HITS, 100), np.multiply(TRIALS, 100))
    assert many == pytest.approx(subject_interval(HITS, TRIALS))


def test_subject_interval_equals_another_way_to_draw() -> None:
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(HITS), size=(20_000, len(HITS)))
    shares = np.take(HITS, drawn).sum(axis=1) / np.take(TRIALS, drawn).sum(axis=1)
    assert subject_interval(HITS, TRIALS) == pytest.approx(np.percentile(shares, [2.5, 97.5]), abs=0.02)


def test_subject_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        hits = rng.binomial(60, np.clip(rng.normal(0.7, 0.1, size=30), 0, 1))
        low, high = subject_interval(hits, np.full(30, 60))
        covered += low <= 0.7 <= high
    assert 0.9 <= covered / 300 <= 0.98


@pytest.mark.parametrize(("hits", "of_20"), [([0] * 20, 0), ([7] * 20, 20)])
def test_subject_interval_at_the_ends_is_wilson_s_of_the_subjects(hits: list[int], of_20: int) -> None:
    assert subject_interval(hits, [7] * 20) == wilson(of_20, 20)


def test_subject_interval_of_one_subject_says_nothing_of_others() -> None:
    assert subject_interval([5], [10]) == (0.0, 1.0)


def test_resampled_interval_is_the_same_whatever_is_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled_interval(HITS, TRIALS)
    monkeypatch.setattr(resampling, "MOST_COUNTS", 17)
    assert resampled_interval(HITS, TRIALS) == whole


def test_resampled_interval_takes_differences() -> None:
    low, high = resampled_interval([-3, 4, 2, -1], [10, 10, 10, 10])
    assert -0.3 <= low < 0.05 < high <= 0.4


@pytest.mark.parametrize(("sums", "counts"), [([1.0], [2.0]), ([1, 2], [1, 0]), ([1, 2], [1]), ([], [])])
def test_resampled_interval_refuses_what_it_can_t_draw(sums: list[float], counts: list[float]) -> None:
    with pytest.raises(TrainingError, match="interval over subjects"):
        resampled_interval(sums, counts)
