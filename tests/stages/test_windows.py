import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recordings import in_memory, simulated

from ecgkit.analysis.quality import VERDICTS
from ecgkit.config import PipelineConfig
from ecgkit.errors import ConfigError, SignalError
from ecgkit.exclusions import Exclusion
from ecgkit.readers import read
from ecgkit.records import Recording
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.windows import CutWindows, at_least, cut_recording

PAPER = PipelineConfig()
REJECT, DOUBTFUL, ACCEPT = range(len(VERDICTS))


def recording_of(signal: np.ndarray, *, fs: float = 1000.0, **options: Any) -> Recording:
    """A recording of one float channel."""
    return in_memory(signal, fs, **options)


def pulses(duration_s: float, fs: float = 1000.0) -> np.ndarray:
    """Narrow beats once a second, 1 mV."""
    t = np.arange(round(duration_s * fs)) / fs
    return np.exp(-(((t % 1) - 0.5) ** 2) / (2 * 0.01**2))


def test_cut_recording_makes_the_papers_windows(simulated_files: tuple[SimulatedFile, ...]) -> None:
    file = next(file for file in simulated_files if file.condition == "rest")
    recording = read(file.path)
    found = cut_recording(recording, [0], PAPER)
    assert found.windows.shape == (10, 1, 300)
    assert found.windows.dtype == np.float32
    assert found.windows.min() == 0
    assert found.windows.max() == 1
    np.testing.assert_array_equal(found.start_s, np.arange(10) * 3.0)
    np.testing.assert_array_equal(found.start_sample, np.arange(10) * 300)
    truth = json.loads(file.truth.read_text())
    peaks_s = np.array(truth["r_peaks_s"])
    assert np.nanmean(found.heart_rate_bpm) == pytest.approx(60 / np.diff(peaks_s).mean(), rel=0.03)
    assert np.count_nonzero(found.quality.verdict == ACCEPT) >= 9
    assert np.median(found.quality.template) > 0.8


def test_cut_recording_scale_constants_give_millivolts_back() -> None:
    signal = pulses(30.0)
    in_mv = cut_recording(recording_of(signal), [0], PAPER)
    in_volts = cut_recording(recording_of(signal / 1000, unit="Volts"), [0], PAPER)
    physical = in_mv.windows * in_mv.scale_gain[:, :, None] + in_mv.scale_offset[:, :, None]
    assert in_mv.unit == in_volts.unit == "mV"
    assert physical.max() - np.median(physical) == pytest.approx(1.0, abs=0.08)
    np.testing.assert_allclose(in_volts.scale_gain, in_mv.scale_gain, rtol=1e-6)


def test_cut_recording_window_is_where_it_says() -> None:
    signal = np.zeros(30_000)
    signal[17_400:17_420] = 1.0
    found = cut_recording(recording_of(signal), [0], PAPER)
    row = int(np.argmax(found.windows.max(axis=(1, 2))))
    assert found.start_s[row] <= 17.4 < found.start_s[row] + 3
    assert found.start_s[row] + np.argmax(found.windows[row, 0]) / 100 == pytest.approx(17.41, abs=0.02)


def test_cut_recording_never_crosses_a_pause_or_a_nan() -> None:
    signal = pulses(40.0)
    signal[25_000:25_010] = np.nan
    signal[36_000] = 1e300
    found = cut_recording(recording_of(signal, pauses=(10_500,)), [0], PAPER)
    for edge_s in (10.5, 25.0, 36.0):
        assert not ((found.start_s < edge_s) & (edge_s < found.start_s + 3)).any()
    assert np.isfinite(found.windows).all()
    assert len(found.windows) == 3 + 4 + 3 + 1


def test_cut_recording_takes_mains_away() -> None:
    t = np.arange(30_000) / 1000
    hum = 0.2 * np.sin(2 * np.pi * 60 * t)
    pipeline = replace_settings(scale="none")
    clean, noisy = (cut_recording(recording_of(pulses(30.0) + x), [0], pipeline) for x in (0 * hum, hum))
    np.testing.assert_allclose(noisy.windows[2:-2], clean.windows[2:-2], atol=2e-3)
    np.testing.assert_allclose(noisy.windows, clean.windows, atol=0.7 * 0.2)


def test_cut_recording_stride_and_length_are_settings() -> None:
    pipeline = replace_settings(window_s=10.0, stride_s=5.0)
    found = cut_recording(recording_of(pulses(30.0)), [0], pipeline)
    assert found.windows.shape == (5, 1, 1000)
    np.testing.assert_array_equal(found.start_s, [0, 5, 10, 15, 20])


def replace_settings(**values: object) -> PipelineConfig:
    return PipelineConfig(**{**PAPER.model_dump(), **values})


def test_cut_recording_refuses_what_has_no_signal() -> None:
    with pytest.raises(SignalError, match="'ECG': flat from start to end"):
        cut_recording(recording_of(np.full(10_000, 0.25)), [0], PAPER)
    with pytest.raises(SignalError, match=r"no stretch of 3 s without a gap \(the recording lasts 2.0 s\)"):
        cut_recording(recording_of(pulses(2.0)), [0], PAPER)
    with pytest.raises(SignalError, match="no stretch"):
        cut_recording(recording_of(np.full(10_000, np.nan)), [0], PAPER)


def test_cut_recording_at_100_hz_refuses_the_60_hz_notch() -> None:
    with pytest.raises(SignalError, match="alias-notch"):
        cut_recording(recording_of(pulses(30.0, 100.0), fs=100.0), [0], PAPER)
    found = cut_recording(
        recording_of(pulses(30.0, 100.0), fs=100.0), [0], replace_settings(mains="alias-notch")
    )
    assert found.mains.notch_hz == 40


def test_cut_recording_refuses_leads_of_different_rates() -> None:
    one = recording_of(pulses(10.0)).channels[0]
    both = replace(recording_of(pulses(10.0)), channels=(one, replace(one, index=1, name="II", fs=500.0)))
    with pytest.raises(SignalError, match="leads differ in rate"):
        cut_recording(both, [0, 1], PAPER)


def test_cut_recording_keeps_a_lead_axis() -> None:
    one = recording_of(pulses(10.0)).channels[0]
    both = replace(recording_of(pulses(10.0)), channels=(one, replace(one, index=1, name="II")))
    assert cut_recording(both, [0, 1], PAPER).windows.shape == (3, 2, 300)


def noisy(duration_s: float, *, from_s: float, to_s: float) -> np.ndarray:
    """Pulses that drown in noise for a while."""
    signal = pulses(duration_s)
    inside = slice(round(1000 * from_s), round(1000 * to_s))
    signal[inside] += np.random.default_rng(3).normal(0, 2, len(signal[inside]))
    return signal


def test_cut_recording_judges_the_quality_of_each_window() -> None:
    found = cut_recording(recording_of(noisy(60.0, from_s=21.0, to_s=30.0)), [0], PAPER)
    bad = (found.start_s >= 21) & (found.start_s < 30)
    assert (found.quality.verdict[bad] == REJECT).all()
    assert (found.quality.verdict[~bad] == ACCEPT).all()
    assert found.quality.k_sqi[bad].max() < 5 < found.quality.k_sqi[~bad].min()


def test_cut_recording_judges_what_was_recorded_not_what_was_cleaned() -> None:
    t = np.arange(60_000) / 1000
    wandering = recording_of(pulses(60.0) + 3 * np.sin(2 * np.pi * 0.3 * t))
    found = cut_recording(wandering, [0], PAPER)
    assert found.quality.bas_sqi.max() < 0.5  # the high-pass would have made it 1
    physical = found.windows * found.scale_gain[:, :, None] + found.scale_offset[:, :, None]
    assert np.ptp(physical[2:-2]) < 1.5


def test_cut_recording_takes_the_quality_of_the_worst_lead() -> None:
    one = recording_of(pulses(60.0)).channels[0]
    other = recording_of(noisy(60.0, from_s=21.0, to_s=30.0)).channels[0]
    for order in ((one, other), (other, one)):
        leads = tuple(replace(lead, index=i, name="I" * (i + 1)) for i, lead in enumerate(order))
        found = cut_recording(replace(recording_of(pulses(60.0)), channels=leads), [0, 1], PAPER)
        assert np.flatnonzero(found.quality.verdict == REJECT).tolist() == [7, 8, 9]
        assert found.quality.k_sqi[7:10].max() < 5


def test_at_least_keeps_windows_of_a_quality_and_better() -> None:
    found = cut_recording(recording_of(noisy(60.0, from_s=21.0, to_s=30.0)), [0], PAPER)
    assert at_least(found, None) is found
    kept = at_least(found, "doubtful")
    assert kept.n_too_poor == 3
    assert kept.start_s.tolist() == [start for start in found.start_s if not 21 <= start < 30]
    np.testing.assert_array_equal(kept.windows, np.delete(found.windows, [7, 8, 9], axis=0))
    assert len(kept.quality.b_sqi) == len(kept.scale_gain) == len(kept.heart_rate_bpm) == 17
    with pytest.raises(SignalError, match="not one of 20 windows is of quality 'accept'"):
        at_least(cut_recording(recording_of(noisy(60.0, from_s=0, to_s=60)), [0], PAPER), "accept")


def excluded(*spans_s: tuple[float, float]) -> list[Exclusion]:
    return [Exclusion(start_s, stop_s, "moved") for start_s, stop_s in spans_s]


def same(found: CutWindows, other: CutWindows) -> bool:
    names = ("windows", "start_s", "scale_offset", "scale_gain", "heart_rate_bpm")
    return all(np.array_equal(getattr(found, name), getattr(other, name)) for name in names)


def test_cut_recording_nothing_of_an_excluded_span_counts() -> None:
    spans = excluded((40.0, math.inf), (10.0, 14.5))
    found, other = (
        cut_recording(recording_of(signal), [0], PAPER, spans)
        for signal in (pulses(60.0), noisy(60.0, from_s=10.0, to_s=14.5) + 50 * (np.arange(60_000) >= 40_000))
    )
    assert same(found, other)
    assert found.start_s.tolist() == [0, 3, 6, *np.arange(14.5, 37, 3)]
    assert found.n_excluded == 20 - 11


def test_cut_recording_without_exclusions_leaves_nothing_out() -> None:
    found = cut_recording(recording_of(pulses(31.7)), [0], PAPER)
    assert (len(found.windows), found.n_excluded) == (10, 0)
    beyond = cut_recording(recording_of(pulses(31.7)), [0], PAPER, excluded((31.7, 40.0)))
    assert same(found, beyond)


def test_cut_recording_of_what_is_excluded_says_so() -> None:
    with pytest.raises(SignalError, match="no stretch of 3 s without a gap that is not excluded"):
        cut_recording(recording_of(pulses(9.0)), [0], PAPER, excluded((2.5, 7.0)))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.001, 9)), max_size=4),
    st.sampled_from([100.0, 360.0, 128.0]),
    st.sampled_from([3.0, 1.5]),
)
def test_cut_recording_windows_touch_no_excluded_span(
    spans: list[tuple[float, float]], fs: float, stride_s: float
) -> None:
    recording = recording_of(pulses(30.0, fs), fs=fs)
    pipeline = replace_settings(mains="none", stride_s=stride_s)
    spans_s = [(start_s, start_s + length_s) for start_s, length_s in spans]
    try:
        found = cut_recording(recording, [0], pipeline, excluded(*spans_s))
    except SignalError:
        return
    for start_s, stop_s in spans_s:
        assert not ((found.start_s < stop_s - 1e-6) & (found.start_s + 3 > start_s + 1 / 100)).any()
    all_s = cut_recording(recording, [0], pipeline).start_s
    samples = np.ceil(np.array(spans_s).reshape(-1, 2) * fs - 1e-6)  # the first that is out, and is in again
    touched = [((at * fs < samples[:, 1]) & ((at + 3) * fs > samples[:, 0])).any() for at in all_s]
    assert found.n_excluded == sum(touched)


# field -> (what else is set, its values): each gives something else, or is refused
EVERY_SETTING: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "fs": ({}, (100.0, 125.0)),
    "mains_hz": ({"fs": 250}, (50.0, 60.0)),
    "mains": ({"fs": 250}, ("auto", "none")),
    "mains_lines": ({"fs": 250}, (1, 2)),
    "high_pass_hz": ({}, (0.5, 0.05)),
    "high_pass_order": ({}, (5, 2)),
    "low_pass_hz": ({}, (None, 30.0)),
    "polarity": ({}, ("as-recorded", "upright")),
    "scale": (
        {"r_peak_at_s": 0.3, "window_s": 0.8},
        ("recording", "recording-percentile", "window", "window-percentile", "none"),
    ),
    "window_s": ({}, (3.0, 2.5)),
    "stride_s": ({}, (None, 1.5)),
    "r_peak_at_s": ({}, (None, 0.0, 1.5)),
    "min_quality": ({}, (None, "doubtful", "accept")),
}


def upside_down(*, fs: float = 1000.0) -> Recording:
    """An ECG whose electrodes were changed over, with hum and a noisy stretch."""
    made = simulated(2, fs=fs, duration_s=60.0)
    t = np.arange(len(made.ecg_mv)) / fs
    hum = 0.1 * (np.sin(2 * np.pi * 60 * t) + np.sin(2 * np.pi * 120 * t))
    moved = np.random.default_rng(0).normal(0, 3, len(t)) * ((t >= 30) & (t < 34))
    trembled = (0.3 * np.sin(2 * np.pi * 32 * t) + np.sin(2 * np.pi * 0.2 * t)) * ((t >= 42) & (t < 48))
    return in_memory(np.rint((-made.ecg_mv + hum + moved + trembled) * 1000).astype(np.int16), fs, unit="uV")


@pytest.mark.parametrize("name", PipelineConfig.model_fields)
def test_cut_recording_every_setting_makes_a_difference(name: str) -> None:
    others, values = EVERY_SETTING[name]
    seen = set()
    for value in values:
        pipeline = PipelineConfig(**others, **{name: value})
        found = at_least(cut_recording(upside_down(), [0], pipeline), pipeline.min_quality)
        seen.add((found.windows.shape, found.windows.tobytes()))
    assert len(seen) == len(values)


def test_cut_recording_alias_notch_is_refused_or_makes_a_difference() -> None:
    recording = upside_down(fs=100.0)
    removed, kept = (
        cut_recording(recording, [0], PipelineConfig(mains=mode)) for mode in ("alias-notch", "none")
    )
    assert removed.mains.method == "alias-notch"
    assert not np.array_equal(removed.windows, kept.windows)
    with pytest.raises(SignalError, match="alias-notch"):
        cut_recording(recording, [0], PAPER)


def test_cut_recording_50_hz_at_100_hz_can_not_be_undone() -> None:
    recording = recording_of(pulses(30.0, 100.0), fs=100.0)
    for mode in ("auto", "alias-notch"):
        with pytest.raises(SignalError, match="lies at 50 Hz, where no notch can be: it can't be undone"):
            cut_recording(recording, [0], PipelineConfig(mains_hz=50, mains=mode))
    assert cut_recording(recording, [0], PipelineConfig(mains_hz=50, mains="none")).mains.method == "none"


def test_cut_recording_counts_or_millivolts_are_the_same() -> None:
    counts = np.rint(simulated(3, fs=2000.0).ecg_mv / 3e-4).astype(np.int16)
    pipeline = replace_settings(scale="none")
    from_counts = cut_recording(in_memory(counts, 2000.0, scale=3e-4), [0], pipeline)
    for other in (in_memory(counts * 3e-4, 2000.0), in_memory(counts * 3e-7, 2000.0, unit="V")):
        found = cut_recording(other, [0], pipeline)
        worst = np.abs(found.windows - from_counts.windows).max()
        assert worst < 1e-6 * np.ptp(from_counts.windows)
        np.testing.assert_array_equal(found.quality.verdict, from_counts.quality.verdict)
    offset = replace(in_memory(counts, 2000.0, scale=3e-4).channels[0], offset=-7.5)
    moved = replace(in_memory(counts, 2000.0), channels=(offset,))
    np.testing.assert_array_equal(cut_recording(moved, [0], pipeline).windows, from_counts.windows)


def by_beats(**values: object) -> PipelineConfig:
    return replace_settings(window_s=0.8, r_peak_at_s=0.3, **values)


def test_cut_recording_by_beats_has_each_r_peak_at_one_place() -> None:
    found = cut_recording(recording_of(pulses(30.0)), [0], by_beats())
    assert found.windows.shape == (30, 1, 80)
    np.testing.assert_array_equal(found.windows[:, 0].argmax(axis=1), 30)
    np.testing.assert_allclose(found.start_s, np.arange(30) + 0.2, atol=1e-9)
    np.testing.assert_allclose(found.heart_rate_bpm, 60, rtol=1e-4)
    assert len(found.quality.verdict) == 30
    assert set(found.quality.verdict) == {ACCEPT}


def test_cut_recording_by_beats_uses_the_beats_it_is_given() -> None:
    given = [np.array([3.5, 7.5]), np.array([12.5])]
    found = cut_recording(recording_of(pulses(30.0)), [0], by_beats(), beats_s=given)
    np.testing.assert_allclose(found.start_s, [3.2, 7.2, 12.2])
    with pytest.raises(SignalError, match="no heart beat with a window around it"):
        cut_recording(recording_of(pulses(30.0)), [0], by_beats(), beats_s=())


def test_cut_recording_by_beats_never_crosses_a_gap_or_what_is_excluded() -> None:
    signal = pulses(40.0)
    signal[15_600] = np.nan
    recording = recording_of(signal, pauses=(10_400,))
    found = cut_recording(recording, [0], by_beats(), excluded((20.45, 22.0), (30.0, 31.0)))
    beats = np.rint(found.start_s - 0.2).astype(int)
    assert beats.tolist() == [*range(10), *range(11, 15), *range(16, 20), *range(22, 30), *range(31, 40)]
    assert found.n_excluded == 0  # of beats that are not themselves excluded
    beside = cut_recording(recording, [0], by_beats(), excluded((20.9, 22.3)))
    assert beside.n_excluded == 2  # those of 20.5 and 22.5 s


def test_cut_recording_goes_by_time_or_by_beats() -> None:
    with pytest.raises(ConfigError, match="cut by time or by beats, not both"):
        cut_recording(recording_of(pulses(9.0)), [0], by_beats(stride_s=1.0))
    with pytest.raises(ConfigError, match=r"r_peak_at_s: 3 s, expected less than pipeline.window_s"):
        cut_recording(recording_of(pulses(9.0)), [0], replace_settings(r_peak_at_s=3.0))


def test_cut_recording_turns_the_leads_that_are_upside_down() -> None:
    one = simulated(2, fs=500.0).ecg_mv
    leads = [in_memory(signal, 500.0).channels[0] for signal in (one, -one, 0.5 * one)]
    channels = tuple(replace(lead, index=i, name="ABC"[i]) for i, lead in enumerate(leads))
    recording = replace(in_memory(one, 500.0), channels=channels)
    as_recorded, turned = (
        cut_recording(recording, [0, 1, 2], replace_settings(polarity=polarity, scale="none"))
        for polarity in ("as-recorded", "upright")
    )
    assert (as_recorded.turned, turned.turned) == ((), ("B",))
    np.testing.assert_array_equal(turned.windows[:, 1], -as_recorded.windows[:, 1])
    np.testing.assert_array_equal(turned.windows[:, [0, 2]], as_recorded.windows[:, [0, 2]])
    np.testing.assert_array_equal(turned.windows[:, 0], turned.windows[:, 1])


SPLIT = simulated(3, fs=250.0, duration_s=40.0)
SPLIT_COUNTS = np.rint(SPLIT.ecg_mv / 3e-4).astype(np.int16)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, len(SPLIT_COUNTS) - 1), max_size=3, unique=True).map(sorted),
    st.lists(st.integers(0, len(SPLIT_COUNTS)), min_size=2, max_size=2, unique=True).map(sorted),
    st.booleans(),
)
def test_cut_recording_equals_cutting_its_pieces(
    pauses: list[int], taken_out: list[int], by_heart: bool
) -> None:
    options = {"window_s": 0.8, "r_peak_at_s": 0.3} if by_heart else {"window_s": 3.0, "stride_s": 1.0}
    pipeline = replace_settings(scale="window", **options)
    recording = in_memory(SPLIT_COUNTS, 250.0, scale=3e-4, pauses=pauses)
    edges = sorted({0, *pauses, *taken_out, len(SPLIT_COUNTS)})
    pieces = [
        (first, last)
        for first, last in itertools.pairwise(edges)
        if not (taken_out[0] <= first and last <= taken_out[1])
    ]
    expected = []
    for first, last in pieces:
        try:
            piece = cut_recording(in_memory(SPLIT_COUNTS[first:last], 250.0, scale=3e-4), [0], pipeline)
        except SignalError:
            continue
        expected.append((first / 250, piece))
    span_s = excluded((taken_out[0] / 250, taken_out[1] / 250))
    if not expected:
        with pytest.raises(SignalError):
            cut_recording(recording, [0], pipeline, span_s)
        return
    found = cut_recording(recording, [0], pipeline, span_s)
    np.testing.assert_array_equal(found.windows, np.concatenate([piece.windows for _, piece in expected]))
    np.testing.assert_allclose(
        found.start_s, np.concatenate([start_s + piece.start_s for start_s, piece in expected]), atol=1e-9
    )
    for name in ("heart_rate_bpm", "scale_offset", "scale_gain"):
        pieced = np.concatenate([getattr(piece, name) for _, piece in expected])
        np.testing.assert_allclose(getattr(found, name), pieced, rtol=1e-9)
    verdicts = np.concatenate([piece.quality.verdict for _, piece in expected])
    np.testing.assert_array_equal(found.quality.verdict, verdicts)
