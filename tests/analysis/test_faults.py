import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import simulated

from ecgkit.analysis.faults import (
    cut_off_tops,
    flat_stretches,
    jumps,
    merged,
    runs,
    stretches_without_beats,
)

FS = 500.0
RATES = (100.0, 250.0, 500.0, 1000.0, 2000.0)


def median_tip(signal: np.ndarray) -> float:
    """The height that half of the R waves reach, roughly."""
    return float(np.median([part.max() for part in np.array_split(signal, 40)]))


def samples_in(spans: np.ndarray) -> int:
    return int((spans[:, 1] - spans[:, 0]).sum())


def test_runs_are_where_the_mask_is_true() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], dtype=bool)).tolist() == [[0, 2], [3, 4], [6, 7]]
    assert runs(np.zeros(3, dtype=bool)).shape == (0, 2)
    assert runs(np.empty(0, dtype=bool)).shape == (0, 2)


def test_merged_joins_what_overlaps_and_leaves_what_touches() -> None:
    spans = np.array([[8, 9], [0, 5], [1, 2], [4, 7], [7, 8]])
    assert merged(spans).tolist() == [[0, 7], [7, 8], [8, 9]]
    assert merged(spans[:0]).shape == (0, 2)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), min_size=1))
def test_merged_covers_the_same_samples(items: list[tuple[int, int]]) -> None:
    spans = np.array([(start, start + length) for start, length in items])
    whole = merged(spans)
    covered = [set(range(*span)) for span in whole.tolist()]
    assert set.union(*covered) == set.union(*(set(range(*span)) for span in spans.tolist()))
    assert sum(map(len, covered)) == len(set.union(*covered))


def test_flat_stretches_are_told_to_the_sample() -> None:
    signal = simulated(fs=FS).ecg_mv.copy()
    signal[1000:2000] = signal[1000]
    signal[-600:] = 7.0
    assert flat_stretches(signal, FS).tolist() == [[1000, 2000], [len(signal) - 600, len(signal)]]


def test_flat_stretches_are_longer_than_a_second() -> None:
    signal = np.arange(3000.0)
    signal[1000:1500] = 0.0
    assert len(flat_stretches(signal, FS)) == 0
    signal[1000:1501] = 0.0
    assert flat_stretches(signal, FS).tolist() == [[1000, 1501]]
    assert len(flat_stretches(np.full(3000, np.nan), FS)) == 0
    assert len(flat_stretches(np.empty(0), FS)) == 0


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("step_mv", [0.0, 0.005, 0.05, 0.1])
def test_cut_off_tops_are_not_seen_in_whole_waves(fs: float, step_mv: float) -> None:
    for subject in (1, 4, 6):
        signal = simulated(subject, "exercise", fs=fs, duration_s=30.0).ecg_mv
        if step_mv:
            signal = np.rint(signal / step_mv) * step_mv
        assert len(cut_off_tops(signal, fs)) == 0
    breath = np.sin(2 * np.pi * 0.25 * np.arange(60 * fs) / fs)
    assert len(cut_off_tops(breath, fs)) == 0


@pytest.mark.parametrize("fs", [250.0, 500.0, 1000.0, 2000.0])
@pytest.mark.parametrize("level", [0.97, 0.9, 0.8, 0.6, 0.4])
@pytest.mark.parametrize("sign", [1, -1])
def test_cut_off_tops_are_found_and_counted(fs: float, level: float, sign: int) -> None:
    whole = simulated(1, fs=fs, duration_s=60.0).ecg_mv
    rail = level * median_tip(whole)
    tops = cut_off_tops(sign * np.minimum(whole, rail), fs)
    tip_samples = np.count_nonzero(whole >= rail)
    # tops of a single sample are not counted, and what is within 1 % of the rail is
    assert 0.8 * tip_samples <= samples_in(tops) <= 1.4 * tip_samples
    at_rail = np.isin(np.arange(len(whole)), np.concatenate([np.arange(*span) for span in tops.tolist()]))
    assert np.all(whole[at_rail] >= rail - 0.011 * (rail - whole.min()))


def test_cut_off_tops_at_100_hz_only_where_they_last_two_samples() -> None:
    whole = simulated(1, fs=100.0).ecg_mv
    assert len(cut_off_tops(np.minimum(whole, 0.5 * median_tip(whole)), 100.0)) > 30


def test_cut_off_tops_by_an_amplifier_are_level_but_for_noise() -> None:
    rng = np.random.default_rng(0)
    whole = simulated(1, fs=1000.0).ecg_mv
    cut = np.clip(whole, -0.1, 0.8 * median_tip(whole)) + 0.001 * rng.standard_normal(len(whole))
    tops = cut_off_tops(cut, 1000.0)
    assert samples_in(tops[cut[tops[:, 0]] > 0]) > 200
    assert samples_in(tops[cut[tops[:, 0]] < 0]) > 200


@pytest.mark.parametrize(("scale", "offset"), [(1e-3, 0.0), (1e6, 0.0), (1.0, 100.0), (-2.0, -3.0)])
def test_cut_off_tops_do_not_depend_on_unit_or_offset(scale: float, offset: float) -> None:
    whole = simulated(1).ecg_mv
    cut = np.minimum(whole, 0.8 * median_tip(whole))
    np.testing.assert_array_equal(cut_off_tops(scale * cut + offset, FS), cut_off_tops(cut, FS))


def test_cut_off_tops_of_raw_counts() -> None:
    whole = simulated(1).ecg_mv
    counts = np.clip(np.rint(whole / whole.max() * 3000), -2048, 2047).astype(np.int16)
    tops = cut_off_tops(counts.astype(float), FS)
    assert {int(counts[start]) for start, _ in tops} <= set(range(2000, 2048))
    assert len(tops) > 20


def test_cut_off_tops_of_nothing() -> None:
    for signal in (np.empty(0), np.array([1.0]), np.full(9, np.nan), np.zeros(5000), np.array([np.nan, 1.0])):
        assert cut_off_tops(signal, FS).shape == (0, 2)


def test_jumps_are_told_to_half_a_second() -> None:
    signal = simulated(1, clean=True).ecg_mv.copy()
    height = 1.3
    assert len(jumps(signal, FS, qrs_height=height)) == 0
    signal[6000:] += 4.0 * height
    assert len(jumps(signal, FS, qrs_height=height)) == 0
    signal[9100:] += 7.0 * height
    found = jumps(signal, FS, qrs_height=height)
    assert len(found) == 1
    assert abs(found[0] - 9100) <= 0.5 * FS


def test_jumps_that_follow_each_other_are_one() -> None:
    signal = np.zeros(10_000)
    signal[3000:3250], signal[3250:3500] = 50.0, -50.0
    assert jumps(signal, FS, qrs_height=1.0).tolist() == [3000]
    assert len(jumps(np.zeros(3), FS, qrs_height=1.0)) == 0


def test_stretches_without_beats_include_both_ends() -> None:
    beats_s = np.concatenate([np.arange(4.0, 20.0), np.arange(25.0, 28.0)])
    found = stretches_without_beats(beats_s, start_s=0.5, stop_s=29.9)
    assert found.tolist() == [[0.5, 4.0], [19.0, 25.0]]
    assert stretches_without_beats(np.empty(0), start_s=0.0, stop_s=9.0).tolist() == [[0.0, 9.0]]
    assert stretches_without_beats(np.array([2.0, 4.9]), start_s=0.0, stop_s=7.8).shape == (0, 2)
