import numpy as np
import pytest

from ecgkit.errors import SignalError
from ecgkit.preprocess.low_pass import low_pass

FS = 250.0
T = np.arange(5000) / FS


@pytest.mark.parametrize(("tone_hz", "gain"), [(5.0, 1.0), (20.0, 0.996), (40.0, 0.5), (80.0, 0.0)])
def test_low_pass_gain_and_no_delay(tone_hz: float, gain: float) -> None:
    tone = np.sin(2 * np.pi * tone_hz * T)
    out = low_pass(tone, FS, low_pass_hz=40)
    np.testing.assert_allclose(out[500:-500], gain * tone[500:-500], atol=3e-3)


def test_low_pass_keeps_the_baseline() -> None:
    np.testing.assert_allclose(low_pass(np.full(100, 3.0), FS, low_pass_hz=40), 3.0)


@pytest.mark.parametrize("low_pass_hz", [0, 125, 200])
def test_low_pass_refuses_what_is_not_below_half_the_rate(low_pass_hz: float) -> None:
    with pytest.raises(SignalError, match=rf"low-pass at {low_pass_hz:g} Hz.*at 250 Hz.*below 125 Hz"):
        low_pass(T, FS, low_pass_hz=low_pass_hz)
