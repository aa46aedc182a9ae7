import numpy as np
import pytest

from ecgkit.analysis.heart_rate import heart_rates_bpm, mean_heart_rate_bpm, window_heart_rates_bpm


def test_mean_heart_rate_of_even_beats() -> None:
    assert mean_heart_rate_bpm([np.arange(0, 60, 0.8)]) == pytest.approx(75)


def test_mean_heart_rate_ignores_gaps_and_doubles() -> None:
    peaks_s = np.concatenate([np.arange(0, 10, 0.8), np.arange(30, 40, 0.8), [40.01]])
    assert mean_heart_rate_bpm([np.sort(peaks_s)]) == pytest.approx(75, rel=0.02)


@pytest.mark.parametrize("peaks_s", [[], [1.0], [1.0, 9.0]])
def test_mean_heart_rate_without_an_interval_is_nan(peaks_s: list[float]) -> None:
    assert np.isnan(mean_heart_rate_bpm([np.array(peaks_s)]))


def test_window_heart_rates_follow_the_rhythm() -> None:
    peaks_s = np.concatenate([np.arange(0, 30, 1.0), np.arange(30, 60, 0.5)])
    rates = window_heart_rates_bpm(peaks_s, np.array([0.0, 12.0, 36.0, 57.0, 90.0]), window_s=3.0)
    np.testing.assert_allclose(rates, [60, 60, 120, 120, np.nan])


def test_window_shorter_than_a_beat_takes_the_interval_around_it() -> None:
    rates = window_heart_rates_bpm(np.array([0.0, 2.0, 4.0]), np.array([0.5]), window_s=1.0)
    np.testing.assert_allclose(rates, [30])


def test_mean_heart_rate_counts_no_interval_across_a_gap() -> None:
    stretches = [np.arange(0, 10, 1.0), np.arange(11.4, 20, 1.0)]
    assert mean_heart_rate_bpm(stretches) == pytest.approx(60)
    assert mean_heart_rate_bpm([np.concatenate(stretches)]) < 59


def test_heart_rates_are_from_beat_to_beat_within_a_stretch() -> None:
    stretches = [np.array([1.0, 2, 2.5]), np.array([]), np.array([10.0, 10.1, 11.1, 15])]
    times_s, rates = heart_rates_bpm(stretches)
    np.testing.assert_allclose(times_s, [1, 2, 2.5, 10, 10.1, 11.1, 15])
    np.testing.assert_allclose(rates, [np.nan, 60, 120, np.nan, np.nan, 60, np.nan])


@pytest.mark.parametrize("stretches", [[], [np.array([])], [np.array([1.0]), np.array([9.0])]])
def test_heart_rates_without_an_interval_are_nan(stretches: list[np.ndarray]) -> None:
    assert not np.isfinite(heart_rates_bpm(stretches)[1]).any()
