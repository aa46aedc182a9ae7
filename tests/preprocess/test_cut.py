import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgkit.errors import ConfigError
from ecgkit.preprocess.cut import cut


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
