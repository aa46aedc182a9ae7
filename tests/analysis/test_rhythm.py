import dataclasses
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recordings import simulated

from ecgkit.analysis.coarse import beat_times_s
from ecgkit.analysis.rhythm import Rhythm, measure_rhythm, normal_intervals
from ecgkit.readers import read


def modulated(
    *,
    rate_bpm: float = 70.0,
    swing_bpm: float = 10.0,
    at_hz: float = 0.1,
    fall: float = 0.0,
    duration_s: float = 180.0,
) -> np.ndarray:
    """R peaks of a heart whose rate swings by +-`swing_bpm`, and falls by `fall` bpm a minute."""
    grid_s = np.arange(0, duration_s, 1e-3)
    rate = rate_bpm + swing_bpm * np.sin(2 * np.pi * at_hz * grid_s) - fall * grid_s / 60
    phase = np.cumsum(rate / 60) * 1e-3
    return np.interp(np.arange(1, math.floor(phase[-1])), phase, grid_s)


def steady(rr_s: float = 0.8, n: int = 200) -> np.ndarray:
    return rr_s * np.arange(n)


def unknown(rhythm: Rhythm) -> set[str]:
    return {name for name, value in dataclasses.asdict(rhythm).items() if math.isnan(value)}


def test_measure_rhythm_of_a_metronome() -> None:
    found = measure_rhythm([steady()])
    assert found.n_beats == 200
    assert found.heart_rate_bpm == pytest.approx(75)
    assert found.median_heart_rate_bpm == pytest.approx(75)
    assert found.start_heart_rate_bpm == pytest.approx(75)
    assert found.stop_heart_rate_bpm == pytest.approx(75)
    for value in (found.sdnn_ms, found.rmssd_ms, found.pnn50, found.slope_bpm_per_min, found.e_minus_i_bpm):
        assert value == pytest.approx(0, abs=1e-6)
    assert found.e_to_i_ratio == pytest.approx(1)


def test_measure_rhythm_of_intervals_that_alternate() -> None:
    rr_s = np.where(np.arange(200) % 2, 0.77, 0.83)
    found = measure_rhythm([np.concatenate([[0.0], np.cumsum(rr_s)])])
    assert found.heart_rate_bpm == pytest.approx(75)
    assert found.sdnn_ms == pytest.approx(30 * math.sqrt(200 / 199))
    assert found.rmssd_ms == pytest.approx(60)
    assert found.pnn50 == pytest.approx(100)


@pytest.mark.parametrize("at_hz", [0.08, 0.1, 0.12])
def test_measure_rhythm_of_paced_breathing(at_hz: float) -> None:
    found = measure_rhythm([modulated(at_hz=at_hz)])
    assert found.breathing_hz == pytest.approx(at_hz, abs=0.004)
    assert found.breathing_share > 0.8
    assert found.e_minus_i_bpm == pytest.approx(20, rel=0.1)
    assert found.e_to_i_ratio == pytest.approx(80 / 60, rel=0.06)
    assert found.heart_rate_bpm == pytest.approx(70, abs=1.5)
    assert abs(found.slope_bpm_per_min) < 1


def test_measure_rhythm_of_free_breathing() -> None:
    found = measure_rhythm([modulated(at_hz=0.25, swing_bpm=3.0)])
    assert found.breathing_hz == pytest.approx(0.25, abs=0.004)
    assert found.breathing_share < 0.1


def test_measure_rhythm_of_recovery() -> None:
    found = measure_rhythm([modulated(rate_bpm=120, swing_bpm=2.0, at_hz=0.25, fall=10.0)])
    assert found.slope_bpm_per_min == pytest.approx(-10, abs=0.3)
    assert found.start_heart_rate_bpm == pytest.approx(117.5, abs=0.5)
    assert found.stop_heart_rate_bpm == pytest.approx(92.5, abs=0.5)
    assert found.breathing_hz == pytest.approx(0.25, abs=0.005)


def test_measure_rhythm_is_not_moved_by_missed_invented_and_early_beats() -> None:
    peaks_s = modulated()
    clean = measure_rhythm([peaks_s])
    odd_s = np.sort(np.append(np.delete(peaks_s, [40, 90]), peaks_s[60] + 0.3))
    odd_s[120] -= 0.35  # an extrasystole and its pause
    found = measure_rhythm([odd_s])
    assert found.heart_rate_bpm == pytest.approx(clean.heart_rate_bpm, rel=0.01)
    assert found.sdnn_ms == pytest.approx(clean.sdnn_ms, rel=0.05)
    assert found.rmssd_ms == pytest.approx(clean.rmssd_ms, rel=0.05)
    assert found.breathing_hz == pytest.approx(clean.breathing_hz, abs=0.003)
    assert found.e_minus_i_bpm == pytest.approx(clean.e_minus_i_bpm, rel=0.05)


def test_measure_rhythm_counts_no_interval_across_a_gap() -> None:
    peaks_s = modulated()
    apart = [peaks_s[:90], peaks_s[95:]]
    found, whole = measure_rhythm(apart), measure_rhythm([peaks_s])
    assert found.n_beats == len(peaks_s) - 5
    assert found.heart_rate_bpm == pytest.approx(whole.heart_rate_bpm, rel=0.01)
    assert found.rmssd_ms == pytest.approx(whole.rmssd_ms, rel=0.03)
    assert found.breathing_hz == pytest.approx(whole.breathing_hz, abs=0.003)


def test_measure_rhythm_says_what_it_cannot_tell() -> None:
    nothing = measure_rhythm([])
    assert nothing.n_beats == 0
    assert unknown(nothing) == {field.name for field in dataclasses.fields(Rhythm)} - {"n_beats"}
    assert unknown(measure_rhythm([np.array([1.0])])) == unknown(nothing)
    few = measure_rhythm([steady(n=4)])
    assert few.heart_rate_bpm == pytest.approx(75)
    assert unknown(few) >= {
        "sdnn_ms",
        "rmssd_ms",
        "pnn50",
        "slope_bpm_per_min",
        "breathing_hz",
        "e_minus_i_bpm",
    }
    short = measure_rhythm([modulated(duration_s=25.0)])
    assert unknown(short) >= {"slope_bpm_per_min", "breathing_hz", "breathing_share"}


def test_measure_rhythm_as_neurokit_does_where_all_intervals_are_normal() -> None:
    import neurokit2

    samples = np.rint(1000 * simulated(1, duration_s=300.0, clean=True).r_peaks_s).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = neurokit2.hrv_time(samples, sampling_rate=1000).iloc[0]
    found = measure_rhythm([samples / 1000])
    assert 60_000 / found.heart_rate_bpm == pytest.approx(expected["HRV_MeanNN"], rel=1e-6)
    assert 60_000 / found.median_heart_rate_bpm == pytest.approx(expected["HRV_MedianNN"], rel=1e-6)
    assert found.sdnn_ms == pytest.approx(expected["HRV_SDNN"], rel=1e-6)
    assert found.rmssd_ms == pytest.approx(expected["HRV_RMSSD"], rel=1e-6)
    n = len(samples)
    assert found.pnn50 == pytest.approx(expected["HRV_pNN50"] * (n - 1) / (n - 2), abs=0.01)


def test_normal_intervals_leaves_out_what_no_breath_can_do() -> None:
    peaks_s = steady()
    ends_s, rr_s = normal_intervals(np.delete(peaks_s, 50))
    assert len(ends_s) == len(rr_s) == 198
    assert np.flatnonzero(np.isnan(rr_s)).tolist() == [49]
    _, rr_s = normal_intervals(np.sort(np.append(peaks_s, 40.3)))
    assert np.flatnonzero(np.isnan(rr_s)).tolist() == [50, 51]
    _, rr_s = normal_intervals(modulated(swing_bpm=15.0))
    assert np.isfinite(rr_s).all()
    _, rr_s = normal_intervals(np.array([0.0, 5.0, 10.0]))
    assert np.isnan(rr_s).all()
    assert [values.shape for values in normal_intervals(np.empty(0))] == [(0,), (0,)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.floats(1e-3, 20.0), max_size=80), max_size=3))
def test_measure_rhythm_takes_any_intervals(stretches: list[list[float]]) -> None:
    start_s, peaks_s = 0.0, []
    for rr_s in stretches:
        peaks_s.append(start_s + np.cumsum(rr_s))
        start_s += sum(rr_s) + 10
    assert measure_rhythm(peaks_s).n_beats == sum(map(len, stretches))


@pytest.mark.real_data
def test_measure_rhythm_tells_deep_breathing_of_a_real_person(real_data: Path) -> None:
    rhythms = {}
    for state in ("deep_breathing", "control"):
        path = sorted((real_data / "electrophys").glob(f"resp1__{state}__*.wav"))[0]
        channel = read(path).channels[0]
        rhythms[state] = measure_rhythm([beat_times_s(channel.read(), channel.fs)])
    assert rhythms["deep_breathing"].breathing_hz == pytest.approx(0.1, abs=0.005)
    assert rhythms["deep_breathing"].breathing_share > 0.8
    assert rhythms["deep_breathing"].e_minus_i_bpm > 30
    assert rhythms["control"].e_minus_i_bpm < 15
