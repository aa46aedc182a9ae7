import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ConfigError
from ecgkit.preprocess.cut import beat_starts, cut, time_starts


@given(st.integers(0, 400), st.integers(1, 120), st.integers(1, 150))
def test_time_starts_are_as_many_as_fit(n_samples: int, size: int, stride: int) -> None:
    starts = time_starts(n_samples, 100.0, window_s=size / 100, stride_s=stride / 100)
    assert starts.tolist() == list(range(0, n_samples - size + 1, stride))


@given(st.lists(st.integers(0, 90), max_size=20, unique=True).map(sorted), st.integers(1, 10))
def test_cut_windows_are_the_signal_at_their_starts(starts: list[int], size: int) -> None:
    signal = np.arange(200.0).reshape(2, 100)
    windows = cut(signal, np.array(starts, dtype=np.int64), size=size)
    assert windows.shape == (len(starts), 2, size)
    for window, first in zip(windows, starts, strict=True):
        np.testing.assert_array_equal(window, signal[:, first : first + size])


def test_cut_by_time_copies_nothing() -> None:
    signal = np.zeros((1, 1000))
    for starts in (np.arange(0, 900, 100), np.array([300])):
        assert np.shares_memory(cut(signal, starts, size=100), signal)


def test_lengths_between_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"pipeline\.window_s: 0.555 s at 100 Hz is 55.5 samples"):
        time_starts(100, 100.0, window_s=0.555, stride_s=1.0)
    with pytest.raises(ConfigError, match=r"pipeline\.stride_s: 0.001 s at 100 Hz"):
        time_starts(100, 100.0, window_s=0.5, stride_s=0.001)
    with pytest.raises(ConfigError, match=r"pipeline\.r_peak_at_s: 0.255 s at 100 Hz"):
        beat_starts(100, 100.0, r_peaks_s=np.array([0.5]), window_s=0.5, r_peak_at_s=0.255)


def test_beat_starts_have_the_peak_at_one_place() -> None:
    peaks = np.array([20, 150, 404, 980])
    starts = beat_starts(1000, 100.0, r_peaks_s=peaks / 100 + 0.004, window_s=0.8, r_peak_at_s=0.3)
    assert starts.tolist() == [120, 374]  # the others are too close to an end


def test_beat_starts_take_the_first_and_the_last_that_fit() -> None:
    r_peaks_s = np.array([0.1, 0.5, 0.8])
    assert beat_starts(100, 100.0, r_peaks_s=r_peaks_s, window_s=0.3, r_peak_at_s=0.1).tolist() == [0, 40, 70]
    assert beat_starts(99, 100.0, r_peaks_s=r_peaks_s, window_s=0.3, r_peak_at_s=0.1).tolist() == [0, 40]
    assert beat_starts(99, 100.0, r_peaks_s=np.empty(0), window_s=0.3, r_peak_at_s=0.1).tolist() == []


def test_beat_starts_may_be_the_peaks_but_not_behind_them() -> None:
    starts = beat_starts(100, 100.0, r_peaks_s=np.array([0.25]), window_s=0.3, r_peak_at_s=0.0)
    assert starts.tolist() == [25]
    with pytest.raises(
        ConfigError, match=r"pipeline.r_peak_at_s: 0.3 s, expected less than pipeline.window_s"
    ):
        beat_starts(100, 100.0, r_peaks_s=np.array([0.25]), window_s=0.3, r_peak_at_s=0.3)


@given(st.lists(st.floats(0, 12), max_size=30).map(sorted), st.integers(0, 59))
def test_beat_starts_lie_within_half_a_sample(r_peaks_s: list[float], before: int) -> None:
    starts = beat_starts(1000, 100.0, r_peaks_s=np.array(r_peaks_s), window_s=0.6, r_peak_at_s=before / 100)
    assert (np.diff(starts) > 0).all()
    assert ((starts >= 0) & (starts <= 940)).all()
    for start in starts:
        assert min(abs(peak * 100 - before - start) for peak in r_peaks_s) <= 0.5 + 1e-9
