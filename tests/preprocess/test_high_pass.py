import numpy as np
import pytest

from ecgkit.preprocess.high_pass import high_pass

FS = 100.0
T = np.arange(6000) / FS


def test_high_pass_removes_the_baseline() -> None:
    drift = 3 + 0.01 * T + np.sin(2 * np.pi * 0.1 * T)
    out = high_pass(drift, FS, high_pass_hz=0.5, order=5)
    assert np.abs(out[500:-500]).max() < 1e-3


@pytest.mark.parametrize("tone_hz", [1.0, 5.0, 40.0])
def test_high_pass_moves_no_wave(tone_hz: float) -> None:
    tone = np.sin(2 * np.pi * tone_hz * T)
    out = high_pass(tone, FS, high_pass_hz=0.5, order=5)
    np.testing.assert_allclose(out[1000:-1000], tone[1000:-1000], atol=2e-3)


def test_high_pass_is_6_db_down_at_its_corner() -> None:
    out = high_pass(np.sin(2 * np.pi * 0.5 * T), FS, high_pass_hz=0.5, order=5)
    assert np.abs(out[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


def test_high_pass_takes_a_stretch_shorter_than_its_settling_time() -> None:
    assert high_pass(np.ones(300), FS, high_pass_hz=0.5, order=5).shape == (300,)
