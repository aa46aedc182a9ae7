"""The response of the whole chain, measured: what passes and when, what is stopped, what is left of mains."""

import numpy as np
import pytest
from scipy.signal import butter, chirp, resample_poly, sosfiltfilt

from ecgkit.preprocess.clean import clean
from ecgkit.preprocess.low_pass import low_pass
from ecgkit.preprocess.mains import notch, plan_mains
from ecgkit.preprocess.resample import anti_alias_taps, resample
from ecgkit.simulate.study import simulate_recording

PAPER = {"high_pass_hz": 0.5, "order": 5}
RESAMPLED = [
    (250, 100),
    (500, 100),
    (1000, 100),
    (2000, 100),
    (360, 100),
    (500, 250),
    (1000, 250),
    (2000, 250),
]
RATES = [*RESAMPLED, (250, 250)]
DURATION_S = 60


def cleaned(
    signal: np.ndarray, fs: float, to_fs: float, *, mains_hz: float = 60.0, lines: int = 1
) -> np.ndarray:
    plan = plan_mains(fs, to_fs=to_fs, mains_hz=mains_hz, mode="auto", lines=lines)
    return clean(signal, fs, to_fs=to_fs, mains=plan, **PAPER)


def unnotched(signal: np.ndarray, fs: float, to_fs: float) -> np.ndarray:
    plan = plan_mains(fs, to_fs=to_fs, mains_hz=60.0, mode="none")
    return clean(signal, fs, to_fs=to_fs, mains=plan, **PAPER)


def middle(signal: np.ndarray) -> np.ndarray:
    return signal[len(signal) // 4 : 3 * len(signal) // 4]


def gain(fs: float, to_fs: float, tone_hz: float) -> complex:
    """Complex gain for a tone recorded as int16; its angle is the phase."""
    t = np.arange(DURATION_S * fs) / fs
    tone = np.rint(30_000 * np.sin(2 * np.pi * tone_hz * t)).astype(np.int16)
    out = middle(unnotched(tone, fs, to_fs)) / 30_000
    t_out = middle(np.arange(DURATION_S * to_fs) / to_fs)
    basis = np.stack([np.sin(2 * np.pi * tone_hz * t_out), np.cos(2 * np.pi * tone_hz * t_out)], axis=1)
    return complex(*np.linalg.lstsq(basis, out, rcond=None)[0])


@pytest.mark.parametrize(("fs", "to_fs"), RATES)
def test_clean_passes_up_to_four_fifths_of_half_the_rate_without_delay(fs: float, to_fs: float) -> None:
    for tone_hz in (*np.linspace(1.0, 0.4 * to_fs - 0.03, 12), 1.03, 5.0, 0.3 * to_fs + 0.01):
        found = gain(fs, to_fs, tone_hz)
        assert abs(20 * np.log10(abs(found))) < 0.04
        assert abs(np.angle(found) / (2 * np.pi * tone_hz)) < 1e-7  # seconds


@pytest.mark.parametrize(("fs", "to_fs"), RATES)
def test_clean_is_half_down_at_its_corners(fs: float, to_fs: float) -> None:
    assert 20 * np.log10(abs(gain(fs, to_fs, 0.5))) == pytest.approx(-6.02, abs=0.02)
    assert abs(gain(fs, to_fs, 0.25)) < 2e-3
    if fs > to_fs:
        assert 20 * np.log10(abs(gain(fs, to_fs, 0.89 * to_fs / 2))) == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize(("fs", "to_fs"), RESAMPLED)
def test_clean_stops_all_that_lies_beyond_half_the_rate(fs: float, to_fs: float) -> None:
    t = np.arange(DURATION_S * fs) / fs
    mains_hz = [hz * k for hz in (50, 60) for k in range(1, 20) if to_fs <= 2 * hz * k < fs]
    for tone_hz in (*np.linspace(to_fs / 2, fs / 2 - 0.01, 15), *mains_hz):
        for phase in (0.0, np.pi / 2):
            out = middle(unnotched(np.sin(2 * np.pi * tone_hz * t + phase), fs, to_fs))
            assert 20 * np.log10(np.abs(out).max() + 1e-12) < -70, (tone_hz, phase)


@pytest.mark.parametrize(("fs", "to_fs"), RATES)
@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_clean_leaves_nothing_of_mains_and_its_multiples(fs: float, to_fs: float, mains_hz: float) -> None:
    t = np.arange(DURATION_S * fs) / fs
    hum = sum(np.sin(2 * np.pi * mains_hz * k * t + k) / k for k in range(1, 6) if mains_hz * k < fs / 2)
    left = np.abs(cleaned(hum, fs, to_fs, mains_hz=mains_hz, lines=5))
    assert 20 * np.log10(middle(left).max()) < -70
    assert left.max() < 1.5  # at the very ends its phase turns
    assert left[5 * int(to_fs) : -5 * int(to_fs)].max() < 1e-3


@pytest.mark.parametrize("fs", [250, 1000])
@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_clean_notch_takes_mains_that_is_a_tenth_off(fs: float, mains_hz: float) -> None:
    t = np.arange(DURATION_S * fs) / fs
    out = cleaned(np.sin(2 * np.pi * (mains_hz + 0.1) * t), fs, 250.0, mains_hz=mains_hz)
    assert 20 * np.log10(np.abs(middle(out)).max()) < -36


def ecg_of(fs: float, duration_s: float = 40.0) -> np.ndarray:
    return simulate_recording(1, "rest", 1, fs=fs, seed=1, duration_s=duration_s, mains_hz=60.0).ecg_mv


@pytest.mark.parametrize(("fs", "to_fs"), [(1000, 250), (500, 250)])
def test_clean_notches_as_well_after_resampling_as_before(fs: float, to_fs: float) -> None:
    ecg_mv = ecg_of(fs)
    before = unnotched(notch(ecg_mv, fs, notch_hz=60.0), fs, to_fs)
    difference = np.abs(middle(cleaned(ecg_mv, fs, to_fs) - before)).max()
    assert difference < 1e-3 * np.ptp(before)


@pytest.mark.parametrize(("fs", "to_fs"), [(2000, 100), (500, 100), (1000, 250)])
@pytest.mark.parametrize("what", ["ecg", "sweep"])
def test_clean_is_scipys_chain_in_float64(fs: int, to_fs: int, what: str) -> None:
    t = np.arange(40 * fs) / fs
    signal = ecg_of(fs) if what == "ecg" else chirp(t, 0.1, t[-1], 0.4 * to_fs, method="logarithmic")
    taps = anti_alias_taps(fs, to_fs)
    pad = -(-len(taps) // (2 * fs // to_fs)) * fs // to_fs
    expected = resample_poly(np.pad(signal, pad, mode="reflect"), 1, fs // to_fs, window=taps)
    expected = expected[pad * to_fs // fs :][: 40 * to_fs]
    sos = butter(5, 0.5, "highpass", fs=to_fs, output="sos")
    expected = sosfiltfilt(sos, expected, padtype="even", padlen=6 * to_fs)
    np.testing.assert_allclose(unnotched(signal, fs, to_fs), expected, rtol=0, atol=1e-6 * np.ptp(expected))


def test_clean_of_counts_is_that_of_millivolts() -> None:
    counts = np.rint(ecg_of(2000) / 0.0003).astype(np.int16)
    from_counts = unnotched(counts, 2000, 100) * 0.0003
    from_mv = unnotched(counts * 0.0003 - 1.7, 2000, 100)
    np.testing.assert_allclose(from_counts, from_mv, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("fs", "to_fs"), [(2000, 100), (500, 250)])
def test_clean_ends_are_like_the_same_seconds_within_a_longer_recording(fs: int, to_fs: int) -> None:
    ecg_mv = ecg_of(fs, 120.0)
    whole = cleaned(ecg_mv, fs, to_fs)
    worst = np.zeros(6 * to_fs)
    for start_s in range(20, 60, 5):
        stretch = cleaned(ecg_mv[start_s * fs : (start_s + 40) * fs], fs, to_fs)
        difference = np.abs(stretch - whole[start_s * to_fs : (start_s + 40) * to_fs]) / np.ptp(whole)
        worst = np.max([worst, difference[: 6 * to_fs], difference[::-1][: 6 * to_fs]], axis=0)
    assert worst.max() < 0.1
    assert worst[to_fs:].max() < 0.02
    assert worst[3 * to_fs :].max() < 0.003


def test_clean_low_pass_comes_last_and_only_if_asked_for() -> None:
    ecg_mv, plan = ecg_of(1000), plan_mains(1000, to_fs=250, mains_hz=60, mode="auto")
    narrow = clean(ecg_mv, 1000, to_fs=250, mains=plan, **PAPER, low_pass_hz=20.0)
    wide = clean(ecg_mv, 1000, to_fs=250, mains=plan, **PAPER)
    np.testing.assert_array_equal(narrow, low_pass(wide, 250, low_pass_hz=20.0))


def test_clean_equal_rates_resample_nothing() -> None:
    ecg_mv = ecg_of(250)
    np.testing.assert_array_equal(resample(ecg_mv, 250, to_fs=250), ecg_mv)
    assert unnotched(ecg_mv, 250, 250).shape == ecg_mv.shape
