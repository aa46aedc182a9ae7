import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.recordings import in_memory

from ecgkit.config import PipelineConfig
from ecgkit.errors import SignalError
from ecgkit.readers import read
from ecgkit.records import Recording
from ecgkit.stages.simulate import SimulatedFile
from ecgkit.stages.windows import cut_recording

PAPER = PipelineConfig()


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
    assert np.median(found.quality) > 0.8


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
    found = cut_recording(recording_of(signal, pauses=(10_500,)), [0], PAPER)
    for edge_s in (10.5, 25.0):
        assert not ((found.start_s < edge_s) & (edge_s < found.start_s + 3)).any()
    assert np.isfinite(found.windows).all()
    assert len(found.windows) == 3 + 4 + 4


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
