import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgkit.errors import ConfigError
from ecgkit.preprocess.scale import SCALES, apply_scale, scale_constants

windows_of = arrays(np.float64, (4, 2, 30), elements=st.floats(-10, 10, allow_nan=False, width=32))


@given(windows_of, st.sampled_from(sorted(SCALES)))
def test_scale_can_be_undone(windows: np.ndarray, scale: str) -> None:
    recording = windows.swapaxes(0, 1).reshape(2, -1)
    offset, gain = scale_constants(windows, recording, scale=scale)
    scaled = apply_scale(windows, offset, gain)
    assert offset.shape == gain.shape == (4, 2)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled * gain[:, :, None] + offset[:, :, None], windows, atol=1e-4)


@given(windows_of)
def test_scale_recording_uses_one_range_for_all_windows(windows: np.ndarray) -> None:
    recording = windows.swapaxes(0, 1).reshape(2, -1)
    scaled = apply_scale(windows, *scale_constants(windows, recording, scale="recording"))
    assert scaled.min() >= -1e-6
    assert scaled.max() <= 1 + 1e-6
    for lead in range(2):
        if np.ptp(windows[:, lead]) > 0.01:
            assert scaled[:, lead].min() == pytest.approx(0, abs=1e-5)
            assert scaled[:, lead].max() == pytest.approx(1, abs=1e-5)


def test_scale_window_brings_each_window_to_0_and_1() -> None:
    windows = np.random.default_rng(0).normal(size=(5, 1, 40)) * np.arange(1, 6)[:, None, None]
    scaled = apply_scale(windows, *scale_constants(windows, windows.reshape(1, -1), scale="window"))
    np.testing.assert_allclose(scaled.min(axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(axis=2), 1, atol=1e-6)


def test_scale_percentile_is_not_moved_by_one_spike() -> None:
    quiet = np.sin(np.linspace(0, 60, 3000)).reshape(10, 1, 300)
    spiked = quiet.copy()
    spiked[0, 0, 5] = 60.0
    ranges = {
        scale: scale_constants(spiked, spiked.reshape(1, -1), scale=scale)[1][0, 0]
        for scale in ("recording", "recording-percentile")
    }
    assert ranges["recording"] == pytest.approx(61, abs=0.1)
    assert ranges["recording-percentile"] == pytest.approx(2, abs=0.1)


def test_scale_flat_window_stays_finite() -> None:
    windows = np.full((1, 1, 10), 3.0)
    scaled = apply_scale(windows, *scale_constants(windows, windows[0], scale="window"))
    np.testing.assert_array_equal(scaled, 0)


def test_scale_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="window-percentile"):
        scale_constants(np.zeros((1, 1, 2)), np.zeros((1, 2)), scale="minmax")


def test_scale_does_not_stretch_a_detached_electrode() -> None:
    beat = np.sin(np.linspace(0, 60, 300))
    dust = 1e-6 * np.random.default_rng(0).normal(size=300)
    windows = np.stack([beat, dust])[:, None]
    offset, gain = scale_constants(windows, windows.reshape(1, -1), scale="window")
    scaled = apply_scale(windows, offset, gain)
    assert np.ptp(scaled[0]) == pytest.approx(1)
    assert np.ptp(scaled[1]) < 1e-5
