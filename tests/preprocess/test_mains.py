import numpy as np
import pytest

from ecgkit.errors import SignalError
from ecgkit.preprocess.mains import alias_hz, notch, plan_mains


@pytest.mark.parametrize(
    ("fs", "to_fs", "mains_hz", "mode", "method", "notch_hz"),
    [
        (1000, 100, 60, "auto", "stop-band", None),
        (2000, 100, 50, "auto", "stop-band", None),
        (1000, 250, 60, "auto", "notch", 60),
        (250, 250, 50, "auto", "notch", 50),
        (110, 100, 60, "auto", "stop-band", None),  # aliased to 50 Hz, which the resampler stops
        (100, 100, 60, "alias-notch", "alias-notch", 40),
        (100, 100, 60, "none", "none", None),
        (1000, 100, 60, "alias-notch", "stop-band", None),
    ],
)
def test_plan_mains_by_rate(
    fs: float, to_fs: float, mains_hz: float, mode: str, method: str, notch_hz: float | None
) -> None:
    plan = plan_mains(fs, to_fs=to_fs, mains_hz=mains_hz, mode=mode)
    assert (plan.method, plan.notch_hz) == (method, notch_hz)
    assert plan.reason


def test_plan_mains_refuses_60_hz_at_100_hz_and_offers_the_alias() -> None:
    with pytest.raises(
        SignalError, match=r"60 Hz notch can't be designed at 100 Hz.*sits at 40 Hz.*alias-notch"
    ):
        plan_mains(100, to_fs=100, mains_hz=60, mode="auto")


@pytest.mark.parametrize("mode", ["auto", "alias-notch"])
def test_plan_mains_says_that_50_hz_at_100_hz_cannot_be_undone(mode: str) -> None:
    with pytest.raises(SignalError, match="can't be undone"):
        plan_mains(100, to_fs=100, mains_hz=50, mode=mode)


@pytest.mark.parametrize(
    ("line_hz", "fs", "seen_hz"), [(60, 100, 40), (50, 100, 50), (60, 1000, 60), (60, 64, 4)]
)
def test_alias_hz_is_where_a_sampled_line_appears(line_hz: float, fs: float, seen_hz: float) -> None:
    assert alias_hz(line_hz, fs) == seen_hz
    n = np.arange(int(fs) * 4)
    spectrum = np.abs(np.fft.rfft(np.sin(2 * np.pi * line_hz * n / fs + 0.3)))
    assert np.fft.rfftfreq(len(n), 1 / fs)[spectrum.argmax()] == pytest.approx(seen_hz)


def test_notch_removes_the_line_and_nothing_else() -> None:
    fs, t = 500.0, np.arange(5000) / 500
    wanted = np.sin(2 * np.pi * 10 * t)
    out = notch(wanted + np.sin(2 * np.pi * 60 * t), fs, notch_hz=60)
    np.testing.assert_allclose(out[500:-500], wanted[500:-500], atol=0.01)


@pytest.mark.parametrize(
    ("fs", "to_fs", "mains_hz", "mode", "lines", "lines_hz"),
    [
        (1000, 250, 50, "auto", 5, (50, 100)),
        (1000, 500, 60, "auto", 3, (60, 120, 180)),
        (1000, 500, 60, "auto", 1, (60,)),
        (1000, 100, 60, "auto", 5, ()),  # all of it lies in the stop band
        (100, 100, 60, "alias-notch", 5, (40,)),  # where the multiples went, nobody knows
    ],
)
def test_plan_mains_notches_as_many_lines_as_asked_for_and_kept(
    fs: float, to_fs: float, mains_hz: float, mode: str, lines: int, lines_hz: tuple[float, ...]
) -> None:
    plan = plan_mains(fs, to_fs=to_fs, mains_hz=mains_hz, mode=mode, lines=lines)
    assert plan.lines_hz == lines_hz
