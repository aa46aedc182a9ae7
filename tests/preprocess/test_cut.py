import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ConfigError
from ecgkit.preprocess.cut import cut, cut_beats, usable_share


@given(st.integers(0, 400), st.integers(1, 120), st.integers(1, 150))
def test_cut_windows_are_the_signal_at_their_starts(n_samples: int, size: int, stride: int) -> None:
    signal = np.arange(2 * n_samples, dtype=float).reshape(2, n_samples)
    windows, start = cut(signal, 100.0, window_s=size / 100, stride_s=stride / 100)
    assert windows.shape == (len(start), 2, size)
    assert list(start) == list(range(0, n_samples - size + 1, stride))
    for window, first in zip(windows, start, strict=True):
        np.testing.assert_array_equal(window, signal[:, first : first + size])


def test_cut_refuses_a_length_between_samples() -> None:
    with pytest.raises(ConfigError, match=r"pipeline\.window_s: 0.555 s at 100 Hz is 55.5 samples"):
        cut(np.zeros((1, 100)), 100.0, window_s=0.555, stride_s=1.0)


def test_cut_beats_has_the_peak_at_one_place() -> None:
    signal = np.zeros((2, 1000))
    peaks = np.array([20, 150, 404, 980])
    signal[:, peaks] = [[1], [-1]]
    windows, start, beat = cut_beats(signal, 100.0, r_peaks_s=peaks / 100 + 0.004, before_s=0.3, after_s=0.5)
    assert list(beat) == [1, 2]  # the others are too close to an end
    assert list(start) == [120, 374]
    assert windows.shape == (2, 2, 80)
    np.testing.assert_array_equal(windows[:, :, 30], [[1, -1], [1, -1]])
    assert np.count_nonzero(windows) == 4


def test_cut_beats_takes_the_first_and_the_last_that_fit() -> None:
    signal = np.arange(100.0)[None]
    windows, start, beat = cut_beats(
        signal, 100.0, r_peaks_s=np.array([0.1, 0.5, 0.8]), before_s=0.1, after_s=0.2
    )
    assert (list(start), list(beat)) == ([0, 40, 70], [0, 1, 2])
    np.testing.assert_array_equal(windows[2, 0], np.arange(70.0, 100.0))


def test_cut_beats_without_one_is_empty() -> None:
    windows, start, beat = cut_beats(
        np.zeros((3, 50)), 100.0, r_peaks_s=np.empty(0), before_s=0.2, after_s=0.3
    )
    assert windows.shape == (0, 3, 50)
    assert len(start) == len(beat) == 0


def test_cut_beats_refuses_a_length_between_samples() -> None:
    with pytest.raises(ConfigError, match=r"pipeline\.before_s: 0.255 s at 100 Hz"):
        cut_beats(np.zeros((1, 100)), 100.0, r_peaks_s=np.array([0.5]), before_s=0.255, after_s=0.3)


@given(st.lists(st.booleans(), min_size=10, max_size=60), st.integers(1, 10))
def test_usable_share_is_that_of_each_window(mask: list[bool], size: int) -> None:
    usable = np.array(mask)
    start = np.arange(len(usable) - size + 1)
    share = usable_share(usable, start, size=size)
    np.testing.assert_allclose(share, [usable[first : first + size].mean() for first in start])
