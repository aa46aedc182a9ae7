import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from ecgkit.preprocess import zero_phase as module
from ecgkit.preprocess.zero_phase import zero_phase

SOS = butter(5, 0.5, "highpass", fs=100, output="sos")


@pytest.mark.parametrize("n", [1, 2, 5, 300, 601, 5000])
@pytest.mark.parametrize("block", [7, 64, 1 << 15])
def test_zero_phase_is_scipys_to_the_bit(n: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    signal = 5 + np.random.default_rng(n).normal(size=n)
    expected = sosfiltfilt(SOS, signal, padtype="even", padlen=min(600, n - 1))
    before = signal.copy()
    np.testing.assert_array_equal(zero_phase(SOS, signal, padding=600), expected)
    np.testing.assert_array_equal(signal, before)
