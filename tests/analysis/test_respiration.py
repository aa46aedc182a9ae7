import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.recordings import simulated

from ecgkit.analysis.respiration import (
    EDR_FS,
    breathing_rate,
    edr,
    power_share,
    slow_spectrum,
    strongest_hz,
)

FS = 250.0


def breathing_ecg(at_hz: float, *, swing: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Beats 0.8 s apart, whose height swings with breathing, on a baseline that wanders; and their peaks."""
    at_s = np.arange(round(120 * FS)) / FS
    ecg = 0.5 * np.sin(2 * np.pi * 0.031 * at_s)
    beats_s = np.arange(0.5, 119.5, 0.8)
    for beat_s in beats_s:
        height = 1 + swing * np.sin(2 * np.pi * at_hz * beat_s)
        ecg += height * np.exp(-0.5 * ((at_s - beat_s) / 0.012) ** 2)
    return ecg, np.rint(beats_s * FS).astype(np.int64)


@pytest.mark.parametrize("at_hz", [0.07, 0.1, 0.25, 0.4])
def test_edr_follows_breathing(at_hz: float) -> None:
    ecg, peaks = breathing_ecg(at_hz)
    derived = edr(ecg, FS, peaks)
    assert len(derived) == pytest.approx(118.4 * EDR_FS, abs=2)
    peak_hz, share = breathing_rate(derived, EDR_FS)
    assert peak_hz == pytest.approx(at_hz, abs=0.005)
    assert share > 0.8


def test_edr_keeps_slow_breaths_whole() -> None:
    slow, fast = (edr(*with_fs(breathing_ecg(at_hz))) for at_hz in (0.1, 0.25))
    assert np.std(slow) == pytest.approx(0.1 / math.sqrt(2), rel=0.05)
    assert np.std(fast) == pytest.approx(0.1 / math.sqrt(2), rel=0.15)


def with_fs(made: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, float, np.ndarray]:
    return made[0], FS, made[1]


def test_edr_is_not_moved_by_a_beat_under_an_artefact() -> None:
    ecg, peaks = breathing_ecg(0.1)
    ecg[peaks[40] - 5 : peaks[40]] -= 30
    assert np.ptp(edr(ecg, FS, peaks)) < 0.3


def test_edr_of_too_few_beats_is_empty() -> None:
    ecg, peaks = breathing_ecg(0.1)
    assert edr(ecg, FS, peaks[:3]).shape == edr(ecg[:5], FS, peaks).shape == (0,)


@pytest.mark.parametrize("fs", [2.0, 4.0, 62.5, 1000.0])
def test_breathing_rate_of_a_belt(fs: float) -> None:
    at_s = np.arange(round(120 * fs)) / fs
    belt = np.sin(2 * np.pi * 0.1 * at_s) + 0.02 * at_s + 7
    peak_hz, share = breathing_rate(belt, fs)
    assert peak_hz == pytest.approx(0.1, abs=0.002)
    assert share > 0.95


@pytest.mark.parametrize(("condition", "expected_hz"), [("deep_breathing", 0.1), ("rest", None)])
def test_breathing_rate_of_simulated_belts(condition: str, expected_hz: float | None) -> None:
    for subject in range(1, 6):
        made = simulated(subject, condition, duration_s=120.0)
        peak_hz, share = breathing_rate(made.respiration, made.fs / made.respiration_divider)
        assert peak_hz == pytest.approx(expected_hz, abs=0.005) if expected_hz else 0.15 < peak_hz < 0.35
        assert share > 0.5


def test_breathing_rate_of_what_cannot_tell_is_unknown() -> None:
    for samples, fs in ((np.zeros(2000), 10.0), (np.ones(3), 10.0), (np.empty(0), 4.0), (np.ones(100), 1.0)):
        assert all(math.isnan(value) for value in breathing_rate(samples, fs))


def test_slow_spectrum_keeps_the_power_of_a_sine() -> None:
    at_s = np.arange(0, 300, 0.25)
    at_hz, power = slow_spectrum(3 * np.sin(2 * np.pi * 0.2 * at_s) + 5, 4.0)
    assert at_hz[1] <= 0.002
    assert power.sum() * at_hz[1] == pytest.approx(9 / 2, rel=0.01)
    assert at_hz[power.argmax()] == pytest.approx(0.2, abs=0.001)


def test_slow_spectrum_takes_away_a_fall() -> None:
    at_s = np.arange(0, 180, 0.25)
    at_hz, power = slow_spectrum(40 * np.exp(-at_s / 60) + np.sin(2 * np.pi * 0.25 * at_s), 4.0)
    assert strongest_hz(at_hz, power, band_hz=(0.04, 0.4)) == pytest.approx(0.25, abs=0.002)


def test_strongest_hz_is_a_peak_and_no_slope() -> None:
    at_hz = np.arange(6) / 10
    assert strongest_hz(at_hz, np.array([9, 8, 3, 5, 2, 1.0]), band_hz=(0.1, 0.5)) == pytest.approx(0.3)
    assert math.isnan(strongest_hz(at_hz, np.array([9, 8, 7, 5, 2, 1.0]), band_hz=(0.1, 0.5)))
    assert math.isnan(strongest_hz(np.empty(0), np.empty(0), band_hz=(0.1, 0.5)))


def test_power_share() -> None:
    at_hz, power = np.arange(6) / 10, np.array([9, 1, 2, 3, 4, 9.0])
    assert power_share(at_hz, power, (0.2, 0.3), of_hz=(0.1, 0.4)) == pytest.approx(0.5)
    assert math.isnan(power_share(at_hz, np.zeros(6), (0.2, 0.3), of_hz=(0.1, 0.4)))
    assert math.isnan(power_share(at_hz, power, (math.nan, math.nan), of_hz=(0.1, 0.4)))


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(-1e6, 1e6)),
    st.sampled_from([1.0, 4.0, 50.0]),
)
def test_breathing_rate_takes_any_numbers(samples: np.ndarray, fs: float) -> None:
    peak_hz, share = breathing_rate(np.tile(samples, 5), fs)
    assert math.isnan(peak_hz) or 0.05 <= peak_hz <= 0.7
    assert math.isnan(share) or 0 <= share <= 1
