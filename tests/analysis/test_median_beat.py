import numpy as np
import pytest
from scipy.signal import butter, iirpeak, lfilter, sosfilt
from support.recordings import simulated

from ecgkit.analysis.coarse import beat_times_s
from ecgkit.analysis.median_beat import (
    BeatShape,
    cut_beats,
    is_pulse,
    likeness,
    points_down,
    qrs_heights,
    shape_of,
)

FS = 250.0
CASES = [(subject, condition) for subject in (1, 3, 5, 8) for condition in ("rest", "exercise")]


def r_wave_mode(signal: np.ndarray, fs: float) -> np.ndarray:
    """An ECG through BIOPAC's R-wave detector: band-pass 17 Hz (Q 5), absolute value, low-pass 10 Hz."""
    b, a = iirpeak(17.0, 5.0, fs=fs)
    return sosfilt(butter(3, 10.0, fs=fs, output="sos"), np.abs(lfilter(b, a, signal)))


def shape(signal: np.ndarray, fs: float = FS) -> BeatShape:
    beats_s = beat_times_s(signal, fs)
    beats, _ = cut_beats(signal, fs, beats_s=beats_s)
    return shape_of(np.median(beats, axis=0), fs, rr_s=float(np.median(np.diff(beats_s))))


def train(*, r: float = 1.0, s: float = 0.0, t: float = 0.2, n: int = 30) -> np.ndarray:
    """Beats of one R, one S and one T wave, 1 s apart, the first R at 0.5 s."""
    at_s = np.arange(n * FS) / FS % 1 - 0.5
    waves = ((r, 0.0, 0.012), (s, 0.04, 0.012), (t, 0.26, 0.04))
    return sum(height * np.exp(-0.5 * ((at_s - centre) / width) ** 2) for height, centre, width in waves)


def test_cut_beats_lays_the_peaks_in_one_place_and_leaves_out_what_is_not_whole() -> None:
    beats_s = np.arange(30) + 0.5 + np.random.default_rng(0).uniform(-0.05, 0.05, 30)
    beats, whole = cut_beats(train(), FS, beats_s=beats_s)
    assert beats.shape == (29, round(0.3 * FS) + round(0.5 * FS) + 1)
    assert whole.tolist() == [True] * 29 + [False]
    assert set(beats.argmax(axis=1)) == {round(0.3 * FS)}
    np.testing.assert_allclose(np.median(beats, axis=1), 0, atol=1e-12)


def test_cut_beats_takes_the_deflection_that_is_larger_in_most_beats() -> None:
    beats, _ = cut_beats(train(r=0.4, s=-1.0), FS, beats_s=np.arange(30) + 0.5)
    assert set(beats.argmin(axis=1)) == {round(0.3 * FS)}


def test_cut_beats_of_none() -> None:
    for signal, times in ((np.empty(0), np.empty(0)), (np.zeros(30), np.array([0.05]))):
        beats, whole = cut_beats(signal, FS, beats_s=times)
        assert beats.shape == (0, round(0.3 * FS) + round(0.5 * FS) + 1)
        assert not whole.any()
        assert qrs_heights(beats, FS).shape == likeness(beats, FS).shape == (0,)


def test_qrs_heights_are_those_of_the_larger_deflection() -> None:
    for signal, height in ((train(r=1.2), 1.2), (train(r=0.4, s=-0.9), 0.9), (-train(r=1.2), 1.2)):
        beats, _ = cut_beats(signal, FS, beats_s=np.arange(30) + 0.5)
        np.testing.assert_allclose(qrs_heights(beats, FS), height, rtol=0.05)


def test_likeness_is_1_for_equal_beats_and_low_for_noise() -> None:
    signal = train()
    signal[2500:3750] += 2.0 * np.random.default_rng(0).standard_normal(1250)  # 10 to 15 s
    beats, _ = cut_beats(signal, FS, beats_s=np.arange(30) + 0.5)
    alike = likeness(beats, FS)
    assert np.all(alike[10:15] < 0.5)
    assert np.all(np.delete(alike, slice(9, 16)) > 0.99)


@pytest.mark.parametrize(("subject", "condition"), CASES)
def test_points_down_only_upside_down(subject: int, condition: str) -> None:
    ecg = simulated(subject, condition, fs=FS).ecg_mv
    assert not points_down(shape(ecg))
    assert points_down(shape(-ecg))
    assert points_down(shape(3.0 - 0.001 * ecg))


def test_points_down_leaves_deep_s_waves_in_peace() -> None:
    """The S wave may be the larger, in V1 of anyone and in lead I of some; the T wave points up there."""
    assert not points_down(shape(train(r=0.2, s=-1.2, t=0.3)))
    assert not points_down(shape(train(r=0.7, s=-1.0, t=-0.2)))
    assert points_down(shape(train(r=-1.0, s=0.3, t=-0.2)))


@pytest.mark.parametrize(("subject", "condition"), CASES)
def test_is_pulse_only_in_r_wave_mode(subject: int, condition: str) -> None:
    noise = np.random.default_rng(subject).standard_normal(30_000)
    ecg = simulated(subject, condition, fs=500.0).ecg_mv
    pulses = r_wave_mode(ecg, 500.0)
    for signal, expected in ((ecg, False), (-ecg, False), (pulses, True), (1e-3 * pulses + 2.0, True)):
        assert is_pulse(shape(signal, 500.0)) is expected
    assert is_pulse(shape(pulses + 0.02 * np.ptp(pulses) * noise, 500.0))


def test_shape_of_an_ecg_of_known_waves() -> None:
    found = shape(train(r=1.0, s=-0.25, t=0.3))
    assert found.up == pytest.approx(1.0, rel=0.05)
    assert found.down == pytest.approx(0.25, rel=0.15)
    assert found.t_wave == pytest.approx(0.3, rel=0.05)
    assert found.width_s == pytest.approx(2.355 * 0.012, rel=0.1)
    assert found.rebound == pytest.approx(0.55, rel=0.1)  # from the bottom of S to the top of T


def test_shape_of_a_flat_beat_is_nothing() -> None:
    beat = np.zeros(round(0.3 * FS) + round(0.5 * FS) + 1)
    found = shape_of(beat, FS, rr_s=1.0)
    assert (found.up, found.down, found.t_wave, found.rebound) == (0, 0, 0, 0)
    assert not points_down(found)
    assert not is_pulse(found)
