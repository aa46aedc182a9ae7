import numpy as np

from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.simulate.study import simulate_recording


def test_find_r_peaks_finds_the_beats_that_are_there() -> None:
    recording = simulate_recording(2, "rest", 1, fs=500.0, seed=5, duration_s=60.0, mains_hz=50.0, clean=True)
    found_s = find_r_peaks(recording.ecg_mv, 500.0) / 500.0
    inner = recording.r_peaks_s[1:-1]
    nearest = np.abs(inner[:, None] - found_s).min(axis=1)
    assert nearest.max() < 0.03
    assert abs(len(found_s) - len(recording.r_peaks_s)) <= 2


def test_find_r_peaks_of_nothing_is_none() -> None:
    assert len(find_r_peaks(np.zeros(5000), 500.0)) == 0
    assert len(find_r_peaks(np.random.default_rng(0).normal(size=100), 500.0)) == 0
