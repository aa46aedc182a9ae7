import numpy as np
import pytest
from scipy.signal import welch
from support.recordings import simulated

from ecgkit.analysis.spectrum import can_measure_line, line_amplitudes, mean_density

FS = 500.0


def hum(n: int, fs: float, *, at_hz: float, phase: float = 0.3) -> np.ndarray:
    return np.sin(2 * np.pi * at_hz * np.arange(n) / fs + phase)


@pytest.mark.parametrize("fs", [250.0, 500.0, 1000.0])
@pytest.mark.parametrize("at_hz", [50.0, 60.0, 49.8, 60.13])
@pytest.mark.parametrize("amplitude", [0.03, 0.3, 3.0])
def test_line_amplitude_is_right_within_a_tenth(fs: float, at_hz: float, amplitude: float) -> None:
    for subject, phase in ((1, 0.0), (2, 1.0), (3, 2.5)):
        ecg = simulated(subject, "exercise", fs=fs, duration_s=40.0).ecg_mv
        noisy = ecg + amplitude * hum(len(ecg), fs, at_hz=at_hz, phase=phase)
        found = line_amplitudes(noisy, fs, at_hz=float(round(at_hz / 10) * 10))
        assert found.shape == (10,)
        assert np.median(found) == pytest.approx(amplitude, rel=0.1)


@pytest.mark.parametrize("fs", [200.0, 250.0, 500.0, 1000.0])
def test_line_amplitude_of_an_ecg_without_hum_is_0(fs: float) -> None:
    for subject in range(1, 6):
        for condition in ("rest", "exercise"):
            ecg = simulated(subject, condition, fs=fs).ecg_mv
            for at_hz in (55.0, 60.0):
                assert np.median(line_amplitudes(ecg, fs, at_hz=at_hz)) == 0


def test_line_amplitude_of_beats_like_clockwork_is_0() -> None:
    """Their spectrum is lines too, but one like the other."""
    phase_s = (np.arange(30_000) / FS) % 0.8 - 0.4
    beats = np.exp(-0.5 * (phase_s / 0.008) ** 2)
    assert not line_amplitudes(beats, FS, at_hz=50.0).any()
    assert not line_amplitudes(beats, FS, at_hz=60.0).any()


def test_line_amplitude_tells_when_it_hums() -> None:
    ecg = simulated(1, duration_s=40.0).ecg_mv
    ecg[8000:12000] += 0.2 * hum(4000, FS, at_hz=50.0)  # 16 to 24 s
    found = line_amplitudes(ecg, FS, at_hz=50.0)
    np.testing.assert_allclose(found[[4, 5]], 0.2, rtol=0.1)
    assert not found[[0, 1, 2, 3, 6, 7, 8, 9]].any()


def test_line_amplitude_finds_an_alias() -> None:
    ecg = simulated(1, fs=100.0).ecg_mv
    ecg = ecg + 0.1 * hum(len(ecg), 100.0, at_hz=60.0)
    assert np.median(line_amplitudes(ecg, 100.0, at_hz=40.0)) == pytest.approx(0.1, rel=0.1)


def test_line_amplitude_follows_the_unit() -> None:
    ecg = simulated(1).ecg_mv
    noisy = ecg + 0.1 * hum(len(ecg), FS, at_hz=60.0)
    once, scaled = (line_amplitudes(signal, FS, at_hz=60.0) for signal in (noisy, 1e-6 * noisy))
    np.testing.assert_allclose(scaled, 1e-6 * once, rtol=1e-9)


def test_line_amplitude_needs_4_seconds() -> None:
    assert line_amplitudes(np.ones(1999), FS, at_hz=50.0).shape == (0,)
    assert line_amplitudes(np.zeros(2000), FS, at_hz=50.0).tolist() == [0.0]


@pytest.mark.parametrize(
    ("fs", "at_hz", "expected"),
    [
        (500.0, 50.0, True),
        (100.0, 50.0, False),
        (100.0, 40.0, True),
        (125.0, 60.0, True),
        (121.0, 60.0, False),
        (55.0, 5.0, True),
        (52.0, 2.0, False),
        (4.0, 2.0, False),
    ],
)
def test_can_measure_line_wants_room_on_both_sides(fs: float, at_hz: float, expected: bool) -> None:
    assert can_measure_line(fs, at_hz=at_hz) is expected


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("n", [60 * 250, 60 * 250 + 17, 700])
def test_mean_density_equals_welch(n: int) -> None:
    signal = noise(n) + 3
    found = mean_density(iter([signal]), 250.0)
    frequency_hz, power = welch(signal, 250.0, nperseg=min(1000, n))
    assert found is not None
    np.testing.assert_allclose(found[0], frequency_hz)
    np.testing.assert_allclose(found[1], power, rtol=1e-9)


def test_mean_density_of_chunks_is_the_mean_of_theirs() -> None:
    parts = [noise(4000, seed) for seed in range(3)]
    each = [mean_density(iter([part]), 250.0) for part in parts]
    found = mean_density(iter([*parts, noise(10)]), 250.0)
    assert found is not None
    np.testing.assert_allclose(found[1], np.mean([s[1] for s in each if s], axis=0))


@pytest.mark.parametrize(
    ("missing", "pauses", "windows"),
    [([1500], [], [0, 500, 2000, 2500, 3000]), ([], [1500], [0, 500, 1500, 2000, 2500, 3000])],
)
def test_mean_density_leaves_out_windows_with_a_gap_or_a_pause(
    missing: list[int], pauses: list[int], windows: list[int]
) -> None:
    signal = noise(4000)
    each = [mean_density(iter([signal[start : start + 1000]]), 250.0) for start in windows]
    signal[missing] = np.nan
    found = mean_density(iter([signal]), 250.0, pauses=pauses)
    assert found is not None
    np.testing.assert_allclose(found[1], np.mean([s[1] for s in each if s], axis=0))


@pytest.mark.parametrize("signal", [np.zeros(0), np.ones(7), np.full(5000, np.nan)])
def test_mean_density_without_a_whole_window_is_none(signal: np.ndarray) -> None:
    assert mean_density(iter([signal]), 250.0) is None
