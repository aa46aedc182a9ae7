"""The detectors, the choice of beats and their tips, by what `find_r_peaks` gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.recordings import simulated

from ecgkit.analysis.qrs_choice import find_qrs, most_likely_beats
from ecgkit.analysis.qrs_detectors import NARROW, WIDE, evidence, local_peaks, peaks_of
from ecgkit.analysis.rpeaks import find_r_peaks
from ecgkit.simulate import noise
from ecgkit.simulate.study import CONDITIONS

FS = 250.0


def train(
    beats_s: np.ndarray,
    *,
    fs: float = FS,
    duration_s: float = 30.0,
    t_mv: float = 0.25,
    noise_mv: float = 1e-4,
) -> np.ndarray:
    """Beats of an R and a T wave at given times."""
    at_s = np.arange(round(duration_s * fs)) / fs
    ecg = noise_mv * np.random.default_rng(0).standard_normal(len(at_s))
    for beat_s in beats_s:
        ecg += np.exp(-0.5 * ((at_s - beat_s) / 0.012) ** 2)
        ecg += t_mv * np.exp(-0.5 * ((at_s - beat_s - 0.26) / 0.04) ** 2)
    return ecg


def missed_and_false(beats_s: np.ndarray, found_s: np.ndarray, *, within_s: float = 0.1) -> tuple[int, int]:
    """Count the beats without a peak near them, and the peaks without a beat."""
    near = np.abs(beats_s[:, None] - found_s) <= within_s  # (beat, peak)
    return int((~near.any(axis=1)).sum()), int((~near.any(axis=0)).sum())


@pytest.mark.parametrize("fs", [100.0, 256.0, 1000.0, 3000.0])
@pytest.mark.parametrize("rate_bpm", [30, 60, 120, 220])
@pytest.mark.parametrize("sign", [1, -1])
def test_find_r_peaks_finds_each_beat_and_no_other_at_any_rate_either_way_up(
    fs: float, rate_bpm: int, sign: int
) -> None:
    beats_s = np.arange(0.5, 29.9, 60 / rate_bpm)
    t_mv = 0.25 if rate_bpm < 200 else 0.1
    found_s = find_r_peaks(sign * train(beats_s, fs=fs, t_mv=t_mv), fs) / fs
    assert len(found_s) == len(beats_s)
    assert np.abs(found_s - beats_s).max() <= max(0.6 / fs, 0.001)


def test_find_r_peaks_finds_none_between_beats_nor_after_the_last() -> None:
    """NeuroKit2's default has one 0.53 s after a beat of such a train."""
    for first_s in np.arange(0.1, 1.0, 0.1):
        beats_s = np.arange(first_s, 25.0, 1.0)  # and 5 s without any
        assert missed_and_false(beats_s, find_r_peaks(train(beats_s), FS) / FS) == (0, 0)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("subject", range(1, 6))
def test_find_r_peaks_on_simulated_recordings(subject: int, condition: str) -> None:
    made = simulated(subject, condition)
    found_s = find_r_peaks(made.ecg_mv, made.fs) / made.fs
    inner = made.r_peaks_s[(made.r_peaks_s > 0.1) & (made.r_peaks_s < made.duration_s - 0.1)]
    for span in made.artefacts:
        if span.kind != "motion":
            inner = inner[(inner < span.start_s - 0.4) | (inner > span.stop_s + 0.4)]
    assert missed_and_false(inner, found_s)[0] <= 1
    assert missed_and_false(made.r_peaks_s, found_s)[1] <= 1
    nearest_s = np.abs(inner[:, None] - found_s).min(axis=1)
    assert np.median(nearest_s) < 0.002


def test_find_r_peaks_through_strong_noise() -> None:
    """Quality floor: the sensitivity and the positive predictive value stay above 98 %."""
    missed = false = total = 0
    for subject in range(1, 6):
        made, rng = simulated(subject, "exercise", fs=FS, clean=True), np.random.default_rng(subject)
        n = len(made.ecg_mv)
        loud = noise.contact(n, FS, rms_mv=0.25, rng=rng) + noise.muscle(n, FS, rms_mv=0.1, rng=rng)
        inner = made.r_peaks_s[(made.r_peaks_s > 0.1) & (made.r_peaks_s < made.duration_s - 0.1)]
        found_s = find_r_peaks(made.ecg_mv + loud, FS) / FS
        missed += missed_and_false(inner, found_s)[0]
        false += missed_and_false(made.r_peaks_s, found_s)[1]
        total += len(inner)
    assert missed <= 0.02 * total
    assert false <= 0.02 * total


def test_find_r_peaks_does_not_demand_a_rhythm() -> None:
    rng = np.random.default_rng(3)
    rr_s = np.clip(0.7 * np.exp(0.25 * rng.standard_normal(80)), 0.35, 1.6)
    rr_s[[20, 50]] = 3.0
    beats_s = 0.4 + np.cumsum(rr_s)
    found_s = find_r_peaks(train(beats_s, duration_s=beats_s[-1] + 1, noise_mv=0.02), FS) / FS
    assert missed_and_false(beats_s, found_s) == (0, 0)


def test_find_r_peaks_finds_wide_beats_too() -> None:
    beats_s = np.arange(0.5, 59.0, 0.85)
    early = beats_s[5::7] - 0.3
    normal = np.setdiff1d(beats_s, beats_s[5::7])
    at_s = np.arange(round(60 * FS)) / FS
    ecg = train(normal, duration_s=60.0, noise_mv=0.01)
    for beat_s in early:
        ecg -= 1.2 * np.exp(-0.5 * ((at_s - beat_s) / 0.028) ** 2)
    found_s = find_r_peaks(ecg, FS) / FS
    assert missed_and_false(np.sort(np.concatenate([normal, early])), found_s) == (0, 0)


def test_find_r_peaks_leaves_out_spikes_that_are_out_of_time() -> None:
    beats_s = np.arange(0.5, 59.0, 0.8)
    ecg = train(beats_s, duration_s=60.0, noise_mv=0.01)
    spikes = np.rint((beats_s[10::9] + 0.4) * FS).astype(int)
    ecg[spikes] += 1.5
    assert missed_and_false(beats_s, find_r_peaks(ecg, FS) / FS) == (0, 0)


def test_find_r_peaks_goes_on_after_a_lost_electrode_and_finds_none_under_it() -> None:
    beats_s = np.arange(0.5, 59.0, 0.8)
    ecg = train(beats_s, duration_s=60.0, noise_mv=0.01)
    ecg[round(20.1 * FS) : round(32.1 * FS)] = -300.0
    found_s = find_r_peaks(ecg, FS) / FS
    seen = beats_s[(beats_s < 19.7) | (beats_s > 32.5)]
    missed, _ = missed_and_false(seen, found_s)
    assert missed <= 1
    assert not np.any((found_s > 20.3) & (found_s < 31.9))


@pytest.mark.parametrize("sign", [1, -1])
def test_find_r_peaks_lies_on_the_tip_of_the_larger_deflection_in_all_beats(sign: int) -> None:
    beats_s = np.arange(0.5, 29.0, 0.9)
    at_s = np.arange(round(30 * FS)) / FS
    ecg = train(beats_s)
    for beat_s in beats_s:
        ecg -= 1.5 * np.exp(-0.5 * ((at_s - beat_s - 0.03) / 0.01) ** 2)
    peaks = find_r_peaks(sign * ecg, FS)
    assert len(peaks) == len(beats_s)
    around = (sign * ecg)[peaks[:, None] + np.arange(-12, 13)]
    np.testing.assert_array_equal(np.abs(around).argmax(axis=1), 12)


@pytest.mark.parametrize("n", [0, 1, 3, 499])
def test_find_r_peaks_of_what_is_too_short_is_none(n: int) -> None:
    assert find_r_peaks(np.random.default_rng(0).normal(size=n), FS).shape == (0,)


def test_find_r_peaks_of_nothing_is_none() -> None:
    at_s = np.arange(15_000) / FS
    for signal in (np.zeros(15_000), np.full(15_000, 7.0), at_s, np.sin(2 * np.pi * 0.25 * at_s)):
        assert len(find_r_peaks(signal, FS)) <= 1
    assert len(find_r_peaks(1e200 * np.sin(at_s), FS)) == 0
    assert len(find_r_peaks(train(np.arange(0.5, 29.0)), 40.0)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_find_r_peaks_of_noise_alone_are_next_to_none(seed: int) -> None:
    rng, n = np.random.default_rng(seed), round(300 * FS)
    white = rng.standard_normal(n)
    hum = np.sin(2 * np.pi * 50 * np.arange(n) / FS) + 0.01 * white
    for signal in (white, np.cumsum(white), hum, noise.muscle(n, FS, rms_mv=0.1, rng=rng)):
        assert len(find_r_peaks(signal, FS)) < 40  # of the 300 that a heart would have


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.float64, st.integers(0, 300), elements=st.floats(width=64, allow_nan=False)),
    st.sampled_from([20.0, 50.0, 100.0, 250.0, 1000.0]),
)
def test_find_r_peaks_takes_any_numbers(signal: np.ndarray, fs: float) -> None:
    signal = np.tile(signal, 20)
    peaks = find_r_peaks(signal, fs)
    assert np.all(np.diff(peaks) > 0)
    assert np.all((peaks >= 0) & (peaks < len(signal)))


@settings(deadline=None, max_examples=20)
@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.sampled_from([-1.0, 1.0]))
def test_find_r_peaks_is_blind_to_unit_offset_and_sign(gain: float, offset: float, sign: float) -> None:
    ecg = simulated(2, fs=FS, duration_s=20.0).ecg_mv
    found = find_r_peaks(sign * gain * (ecg + offset), FS)
    np.testing.assert_allclose(found, find_r_peaks(ecg, FS), atol=1)


def test_find_qrs_takes_all_the_neighbourhood_into_account() -> None:
    """A beat of a quarter of the height is found where one is due, and noise as high elsewhere is not."""
    beats_s = np.arange(0.5, 59.0, 0.8)
    ecg = train(np.delete(beats_s, 30), duration_s=60.0, noise_mv=0.02, t_mv=0.0)
    low = train(beats_s[30:31], duration_s=60.0, noise_mv=0.0, t_mv=0.0)
    elsewhere = train(beats_s[50:51] + 0.4, duration_s=60.0, noise_mv=0.0, t_mv=0.0)
    found_s = find_qrs(ecg + 0.25 * low + 0.25 * elsewhere, FS) / FS
    assert missed_and_false(beats_s, found_s) == (0, 0)


def test_most_likely_beats_weighs_evidence_against_rhythm() -> None:
    times_s = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 3.4, 4.0])
    worth = np.array([0.5, 0.5, 0.4, 0.5, -0.1, -0.1, 0.5])
    chosen = most_likely_beats(times_s, worth, rr_s=np.ones(7))
    assert times_s[chosen].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    clear = most_likely_beats(times_s, worth + 0.3 * (times_s == 1.5), rr_s=np.ones(7))
    assert 1.5 in times_s[clear]
    assert most_likely_beats(np.empty(0), np.empty(0), rr_s=np.empty(0)).shape == (0,)


def test_most_likely_beats_are_no_nearer_than_a_heart_can_beat() -> None:
    times_s = np.arange(0, 10, 0.1)
    chosen = most_likely_beats(times_s, np.ones(100), rr_s=np.full(100, 0.3))
    assert np.diff(times_s[chosen]).min() >= 0.24


def test_evidence_is_1_at_usual_beats_and_low_between() -> None:
    beats_s = np.arange(0.5, 29.0, 0.8)
    weight = evidence(train(beats_s), FS)
    at = np.rint(beats_s * FS).astype(int)
    np.testing.assert_allclose(weight[at], 1, atol=0.05)
    assert weight[at[:-1] + round(0.26 * FS)].max() < 0.2  # T waves


def test_local_peaks_keep_their_distance_and_take_plateaus_once() -> None:
    values = np.array([0, 1, 0, 0, 2, 2, 2, 0, 0, 0, 1, 0, 3, 0.0])
    assert local_peaks(values, 1.0, apart_s=4).tolist() == [1, 4, 12]
    assert local_peaks(np.zeros(5), 1.0, apart_s=2).tolist() == []


def test_peaks_of_each_detector_alone() -> None:
    beats_s = np.arange(0.5, 29.0, 0.8)
    for band in (NARROW, WIDE):
        assert missed_and_false(beats_s, peaks_of(train(beats_s), FS, band=band) / FS) == (0, 0)
