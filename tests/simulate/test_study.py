from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ecgkit.errors import ConfigError
from ecgkit.simulate import study

OPTIONS: dict[str, Any] = {"fs": 1000.0, "seed": 1, "duration_s": 60.0, "mains_hz": 60.0}


def simulate(
    subject: int = 1, condition: str = "rest", visit: int = 1, **options: Any
) -> study.SimulatedRecording:
    return study.simulate_recording(subject, condition, visit, **{**OPTIONS, **options})


def test_simulate_recording_is_the_same_each_time() -> None:
    first, second = simulate(), simulate()
    for field in dataclasses.fields(study.SimulatedRecording):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, np.ndarray):
            assert_array_equal(a, b)
        else:
            assert a == b


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"subject": 2}, {"visit": 2}, {"condition": "deep_breathing"}]
)
def test_simulate_recording_differs_by_seed_subject_visit_condition(other: dict[str, Any]) -> None:
    assert not np.array_equal(simulate().ecg_mv, simulate(**other).ecg_mv)


def test_simulate_recording_has_lengths_rates_and_units_as_said() -> None:
    recording = simulate()
    assert recording.ecg_mv.shape == (60_000,)
    assert recording.respiration_divider == 16
    assert recording.respiration.shape == (3750,)
    assert recording.heart_rate_bpm.shape == (round(60 * recording.heart_rate_fs),)
    assert recording.duration_s == 60
    assert (np.diff(recording.r_peaks_s) > 0.3).all()
    assert recording.r_peaks_s[0] >= 0
    assert recording.r_peaks_s[-1] < 60
    assert np.abs(recording.ecg_mv).max() <= study.RAIL_MV


@pytest.mark.parametrize("subject", [1, 5, 9, 13])
@pytest.mark.parametrize("condition", study.CONDITIONS)
def test_r_peaks_are_where_a_detector_finds_them(subject: int, condition: str) -> None:
    import neurokit2 as nk

    recording = simulate(subject, condition, clean=True)
    _, info = nk.ecg_peaks(recording.ecg_mv, sampling_rate=1000)
    found_s = np.asarray(info["ECG_R_Peaks"]) / 1000
    inner = recording.r_peaks_s[(recording.r_peaks_s > 1) & (recording.r_peaks_s < 59)]
    away_s = np.abs(found_s[:, None] - inner).min(axis=0)
    assert away_s.max() < 0.010
    assert abs(found_s.size - recording.r_peaks_s.size) <= 2


@pytest.mark.parametrize("subject", range(1, 9))
def test_r_waves_are_half_to_two_millivolt(subject: int) -> None:
    for visit in (1, 2):
        recording = simulate(subject, visit=visit, clean=True)
        at_peaks = recording.ecg_mv[np.minimum(np.rint(recording.r_peaks_s * 1000).astype(int), 59_999)]
        assert 0.45 < np.median(at_peaks) < 2.3


def test_clean_recording_has_the_same_beats_and_no_artefacts() -> None:
    clean, noisy = simulate(clean=True), simulate()
    assert_array_equal(clean.r_peaks_s, noisy.r_peaks_s)
    assert clean.artefacts == ()
    assert np.std(noisy.ecg_mv - clean.ecg_mv) > 0.02


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_mains_stands_in_the_spectrum(mains_hz: float) -> None:
    spectrum = np.abs(np.fft.rfft(simulate(3, mains_hz=mains_hz).ecg_mv))
    frequencies = np.fft.rfftfreq(60_000, 1 / 1000)
    within = (frequencies > 45) & (frequencies < 65)
    assert frequencies[within][spectrum[within].argmax()] == pytest.approx(mains_hz, abs=0.2)


def test_artefacts_are_listed_in_order_and_flat_where_the_electrode_is_off() -> None:
    kinds = set()
    for subject in range(1, 31):
        recording = simulate(subject, "exercise")
        starts = [artefact.start_s for artefact in recording.artefacts]
        assert starts == sorted(starts)
        for artefact in recording.artefacts:
            assert 0 <= artefact.start_s < artefact.stop_s <= 60
            kinds.add(artefact.kind)
            if artefact.kind != "motion":
                span = slice(round(artefact.start_s * 1000), round(artefact.stop_s * 1000))
                assert np.ptp(recording.ecg_mv[span]) == 0
    assert {"motion", "flat"} <= kinds


def test_visits_differ_more_than_recordings_of_one_visit() -> None:
    def r_over_t(subject: int, condition: str, visit: int) -> float:
        recording = simulate(subject, condition, visit, clean=True, duration_s=30.0)
        at = np.rint(recording.r_peaks_s[2:-2] * 1000).astype(int)
        t_wave = [recording.ecg_mv[i + 180 : i + 380].max() for i in at]
        return float(np.log(np.median(recording.ecg_mv[at]) / np.median(t_wave)))

    subjects = range(1, 11)
    within = [r_over_t(s, "rest", 1) - r_over_t(s, "deep_breathing", 1) for s in subjects]
    between = [r_over_t(s, "rest", 1) - r_over_t(s, "rest", 2) for s in subjects]
    assert np.std(between) > 1.5 * np.std(within)


def test_markers_say_what_a_lab_would_write() -> None:
    recording = simulate(condition="deep_breathing")
    first, *events = recording.markers
    assert (first.sample, first.text, first.style) == (0, "Segment 1", "apnd")
    assert first.created == recording.start_time
    assert events[0].text == "deep breathing start"
    assert events[-1].text == "deep breathing stop"
    inspire = [event.time_s for event in events if event.text == "inspire"]
    assert 4 <= len(inspire) <= 7
    assert np.diff(inspire) == pytest.approx(10, abs=1.0)
    assert [event.sample for event in events] == sorted(event.sample for event in events)
    assert all(event.style in ("flag", "rein", "reot") for event in events)


def test_start_time_comes_from_the_seed() -> None:
    assert simulate().start_time == simulate(duration_s=30.0).start_time
    assert simulate().start_time != simulate(seed=2).start_time
    assert simulate(visit=2).start_time > simulate().start_time


@pytest.mark.parametrize(("fs", "divider"), [(100.0, 2), (250.0, 4), (1000.0, 16), (2000.0, 32)])
def test_respiration_divider_is_a_power_of_two_above_fifty_hertz(fs: float, divider: int) -> None:
    recording = simulate(fs=fs, duration_s=10.0, mains_hz=45.0)
    assert recording.respiration_divider == divider
    assert recording.respiration.size == -(-recording.ecg_mv.size // divider)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("condition", "sleep", "unknown condition 'sleep'"),
        ("subject", 0, "subject is 0; expected 1"),
        ("visit", 0, "visit is 0"),
        ("duration_s", 1.0, "duration_s is 1; expected 10"),
        ("duration_s", float("nan"), "duration_s is nan"),
        ("fs", 50.0, "fs is 50"),
        ("mains_hz", 16.7, "mains_hz is 16.7"),
        ("seed", -1, "seed is -1"),
    ],
)
def test_simulate_recording_refuses_what_it_cannot_do(option: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate(**{option: value})


def test_simulate_recording_refuses_mains_above_half_the_rate() -> None:
    with pytest.raises(ConfigError, match="60 Hz can't be sampled at 100 Hz"):
        simulate(fs=100.0)
