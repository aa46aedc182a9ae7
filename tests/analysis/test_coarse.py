import numpy as np
import pytest
from support.recordings import simulated

from ecgkit.analysis.coarse import beat_times_s, thinned, thinning


@pytest.mark.parametrize(
    ("fs", "expected"), [(4.0, 1), (250.0, 1), (499.0, 1), (500.0, 2), (2000.0, 8), (1e5, 400)]
)
def test_thinning_leaves_at_least_the_rate(fs: float, expected: int) -> None:
    assert thinning(fs, to_fs=250.0) == expected
    assert fs / expected >= min(fs, 250.0)


def test_thinned_averages_whole_groups() -> None:
    signal = np.array([1.0, 3.0, 5.0, 7.0, 9.0])
    assert thinned(signal, 2).tolist() == [2.0, 6.0]
    assert thinned(signal, 1) is signal
    assert len(thinned(signal, 9)) == 0


@pytest.mark.parametrize("fs", [100.0, 250.0, 1000.0, 2000.0, 10_000.0])
def test_beat_times_are_right_to_a_few_milliseconds(fs: float) -> None:
    recording = simulated(2, fs=fs, clean=True)
    beats_s = beat_times_s(recording.ecg_mv, fs)
    inner = recording.r_peaks_s[1:-1]
    away_s = np.abs(inner[:, None] - beats_s).min(axis=1)
    assert np.quantile(away_s, 0.9) < 0.002
    assert abs(len(beats_s) - len(recording.r_peaks_s)) <= 2
    assert np.all(np.diff(beats_s) > 0)


def test_beat_times_of_nothing_are_none() -> None:
    for signal in (np.empty(0), np.zeros(5000), np.ones(3)):
        assert beat_times_s(signal, 500.0).shape == (0,)
