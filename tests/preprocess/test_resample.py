import numpy as np
import pytest

from ecgkit.errors import SignalError
from ecgkit.preprocess.resample import rate_ratio, resample

RATES = [250.0, 500.0, 1000.0, 2000.0]


def gain_db(fs: float, tone_hz: float, *, to_fs: float = 100.0) -> float:
    """Gain of the resampler for one tone, measured away from the ends, dB."""
    t = np.arange(int(20 * fs)) / fs
    out = resample(np.sin(2 * np.pi * tone_hz * t), fs, to_fs=to_fs)[200:-200]
    return float(20 * np.log10(np.sqrt(2) * out.std() + 1e-12))


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("tone_hz", [1.0, 10.0, 25.0, 40.0])
def test_resample_passes_up_to_40_hz(fs: float, tone_hz: float) -> None:
    assert abs(gain_db(fs, tone_hz)) < 0.1


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("tone_hz", [50.0, 60.0, 75.0, 100.0])
def test_resample_stops_from_the_new_nyquist_on(fs: float, tone_hz: float) -> None:
    assert gain_db(fs, tone_hz) < -70


def test_resample_keeps_time_and_offset() -> None:
    t = np.arange(10_000) / 1000
    out = resample(5 + np.sin(2 * np.pi * 3 * t), 1000.0, to_fs=100.0)
    expected = 5 + np.sin(2 * np.pi * 3 * np.arange(1000) / 100)
    assert out.shape == (1000,)
    np.testing.assert_allclose(out[50:-50], expected[50:-50], atol=2e-3)
    np.testing.assert_allclose(out, expected, atol=0.25)


def test_resample_at_the_same_rate_changes_nothing() -> None:
    signal = np.random.default_rng(0).normal(size=50)
    np.testing.assert_array_equal(resample(signal, 100.0, to_fs=100.0), signal)


def test_resample_takes_rates_that_are_no_multiples() -> None:
    assert rate_ratio(256.0, 100.0) == (25, 64)
    t = np.arange(2560) / 256
    out = resample(np.sin(2 * np.pi * 5 * t), 256.0, to_fs=100.0)
    np.testing.assert_allclose(
        out[100:-100], np.sin(2 * np.pi * 5 * np.arange(1000) / 100)[100:-100], atol=2e-3
    )


def test_resample_refuses_to_invent_samples() -> None:
    with pytest.raises(SignalError, match=r"recorded at 62.5 Hz, below the 100 Hz"):
        resample(np.zeros(10), 62.5, to_fs=100.0)
    with pytest.raises(SignalError, match="no ratio"):
        rate_ratio(1000.0, 1000.0 / np.pi)
